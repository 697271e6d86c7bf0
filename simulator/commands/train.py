"""`semlink train`: the stages in order, each resumed from its last checkpoint."""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from simulator.commands.options import (
    SCHEMES,
    RecipeRequest,
    command,
    device_option,
    flag,
    load_dataset_with_notes,
    minutes_option,
    note,
    number,
    option,
    seed_option,
    trained_on,
    whole,
)
from simulator.errors import UserError, did_you_mean
from simulator.parse import MOST_SEED

MOST_EPOCHS = 10**6

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from simulator.data.dataset import Dataset
    from simulator.description.basis import Part
    from simulator.description.trial import Trial
    from simulator.schemes.contract import SchemeConfig
    from simulator.schemes.experiment import Experiment
    from simulator.training.run import TrainingRun
    from simulator.training.student import Session

STAGES = (
    *("teacher", "cache", "stage1", "head", "words", "stage2"),
    *("baselines", "decoded", "decoded_teachers", "rebuilt", "all"),
)


@dataclass(frozen=True, kw_only=True)
class TrainRequest(RecipeRequest):
    """The options of `semlink train`."""

    stage: str | None = option(
        type=click.Choice(STAGES, case_sensitive=False),
        help="Stop after this stage; missing earlier ones are trained first.  "
        "[default: all; stage2 with a warm start]",
    )
    variants: tuple[str, ...] = option(
        default=(), help="Also train these ablations, after stage 2; or all."
    )
    schemes: tuple[str, ...] | None = option(
        type=SCHEMES, help="Train only these baselines; or all."
    )
    seed: int = seed_option("Seed of the training run.")
    teacher_seed: int | None = option(
        type=whole(0, MOST_SEED),
        metavar="N",
        help="Seed of the teachers in --out.  [default: --seed]",
    )
    teacher: str | None = option(
        metavar="NAME|DIR",
        help="A pretrained CLIP, DINOv2 or ViT from the hub or a folder, in place of the recipe's.",
    )
    from_scratch: bool = flag(
        help="Train without the warm start that recipe images uses for few training images."
    )
    epochs: int | None = option(
        type=whole(1, MOST_EPOCHS),
        metavar="N",
        help="A quick trial: N epochs for every part, recorded beside the weights.",
    )
    lr: float | None = option(
        type=number("a number above 0", lambda rate: 0 < rate < math.inf),
        metavar="RATE",
        help="A trial: this peak learning rate for every part, recorded likewise.",
    )
    minutes: float | None = minutes_option()
    fresh: bool = flag(
        help="Delete finished parts and checkpoints in --out; with a stage that starts from "
        "finished weights, only its own."
    )
    device: str = device_option()


@command(TrainRequest)
def train(request: TrainRequest) -> None:
    """Train the models of a recipe, one of {recipes}.

    Stages in order: "teacher", "cache" (its outputs), "stage1" (the student), "head" (with the
    quantiser of digital_semantic), "words" (of digital_semantic), "stage2" (the codec). "baselines"
    or "all" adds the neural baselines, one model for each k; "all" also trains the student on
    decoded and on rebuilt images.

    Some stages start from finished weights and train only their own part: "decoded" and
    "decoded_teachers" train classifiers on decoded images, for separate:retrained; "rebuilt" trains
    the student on images that deep JSCC rebuilds, for deep_jscc_image:retrained; "words" fits the
    words to a finished student.

    Stop with Ctrl-C at any time; the same command resumes from the last checkpoint.
    """
    from simulator.schemes.train import begun, schemes_to_train, stages_of, stands_alone

    if request.stage not in (None, *STAGES):
        hint = did_you_mean(str(request.stage), STAGES)
        raise UserError(f"--stage must be one of {', '.join(STAGES)}, got {request.stage!r}{hint}")
    experiment = request.experiment()
    if request.teacher is not None:
        experiment = experiment.with_pretrained(request.teacher)
    dataset = load_dataset_with_notes(experiment, request.data, request.resize)
    trial = _trial(request, experiment, dataset)
    experiment = trial.applied(experiment)
    stage = request.stage or ("stage2" if trial.warm else "all")
    asked = None if request.schemes is None or "all" in request.schemes else request.schemes
    _check_baselines(experiment, asked or ())
    if request.variants and "stage2" not in stages_of(stage):
        raise UserError(f"--variants goes with --stage stage2 or all, got --stage {stage}")
    schemes = schemes_to_train(experiment, stage, variants=request.variants, baselines=asked)
    run = _run_of(request, experiment, dataset)
    parts = experiment.parts().values()
    weights = request.folder / "weights"
    if request.fresh and stands_alone(stage):
        trial.check(weights, way_out="use the same options, or choose another --out")
    with begun(run, stage, schemes, parts=parts, fresh=request.fresh):
        trial.note(weights)
        if trial.warm:
            _tell_warm(run, stage)
        with trained_on(request.minutes):
            _train(run, stage, schemes, parts)


def _check_baselines(experiment: "Experiment", asked: "Sequence[str]") -> None:
    """Raises: UserError if a scheme is named that an earlier stage trains."""
    from simulator.schemes.train import OURS

    own = {scheme.name: scheme for scheme in experiment.schemes if not scheme.ablation}
    for name in asked:
        stages = [part.stage for part in own[name].parts(experiment)] if name in own else []
        if stages and set(stages) <= set(OURS):
            raise UserError(
                f"--schemes must name trained baselines, got {name}, which is trained by "
                f"--stage {stages[-1]}"
            )


def _train(
    run: "TrainingRun", stage: str, schemes: "Sequence[SchemeConfig]", parts: "Collection[Part]"
) -> None:
    """Train all parts of a stage, and print their accuracies."""
    from simulator.schemes.train import parts_to_train, stages_of, train_schemes
    from simulator.training.remaining import RemainingTime, costs
    from simulator.training.student import Session

    start = time.perf_counter()
    to_come = parts_to_train(run, stage, schemes)
    run = replace(run, remaining=RemainingTime(costs(to_come, len(run.labels))))
    run.remaining.announce()
    session = Session(run)
    if "teacher" in stages_of(stage):
        _tell(session)
    if "baselines" in stages_of(stage):
        _tell_backbones(run, schemes)
    train_schemes(session, stage, schemes)
    _show(run, parts)
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"weights: {run.folder / 'weights'}  ({minutes:.1f} min)")


def _trial(request: TrainRequest, experiment: "Experiment", dataset: "Dataset") -> "Trial":
    """The changes to the recipe, by options or a warm start. Raises: UserError."""
    from simulator.description.trial import Trial
    from simulator.parse import in_range

    if request.epochs is not None:
        in_range("--epochs", request.epochs, 1, MOST_EPOCHS)
    if request.lr is not None and not 0 < request.lr < math.inf:
        raise UserError(f"--lr must be a number above 0, got {request.lr:g}")
    few = dataset.train is not None and len(dataset.train.labels) < experiment.warm_below
    warm = few and request.teacher is None and not request.from_scratch
    return Trial(request.epochs, request.lr, warm)


def _tell_warm(run: "TrainingRun", stage: str) -> None:
    """Print what a warm start does, whether its images are new, and which stages are left out."""
    from simulator.training.warm import known_images

    note(
        f"{len(run.labels)} training images of {run.dataset.num_classes} classes: a warm start "
        "from the committed student of CIFAR-100 (--from-scratch trains without it)"
    )
    if number := known_images(run.dataset):
        note(
            f"{number:,} of your images are training images of the shipped student, from which "
            "this training starts: accuracies will be too high; use other images, or "
            "--from-scratch"
        )
    if stage == "stage2":
        note("the neural baselines are left out: --stage baselines trains them afterwards")


def _run_of(request: TrainRequest, experiment: "Experiment", dataset: "Dataset") -> "TrainingRun":
    """The requested training run. Raises: UserError."""
    from simulator import resolve
    from simulator.parse import MOST_SEED, in_range
    from simulator.training.run import TrainingRun

    if request.teacher_seed is not None:
        in_range("--teacher-seed", request.teacher_seed, 0, MOST_SEED)
    return TrainingRun(
        recipe=experiment,
        dataset=dataset,
        folder=request.folder,
        seed=in_range("--seed", request.seed, 0, MOST_SEED),
        device=resolve.device_named(request.device),
        deadline=resolve.deadline_in(request.minutes),
        teacher_seed=request.teacher_seed,
    )


def _tell(session: "Session") -> None:
    """Print a line about each teacher."""
    from models import EfficientNetConfig, PretrainedTeacherConfig
    from models.blocks import parameter_count

    for name, network in session.teachers.items():
        stage = session.run.recipe.teachers[name]
        pretrained = isinstance(stage.model, EfficientNetConfig)
        how = "pretrained on ImageNet, its end tuned" if pretrained else "trained offline"
        kind = f"{type(stage.model).__name__.removesuffix('Config')} {how}"
        if isinstance(stage.model, PretrainedTeacherConfig):
            kind = stage.model.source
        elif stage.begin == "reference":
            kind = "the committed student of CIFAR-100 with a linear probe"
        click.echo(f"{name}: {kind}, {parameter_count(network) / 1e6:.2f} M parameters")


def _tell_backbones(run: "TrainingRun", schemes: "Iterable[SchemeConfig]") -> None:
    """Print a remark on each student that is trained only for the baselines."""
    from simulator.schemes.joint import JointSchemeConfig

    joint = (own.backbone_of for own in schemes if isinstance(own, JointSchemeConfig))
    for name in dict.fromkeys(filter(None, joint)):
        part = run.recipe.student_parts(name).student.name
        if not run.path(part).exists():
            note(f"{part} is the backbone of the joint baselines, taught by labels")


def _show(run: "TrainingRun", parts: "Iterable[Part]") -> None:
    """Print the last validation accuracy of every finished part, and which parts only guess."""
    from simulator.storage.files import read_header
    from simulator.training.weights import PIXELS, guessing

    accuracies = {}
    click.echo(f"validation accuracy (a guess: {100 / run.dataset.num_classes:.3g} %)")
    for name in (part.name for part in parts):
        if run.path(name).exists():
            accuracy = read_header(run.path(name))["history"][-1]["validation"]
            of = " of the pixels' variance" if name.startswith(PIXELS) else ""
            click.echo(f"  {name:19} {100 * accuracy:6.2f} %{of}")
            accuracies[name] = accuracy
    classes = run.dataset.num_classes
    note(*guessing(accuracies, images=len(run.validation.labels), classes=classes))
