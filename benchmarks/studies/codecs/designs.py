"""The codecs of the study, and their training behind a finished student.

All have about as many parameters as CAT, the codec of the recipe, and are trained with the same
losses, views, number of passes and channels.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.joint import MULTIPATH_MIX
from benchmarks.studies.codecs.groups import GroupsConfig
from benchmarks.studies.finished import FrozenStudent, frozen_student, scheme_of
from models import CatConfig, CodecConfig, MlpCodecConfig
from simulator.data.dataset import Dataset
from simulator.description.basis import Part
from simulator.errors import UserError
from simulator.schemes.codec import CodecLesson, CodecStage, LinkModel
from simulator.schemes.experiment import Experiment
from simulator.schemes.rkd_sc import RkdScConfig, RkdScheme
from simulator.training.loop import train_part
from simulator.training.run import TrainingRun
from simulator.training.teachers import cached_teacher_views, teacher_views, train_teachers

REFERENCE: Final = "cat"  # the design that all others are compared with


def designs(cat: CatConfig) -> Mapping[str, CodecConfig]:
    """The codecs by name. Widths make sizes equal at the K and D of CIFAR-100.

    Each changes one thing of `cat`. `groups` has another receiver, whose tokens are groups of
    symbols; `groups_apart` is the same without attention.
    """
    groups = GroupsConfig(cat=cat, group=16, width=28, attention=True)
    return {
        REFERENCE: cat,
        "no_attention": replace(cat, width=48, attention=False),
        "no_blocks": replace(cat, width=56, blocks=0, attention=False),
        "mlp": MlpCodecConfig(feature_dim=cat.feature_dim, max_uses=cat.max_uses, hidden=301),
        "no_snr": replace(cat, use_snr=False),
        "reliability": replace(cat, reliability=True),
        "shared_ends": replace(cat, dense=False, tokens=16, width=60),
        "no_prototypes": replace(cat, width=56, prototypes=0),
        "groups": groups,
        "groups_apart": replace(groups, attention=False),
    }


def recipe(*, views: int, epochs: int) -> Experiment:
    """CIFAR-100 on two cores, with fewer views, its codec trained briefly on all channels."""
    made = cifar100()
    ours = made.one(RkdScConfig)
    conditions = replace(ours.codec.conditions, channels=MULTIPATH_MIX)
    training = replace(ours.codec.training, epochs=epochs)
    codec = replace(ours.codec, training=training, conditions=conditions)
    return replace(made, views=views, schemes=(replace(ours, codec=codec),))


def student_of(
    dataset: Dataset, training: Path, out: Path, experiment: Experiment
) -> FrozenStudent:
    """The student and the teachers of a finished training run; outputs are cached below `out`.

    Raises: UserError if weights are missing, or belong to another recipe or to other images.
    """
    device, weights = torch.device("cpu"), training / "weights"
    missing = [
        name for name in experiment.teachers if not (weights / f"{name}.safetensors").exists()
    ]
    if missing:
        raise UserError(f"{weights} must hold the weights of {', '.join(missing)}")
    run = TrainingRun(
        recipe=experiment,
        dataset=dataset,
        folder=out,
        seed=0,
        device=device,
        teacher_seed=0,
        taught_in=training,
    )
    views = cached_teacher_views(run) or teacher_views(run, train_teachers(run))
    return replace(frozen_student(run, weights), views=views)


def part_of(found: FrozenStudent, name: str, seed: int) -> Part:
    """The trained part of one design from a seed."""
    described = (*found.run.recipe.seen, stage_of(found.run.recipe, name), found.hashes)
    return Part(f"{name}_{seed}", described, tuple(found.run.recipe.teachers))


def trained(found: FrozenStudent, name: str, seed: int) -> RkdScheme:
    """The link with one design, trained from a seed; it is stored below the folder of the run."""
    stage = stage_of(found.run.recipe, name)
    lesson = CodecLesson(
        run=replace(found.run, seed=seed),
        part=part_of(found, name, seed),
        config=stage.training,
        threads=1,
        taught=found.taught,
        validation=found.validation,
        channels=stage.conditions.channels,
        stream="codec",  # all designs are trained under the same draws
        stage=stage,
        views=found.views,
    )
    link: LinkModel = train_part(lesson)
    return scheme_of(found.taught, link, name=name, stage=stage)


def stage_of(experiment: Any, name: str) -> CodecStage:
    """The recipe's training of the codec, with one design."""
    assert isinstance(experiment, Experiment)
    codec = experiment.one(RkdScConfig).codec
    assert isinstance(codec.model, CatConfig)
    return replace(codec, model=designs(codec.model)[name])
