"""The order of `semlink train`: parts that all schemes share, then those of each scheme."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from simulator.description.basis import Part
from simulator.description.seen import write_seen
from simulator.description.trained_on import check_training_images, write_data_name
from simulator.errors import UserError, did_you_mean
from simulator.schemes.contract import SchemeConfig
from simulator.schemes.experiment import BASELINES, Experiment
from simulator.storage.folders import TRAINING, check_writable, forget, forget_parts, locked
from simulator.storage.sums import checked_weights
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.warm import STUDENT

SHARED: Final[Mapping[str, Callable[[Session], object]]] = {  # by the stage that trains it
    "teacher": lambda session: session.teachers,
    "cache": lambda session: session.views,
    "stage1": lambda session: session.student(
        session.run.recipe.student_parts(), session.run.recipe.student
    ),
    "head": lambda session: session.taught(),
}
OURS: Final = (*SHARED, "words", "stage2")  # each stage includes all before it
ALL: Final = (*OURS, BASELINES, "decoded", "rebuilt")


def stages_of(stage: str) -> tuple[str, ...]:
    """The stages that `--stage` stands for."""
    if stage == "all":
        return ALL
    return (stage,) if stands_alone(stage) else OURS[: OURS.index(stage) + 1]


def stands_alone(stage: str) -> bool:
    """Whether a stage makes only its own parts, from those that others have trained."""
    return stage == "words" or stage not in (*OURS, "all")


def parts_to_train(run: TrainingRun, stage: str, schemes: Sequence[SchemeConfig]) -> list[Part]:
    """The unfinished parts that a stage trains for these schemes, in order.

    A missing part that another one is made from comes before that one.
    """
    recipe, shape = run.recipe, run.dataset.image_shape
    shared = (*recipe.teacher_parts.values(), *recipe.student_parts())
    targets = [*shared, *(part for own in schemes for part in own.trained(recipe, shape))]
    known = {part.name: part for own in schemes for part in own.parts(recipe)}
    known |= {part.name: part for part in targets}
    ordered: dict[str, Part] = {}

    def add(part: Part) -> None:
        if part.name not in ordered and not run.path(part.name).exists():
            for name in part.made_from:
                add(known[name])
            ordered[part.name] = part

    for step in stages_of(stage):
        for part in targets:
            if part.stage == step:
                add(part)
    return list(ordered.values())


def train_schemes(session: Session, stage: str, schemes: Sequence[SchemeConfig]) -> None:
    """Train all that a stage includes, for these schemes. Raises: as `SchemeConfig.train`."""
    for step in stages_of(stage):
        if step in SHARED:
            SHARED[step](session)
        for scheme in schemes:
            scheme.train(session, step)


@contextmanager
def begun(
    run: TrainingRun,
    stage: str,
    schemes: Sequence[SchemeConfig],
    *,
    parts: Iterable[Part],
    fresh: bool,
) -> Iterator[None]:
    """Check data, folder and schemes, and lock the folder for the training within the block.

    `fresh` first removes finished work: for a stage that makes only its own parts, those parts;
    for any other stage, all `parts` and the caches.
    Raises: UserError if data, folder or finished parts do not allow the training, or the folder is
    in use.
    """
    _ = run.training, run.validation  # raises if the data lacks either
    check_writable(run.folder)
    for scheme in schemes:
        scheme.check(run, stage)
    with locked(run.folder, TRAINING):
        known = {part.name: part for part in parts}
        if fresh and stands_alone(stage):
            shape = run.dataset.image_shape
            trained = (part for own in schemes for part in own.trained(run.recipe, shape))
            made = {part.name: part for part in trained if part.stage == stage}
            _check_kept(
                run,
                [known[name] for own in made.values() for name in own.made_from if name in known],
            )
            forget_parts(run.folder, made)
        elif fresh:
            forget(run.folder, known)
        else:
            check_training_images(run.folder / "weights", run.dataset)
        _note_images(run)
        yield


def _check_kept(run: TrainingRun, parts: Iterable[Part]) -> None:
    """Check finished parts that others are made from, before these others are removed.

    Raises: UserError if a part has another origin.
    """
    for part in parts:
        path = run.path(part.name)
        if path.exists() and all(run.path(name).exists() for name in part.made_from):
            _, header, _ = checked_weights(path)
            if header.get("key") != run.origin(part).key:
                raise UserError(
                    f"{path} was made from another description, data or seed; use the options of "
                    "its training run, or choose another --out"
                )


def _note_images(run: TrainingRun) -> None:
    """Record the training images beside the weights, with those of a warm start's student."""
    weights = run.folder / "weights"
    write_data_name(weights, run.dataset)
    if any(weights.glob("*.safetensors")):
        return
    warm = any(stage.begin == "reference" for stage in run.recipe.teachers.values())
    write_seen(weights, run.dataset, *([STUDENT.parent] if warm else []))


def schemes_to_train(
    experiment: Experiment,
    stage: str,
    *,
    variants: Sequence[str] = (),
    baselines: Sequence[str] | None = None,
) -> list[SchemeConfig]:
    """The recipe's own schemes, with the ablations in `variants` and these trained baselines.

    `baselines` None stands for all of them.
    Raises: UserError for an unknown name, or if `baselines` does not go with the stage.
    """
    ablations = experiment.ablations
    for name in variants:
        if name not in (*ablations, "all"):
            known = ", ".join(ablations) or "none"
            hint = did_you_mean(name, ablations)
            raise UserError(
                f"--variants must name ablations of recipe {experiment.name} among {known}, got "
                f"{name!r}{hint}"
            )
    trained = [
        scheme.name
        for scheme in experiment.schemes
        if any(part.stage == BASELINES for part in scheme.parts(experiment))
    ]
    for name in baselines or ():
        if stage not in (BASELINES, "all"):
            raise UserError(f"--schemes goes with --stage baselines or all, got --stage {stage}")
        if name not in trained:
            hint = did_you_mean(name, trained)
            raise UserError(
                f"--schemes must name trained baselines among {', '.join(trained)}, got "
                f"{name!r}{hint}"
            )
    return [
        scheme
        for scheme in experiment.schemes
        if (not scheme.ablation or scheme.ablation in variants or "all" in variants)
        and (baselines is None or scheme.name not in trained or scheme.name in baselines)
    ]
