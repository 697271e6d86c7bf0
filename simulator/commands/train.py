"""`semlink train`: the stages in order, each taken up where it was left."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from models import PretrainedTeacherConfig
from simulator.commands.shared import (
    dataset_of,
    deadline_in,
    device_named,
    recipe_named,
    with_student,
)
from simulator.config import Experiment, Variant
from simulator.decoded import train_decoded
from simulator.distill import (
    student_features,
    train_codec,
    train_head,
    train_student,
    train_variant,
)
from simulator.end_to_end import train_deep_jscc
from simulator.errors import Stopped, TimeUp
from simulator.options import (
    MOST_SEED,
    in_range,
    parse_names,
)
from simulator.parts import recipe_parts
from simulator.quantised import train_quantiser
from simulator.records import (
    check_writable,
    forget,
    load_tensors,
)
from simulator.teachers import teacher_views, train_teachers
from simulator.training_run import TrainingRun

STAGES = ("teacher", "cache", "stage1", "head", "stage2", "decoded", "decoded_teachers", "all")


def train(
    recipe: str,
    *,
    stage: str,
    variants: str | None,
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
        model = PretrainedTeacherConfig(source=teacher)
        alone = replace(experiment.teacher, model=model)
        experiment = replace(experiment, teacher=alone, more_teachers=())
    chosen = _variants(experiment, variants)
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
    if fresh:
        forget(run.folder, recipe_parts(experiment))
    start = time.perf_counter()
    try:
        _train(run, stage, chosen)
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
        click.echo(f"  {part:15} {100 * accuracy:6.2f} %")
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"weights: {run.folder / 'weights'}  ({minutes:.1f} min)")


def _train(run: TrainingRun, stage: str, variants: Sequence[Variant]) -> None:
    """What the stage asks for: all up to it, or finished classifiers on decoded images."""
    if stage.startswith("decoded"):
        train_decoded(run, teachers=stage == "decoded_teachers")
    else:
        _train_up_to(run, stage, variants)


def _train_up_to(run: TrainingRun, stage: str, variants: Sequence[Variant]) -> None:
    """Every stage up to the one asked for, then the variants; `all` goes on to the baselines."""
    last = STAGES.index(stage)
    teachers = train_teachers(run)
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
    if stage == "all":
        for uses in run.experiment.deep_jscc.uses:
            train_deep_jscc(run, uses)
        train_decoded(run)


def _variants(experiment: Experiment, names: str | None) -> Sequence[Variant]:
    """The variants that an option names."""
    if names is None:
        return ()
    if names == "all":
        return experiment.variants
    return [experiment.variant(name) for name in parse_names(names)]
