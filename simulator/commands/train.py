"""`semlink train`: the stages in order, each taken up where it was left."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from simulator.commands.options import AFTERWARDS, STAGES
from simulator.description.experiment import Experiment, Variant
from simulator.description.origin import write_data_name
from simulator.description.parts import recipe_parts, with_pretrained
from simulator.description.stages import ImageJsccStage, JointStage
from simulator.errors import Stopped, TimeUp, UserError
from simulator.parse import MOST_SEED, in_range, parse_names
from simulator.resolve import dataset_of, deadline_in, device_named, recipe_named, with_student
from simulator.storage.files import load_tensors
from simulator.storage.folders import check_writable, forget, forget_parts
from simulator.training.codec import Taught, train_codec, train_taught, train_variant
from simulator.training.decoded import check_decoded, train_decoded
from simulator.training.image import train_image_jscc
from simulator.training.joint import train_joint
from simulator.training.quantiser import train_quantiser
from simulator.training.rebuilt import check_rebuilt, pairs_to_rebuild, train_rebuilt
from simulator.training.run import TrainingRun
from simulator.training.student import student_features, train_head, train_student
from simulator.training.teachers import teacher_views, train_teachers


def train(
    recipe: str,
    *,
    stage: str,
    variants: str | None,
    schemes: str | None = None,
    data: Path | None,
    seed: int,
    teacher_seed: int | None,
    fresh: bool,
    minutes: float | None,
    teacher: str | None,
    device: str,
    out: Path | None,
    student: Path | None = None,
) -> None:
    """`semlink train`: the stages in order; finished ones are taken from `out`."""
    experiment = with_student(recipe_named(recipe), student)
    if teacher is not None:
        experiment = with_pretrained(experiment, teacher)
    chosen, baselines = _variants(experiment, variants), _baselines(experiment, schemes, stage)
    run = TrainingRun(
        experiment=experiment,
        dataset=dataset_of(experiment, data),
        folder=out or Path("results/runs") / recipe,
        seed=in_range("--seed", seed, 0, MOST_SEED),
        device=device_named(device),
        deadline=deadline_in(minutes),
        teacher_seed=teacher_seed
        if teacher_seed is None
        else in_range("--teacher-seed", teacher_seed, 0, MOST_SEED),
    )
    _ = run.training, run.validation  # the data must hold both
    check_writable(run.folder)
    _check(run, stage)
    if fresh:
        _forget(run, stage)
    write_data_name(run.folder / "weights", run.dataset)
    start = time.perf_counter()
    try:
        _train(run, stage, chosen, baselines)
    except TimeUp:
        click.echo(f"stopped after {minutes:g} min; run the same command again to go on")
        return
    except KeyboardInterrupt:
        raise Stopped("run the same command again to go on from the last checkpoint") from None
    click.echo(f"validation accuracy (a guess: {100 / run.num_classes:.3g} %)")
    for part in recipe_parts(experiment):
        if not run.path(part).exists():
            continue
        accuracy = load_tensors(run.path(part))[1]["history"][-1]["validation"]
        of = " of the pixels' variance" if part.startswith("deep_jscc_image") else ""
        click.echo(f"  {part:19} {100 * accuracy:6.2f} %{of}")
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"weights: {run.folder / 'weights'}  ({minutes:.1f} min)")


def _check(run: TrainingRun, stage: str) -> None:
    """Raises: UserError if a stage that goes on from finished weights does not find them."""
    if stage == "rebuilt":
        check_rebuilt(run)
    elif stage in AFTERWARDS:
        check_decoded(run, teachers=stage == "decoded_teachers")


def _forget(run: TrainingRun, stage: str) -> None:
    """Begin anew: everything, or what a stage makes that goes on from finished weights."""
    parts = list(recipe_parts(run.experiment))
    if stage in AFTERWARDS:
        own = AFTERWARDS[stage]
        forget_parts(run.folder, [part for part in parts if part.startswith(own)])
    else:
        forget(run.folder, parts)


def _train(
    run: TrainingRun,
    stage: str,
    variants: Sequence[Variant],
    baselines: Sequence[JointStage | ImageJsccStage],
) -> None:
    """What the stage asks for: ours up to it, baselines, what goes on from them, or all."""
    if stage not in ("baselines", *AFTERWARDS):
        _train_ours(run, stage, variants)
    if stage in ("baselines", "all"):
        _train_baselines(run, baselines)
    if stage in ("decoded", "decoded_teachers", "all"):
        train_decoded(run, teachers=stage == "decoded_teachers")
    rebuilds = run.experiment.image_jscc in baselines and bool(pairs_to_rebuild(run))
    if stage == "rebuilt" or (stage == "all" and rebuilds):
        train_rebuilt(run)


def _train_ours(run: TrainingRun, stage: str, variants: Sequence[Variant]) -> None:
    """Every stage up to the one asked for, then the variants."""
    last = STAGES.index(stage)
    teachers = train_teachers(run)
    for part, told in teachers.items():
        click.echo(f"{part}: {told.name}, {told.parameters / 1e6:.2f} M parameters")
    if last < STAGES.index("cache"):
        return
    views = teacher_views(run, teachers)
    if last < STAGES.index("stage1"):
        return
    student = train_student(run, views)
    if last < STAGES.index("head"):
        return
    features = student_features(run, student)
    head = train_head(run, student, features)
    train_quantiser(run, student, head, features)
    if last < STAGES.index("stage2"):
        return
    train_codec(run, student, head, features, views)
    for variant in variants:
        train_variant(run, variant, views)


def _train_baselines(run: TrainingRun, stages: Sequence[JointStage | ImageJsccStage]) -> None:
    """Baselines for every k, after the backbones that they do not learn themselves."""
    taught: dict[str, Taught] = {}
    joint = [stage for stage in stages if isinstance(stage, JointStage)]
    for name in sorted({stage.backbone_of for stage in joint if stage.backbone != "scratch"}):
        views = teacher_views(run, train_teachers(run))
        variant = run.experiment.variant(name) if name else None
        taught[name] = train_taught(run, variant, views)
    for stage in stages:
        if isinstance(stage, ImageJsccStage):
            for uses in stage.models(run.dataset.image_shape):
                train_image_jscc(run, stage, uses)
            continue
        for uses in stage.uses:
            backbone = None if stage.backbone == "scratch" else taught[stage.backbone_of]
            train_joint(run, stage, uses, taught=backbone)


def _baselines(
    experiment: Experiment, names: str | None, stage: str
) -> Sequence[JointStage | ImageJsccStage]:
    """The baselines that an option names; all without it."""
    if names in (None, "all"):
        return experiment.trained_baselines
    if stage not in ("baselines", "all"):
        raise UserError(f"--schemes goes with --stage baselines or all, got --stage {stage}")
    known = {baseline.name: baseline for baseline in experiment.trained_baselines}
    asked = parse_names(str(names))
    for name in asked:
        if name not in known:
            raise UserError(
                f"--schemes must name trained baselines among {', '.join(known)}, got {name!r}"
            )
    return [known[name] for name in asked]


def _variants(experiment: Experiment, names: str | None) -> Sequence[Variant]:
    """The variants that an option names."""
    if names is None:
        return ()
    if names == "all":
        return experiment.variants
    return [experiment.variant(name) for name in parse_names(names)]
