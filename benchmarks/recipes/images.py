"""Your own images; needs --data."""

from dataclasses import replace

from benchmarks.recipes.cifar100 import (
    CODEC,
    DISTILLED,
    HEADS,
    IMAGE_USES,
    READERS,
    STUDENT,
    USES,
    WIDE_TEACHER,
    cifar100,
    digital_baselines,
)
from benchmarks.recipes.joint import image_baseline, joint_baselines
from benchmarks.recipes.variants import no_teacher
from simulator.description.stages import TrainConfig
from simulator.schemes.experiment import Experiment
from simulator.schemes.rkd_sc import RkdScConfig


def images() -> Experiment:
    """Your own images: as CIFAR-100, with more epochs where there are few."""
    student = replace(
        STUDENT, training=_at_least(STUDENT.training, 1000), head=_at_least(STUDENT.head, 500)
    )
    codec = replace(CODEC, training=_at_least(CODEC.training, 1500))
    readers = _at_least(READERS, 500)
    untaught = no_teacher(student, codec)
    image = image_baseline(
        student, codec, retraining=readers, epochs=50, batch_size=32, uses=IMAGE_USES
    )
    joint = joint_baselines(
        student, codec, hidden=256, uses=USES, backbone=untaught, distilled=DISTILLED
    )
    return replace(
        cifar100(),
        name="images",
        teacher=replace(WIDE_TEACHER, training=_at_least(WIDE_TEACHER.training, 1000)),
        more_teachers=(),
        student=student,
        schemes=(
            RkdScConfig(codec=codec),
            *joint,
            image,
            *digital_baselines(heads=_at_least(HEADS, 500), readers=readers),
            untaught,
        ),
    )


def _at_least(training: TrainConfig, steps: int) -> TrainConfig:
    return replace(training, least_steps=steps)
