"""What a variant of a recipe trains: its student, head and codec, or the recipe's own."""

from typing import NamedTuple

from torch import Tensor, nn

from models import ImageClassifier
from simulator.config import Variant
from simulator.distill import (
    LinkModel,
    student_features,
    train_codec,
    train_head,
    train_student,
)
from simulator.parts import OWN, variant_parts
from simulator.teachers import Views
from simulator.training_run import TrainingRun


class Taught(NamedTuple):
    """A trained student, its cached features of the shared views [V, N, D], and its head."""

    student: ImageClassifier
    features: Tensor
    head: nn.Linear


def train_variant(run: TrainingRun, variant: Variant, views: Views) -> LinkModel:
    """A variant's parts, those of the recipe being there: own student and head if any, codec."""
    student, features, head = train_taught(run, variant, views)
    part = variant_parts(variant).codec
    return train_codec(run, student, head, features, views, part=part, stage=variant.codec)


def train_taught(run: TrainingRun, variant: Variant | None, views: Views) -> Taught:
    """A variant's student, its features and its head, its own or those of the recipe.

    None stands for the recipe itself.
    """
    parts, stage = (variant_parts(variant), variant.student) if variant else (OWN, None)
    student = train_student(run, views, part=parts.student, stage=stage)
    features = student_features(run, student, part=parts.student)
    return Taught(
        student, features, train_head(run, student, features, part=parts.head, stage=stage)
    )
