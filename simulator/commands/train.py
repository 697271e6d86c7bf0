"""`semlink train`: the stages in order, each taken up where it was left."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from simulator.commands.options import (
    SCHEMES,
    RecipeRequest,
    command,
    device_option,
    flag,
    minutes_option,
    option,
    seed_option,
    trained_on,
    whole,
)
from simulator.parse import MOST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.description.basis import Part
    from simulator.schemes.experiment import Experiment
    from simulator.training.run import TrainingRun
    from simulator.training.student import Session

STAGES = (
    *("teacher", "cache", "stage1", "head", "stage2"),
    *("baselines", "decoded", "decoded_teachers", "rebuilt", "all"),
)


@dataclass(frozen=True, kw_only=True)
class TrainRequest(RecipeRequest):
    """What `semlink train` is asked for."""

    stage: str = option(
        default="all",
        type=click.Choice(STAGES, case_sensitive=False),
        help="Stop after this stage; earlier ones that are missing are trained first.",
    )
    variants: tuple[str, ...] = option(
        default=(), help="Train these ablations too, after stage 2; or all."
    )
    schemes: tuple[str, ...] | None = option(
        type=SCHEMES, help="Train these baselines alone; or all."
    )
    seed: int = seed_option("Seed of the training.")
    teacher_seed: int | None = option(
        type=whole(0, MOST_SEED),
        metavar="N",
        help="Seed of the teachers in --out and of what they were shown.  [default: --seed]",
    )
    teacher: str | None = option(
        metavar="NAME|DIR",
        help="A pretrained CLIP, DINOv2 or ViT from the hub or a folder, in place of the recipe's.",
    )
    minutes: float | None = minutes_option()
    fresh: bool = flag(
        help="Forget finished parts and checkpoints in --out; with stages that go on from finished "
        "weights, only their own."
    )
    device: str = device_option()


@command(TrainRequest)
def train(request: TrainRequest) -> None:
    """Train the models of a recipe, one of {recipes}.

    In order: teacher, cache (its outputs), student (stage1), head (stage 1b) with the quantiser of
    digital_semantic, codec (stage2); with "baselines" or "all" the neural baselines, a model for
    each k; with "all" the student on images that were decoded or rebuilt. "decoded" and
    "decoded_teachers" train finished classifiers on decoded images, for separate:retrained,
    "rebuilt" the student on what deep JSCC rebuilds, for deep_jscc_image:retrained.

    Stop with Ctrl-C at any time; the same command goes on from the last checkpoint.
    """
    from simulator.schemes.train import begin, schemes_to_train, stages_of, train_schemes
    from simulator.training.student import Session

    experiment = request.experiment()
    if request.teacher is not None:
        experiment = experiment.with_pretrained(request.teacher)
    asked = None if request.schemes is None or "all" in request.schemes else request.schemes
    schemes = schemes_to_train(
        experiment, request.stage, variants=request.variants, baselines=asked
    )
    run = _run_of(request, experiment)
    parts = experiment.parts().values()
    begin(run, request.stage, schemes, parts=parts, fresh=request.fresh)
    start = time.perf_counter()
    session = Session(run)
    with trained_on(request.minutes):
        if "teacher" in stages_of(request.stage):
            _tell(session)
        train_schemes(session, request.stage, schemes)
        _show(run, parts)
        minutes = (time.perf_counter() - start) / 60
        click.echo(f"weights: {request.folder / 'weights'}  ({minutes:.1f} min)")


def _run_of(request: TrainRequest, experiment: "Experiment") -> "TrainingRun":
    """The training that is asked for. Raises: UserError."""
    from simulator import resolve
    from simulator.parse import MOST_SEED, in_range
    from simulator.training.run import TrainingRun

    if request.teacher_seed is not None:
        in_range("--teacher-seed", request.teacher_seed, 0, MOST_SEED)
    return TrainingRun(
        recipe=experiment,
        dataset=resolve.dataset_of(experiment, request.data),
        folder=request.folder,
        seed=in_range("--seed", request.seed, 0, MOST_SEED),
        device=resolve.device_named(request.device),
        deadline=resolve.deadline_in(request.minutes),
        teacher_seed=request.teacher_seed,
    )


def _tell(session: "Session") -> None:
    """What the teachers are, one line each."""
    from models import PretrainedTeacherConfig
    from models.blocks import parameter_count

    for name, network in session.teachers.items():
        model = session.run.recipe.teachers[name].model
        offline = f"{type(model).__name__.removesuffix('Config')} trained offline"
        kind = model.source if isinstance(model, PretrainedTeacherConfig) else offline
        click.echo(f"{name}: {kind}, {parameter_count(network) / 1e6:.2f} M parameters")


def _show(run: "TrainingRun", parts: "Iterable[Part]") -> None:
    """The last validation accuracy of every part that is there."""
    from simulator.storage.files import read_header

    click.echo(f"validation accuracy (a guess: {100 / run.dataset.num_classes:.3g} %)")
    for name in (part.name for part in parts):
        if run.path(name).exists():
            accuracy = read_header(run.path(name))["history"][-1]["validation"]
            of = " of the pixels' variance" if name.startswith("deep_jscc_image") else ""
            click.echo(f"  {name:19} {100 * accuracy:6.2f} %{of}")
