"""A warm start for small data sets, from the student of CIFAR-100 that is shipped with semlink.

The teacher is that student with a linear probe for the new classes; only the probe is trained. The
new student starts from the teacher's weights and is tuned, see `StudentLesson`.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models import ImageClassifier, Student, StudentConfig
from simulator.data.dataset import Dataset
from simulator.data.remarks import pixel_hashes
from simulator.description.basis import Part
from simulator.description.seen import seen_hashes
from simulator.description.stages import TeacherStage
from simulator.errors import UserError
from simulator.storage.environment import REFERENCE
from simulator.storage.files import file_hash, load_tensors
from simulator.training.cache import cached_features
from simulator.training.loop import ClassifierLesson, Epoch, below, train_part
from simulator.training.run import TrainingRun, accuracy, validation_outputs

STUDENT = REFERENCE / "cifar100/weights/student.safetensors"
STEM = "stem.0.weight"  # weights of the first convolution


@cache
def reference_hash() -> str:
    """SHA-256 of the shipped student. Raises: UserError if its file is missing."""
    if not STUDENT.exists():
        raise UserError(f"{STUDENT} must be there for a warm start; add --from-scratch")
    return file_hash(STUDENT)


def known_images(dataset: Dataset) -> int:
    """Number of images, in all splits, that the shipped student was trained on."""
    splits = (dataset.train, dataset.validation, dataset.test)
    hashes = pixel_hashes(*(own.images.numpy() for own in splits if own is not None))
    return int(np.isin(hashes, seen_hashes(STUDENT.parent)).sum())


def reference_body(config: StudentConfig, *, image_channels: int) -> Student:
    """The shipped student without its head, frozen. Grey images act as RGB of equal channels.

    Raises: UserError if its weights do not fit `config`.
    """
    tensors, _ = load_tensors(STUDENT)
    own = below(tensors, "body.")
    own = {name: t.float() if t.is_floating_point() else t for name, t in own.items()}
    if image_channels == 1 and STEM in own:
        own[STEM] = own[STEM].sum(dim=1, keepdim=True)
    body = config.build(image_channels=image_channels)
    try:
        body.load_state_dict(own)
    except RuntimeError:
        raise UserError(
            "a warm start needs the student of recipe images; add --from-scratch"
        ) from None
    return body.eval().requires_grad_(False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeLesson(ClassifierLesson):
    """A linear head on the frozen shipped student, by cross-entropy on the shared views.

    Shapes: features [V, N, D] of V views, which the epochs take in turn; seen [M, D], the features
    of the validation images.
    """

    body: Student
    features: Tensor
    seen: Tensor

    def build(self) -> ImageClassifier:
        """The shipped network with a fresh head."""
        model = super().build()
        model.body.load_state_dict(self.body.state_dict())
        model.body.requires_grad_(False)
        return model

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on the cached features of one view; the frozen body is not run."""
        view = self.features[index % len(self.features)]
        return Epoch.by_labels(lambda indices: model.head(view[indices].float()), self.labels)

    def validate(self, model: ImageClassifier) -> float:
        """Clean accuracy."""
        return accuracy(model.head(self.seen), self.run.validation.labels)


def train_probe(run: TrainingRun, part: Part, stage: TeacherStage) -> ImageClassifier:
    """Train the teacher of a warm start: the shipped student with a new head."""
    model = run.recipe.student.model
    body = reference_body(model, image_channels=run.dataset.image_shape[0]).to(run.device)
    cache_part = Part(f"{part.name}_body", (model, reference_hash()))
    lesson = ProbeLesson(
        run=run,
        part=part,
        config=stage.training,
        threads=1,
        model=model,
        body=body,
        features=cached_features(run, cache_part, body, "fp32"),
        seen=validation_outputs(run, body),
    )
    return train_part(lesson)


@torch.no_grad()
def validation_losses(run: TrainingRun, model: ImageClassifier) -> Tensor:
    """Cross-entropy of every validation image [N], which is less coarse than an accuracy."""
    model.eval()
    scores = validation_outputs(run, lambda x: model(x).scores)
    labels = run.validation.labels.to(scores.device)
    return functional.cross_entropy(scores, labels, reduction="none")


def clearly_lower(losses: Tensor, others: Tensor) -> bool:
    """True if `losses` are on average lower than `others` by over two standard errors of the mean.

    Shapes: both [N], paired by image. False for fewer than two images.
    """
    gain = others - losses
    if len(gain) < 2:
        return False
    return float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(len(gain))
