"""The codecs of the study, and their training behind the student.

All learn from labels only, with equal passes and views. ADJSCC is trained for one k, `rkd_sc` for
all k of the recipe.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.joint import FADING_MIX, MULTIPATH_MIX
from benchmarks.recipes.variants import LABELS_ONLY
from benchmarks.studies.finished import FrozenStudent, frozen_student, scheme_of
from models import CatConfig
from simulator.data.dataset import Dataset
from simulator.description.basis import Part
from simulator.scheme import Scheme
from simulator.schemes.codec import CodecLesson, LinkModel
from simulator.schemes.experiment import Experiment
from simulator.schemes.joint import JointLesson, JointScheme, JointSchemeConfig
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.training.loop import train_part
from simulator.training.run import TrainingRun

MIXES: Final = {"flat": FADING_MIX, "multipath": MULTIPATH_MIX}
USES: Final = 64  # of ADJSCC, which is trained for one k


def recipe(*, views: int, epochs: int) -> Experiment:
    """CIFAR-100 on two cores, with fewer views and epochs, and codecs trained from labels only."""
    made = cifar100()
    ours = made.one(RkdScConfig)
    codec = replace(
        ours.codec,
        loss=LABELS_ONLY,
        training=replace(ours.codec.training, epochs=epochs),
    )
    adaptive = next(
        scheme
        for scheme in made.schemes
        if isinstance(scheme, JointSchemeConfig) and scheme.name == "adjscc:distilled"
    )
    adaptive = replace(adaptive, training=codec.training, uses=(USES,), losses=None)
    return replace(made, views=views, schemes=(replace(ours, codec=codec), adaptive))


def student_of(dataset: Dataset, weights: Path, out: Path, experiment: Experiment) -> FrozenStudent:
    """The student from its weights; its features are cached below `out`."""
    device = torch.device("cpu")
    run = TrainingRun(recipe=experiment, dataset=dataset, folder=out, seed=0, device=device)
    return frozen_student(run, weights)


def trained(found: FrozenStudent, name: str, seed: int) -> Scheme:
    """`rkd_sc` or `adjscc`, trained on a mix: "rkd_sc:multipath:reliable", "adjscc:flat"."""
    kind, mix, *more = name.split(":")
    run = replace(found.run, seed=seed)
    if kind == "adjscc":
        return _adjscc(found, run, name, MIXES[mix])
    return _rkd_sc(found, run, name, MIXES[mix], reliable=bool(more))


def part_of(found: FrozenStudent, run: TrainingRun, name: str, *description: Any) -> Part:
    """The trained part of a codec behind the student, from the seed of the run."""
    file = f"{name}_{run.seed}".replace(":", "_")
    return Part(file, (*run.recipe.seen, *description, found.hashes))


def _rkd_sc(
    found: FrozenStudent, run: TrainingRun, name: str, mix: tuple[str, ...], *, reliable: bool
) -> Scheme:
    stage = _experiment(run).one(RkdScConfig).codec
    model = stage.model
    if reliable and isinstance(model, CatConfig):
        model = replace(model, reliability=True)
    stage = replace(stage, model=model, conditions=replace(stage.conditions, channels=mix))
    part = part_of(found, run, name, stage)
    link: LinkModel = train_part(
        CodecLesson(stage=stage, views=None, **_common(found, run, part, stage.training, mix))
    )
    return scheme_of(found.taught, link, name=name, stage=stage)


def _adjscc(found: FrozenStudent, run: TrainingRun, name: str, mix: tuple[str, ...]) -> Scheme:
    scheme = replace(_experiment(run).one(JointSchemeConfig), called=name, channels=mix)
    part = part_of(found, run, name, scheme, USES)
    model = train_part(
        JointLesson(scheme=scheme, uses=USES, **_common(found, run, part, scheme.training, mix))
    )
    return JointScheme(name, {USES: model.eval()}, scheme, found.taught.student.body)


def _experiment(run: TrainingRun) -> Experiment:
    assert isinstance(run.recipe, Experiment)
    return run.recipe


def _common(
    found: FrozenStudent, run: TrainingRun, part: Part, training: Any, mix: tuple[str, ...]
) -> dict[str, Any]:
    """The arguments of both kinds of lesson: one thread, the cached features, the mix."""
    return {
        "run": run,
        "part": part,
        "config": training,
        "threads": 1,
        "taught": found.taught,
        "validation": found.validation,
        "channels": mix,
        "stream": part.name.rpartition("_")[0],
    }
