"""A proxy of CIFAR-100 on which a network is trained in a minute of one core.

It has 15,000 training images at 16x16 pixels, and all validation images. Networks learn by the
recipe's distillation loss. The teachers' outputs are computed once for every whole image and its
mirror image, and shared by all crops of the image.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from benchmarks.recipes.cifar100 import SGD, two_teachers
from channels.streams import Streams
from models import Classified, Ensemble, ImageClassifier, StudentConfig
from simulator.data.augment import shrunk
from simulator.data.dataset import Dataset, Split, to_float
from simulator.description.basis import Part
from simulator.description.stages import AugmentConfig
from simulator.errors import UserError
from simulator.progress import progress
from simulator.storage.describe import describe, digest
from simulator.storage.files import cached_tensors, read_keyed, save_tensors, write_json
from simulator.training.loop import Checkpoint, ClassifierLesson, Epoch, fresh, train
from simulator.training.losses import TeacherTargets, distillation_loss
from simulator.training.run import TrainingRun
from simulator.training.teachers import fit_projection
from simulator.training.weights import Weights

SIDE: Final = 16  # pixels
IMAGES: Final = 15_000
EPOCHS: Final = 12
BLOCK: Final = 500  # images in a batch of the teachers
PADDING: Final = 2  # pixels of random crops; images at full size have 4
TRAINING: Final = replace(SGD, epochs=EPOCHS, precision="fp32")


class Trained(NamedTuple):
    """The result of training a network on the proxy."""

    accuracy: float  # on validation images
    losses: list[float]  # mean of every epoch


@dataclass(frozen=True, kw_only=True, eq=False)
class Proxy:
    """Small images, and the teachers' outputs for the training images."""

    dataset: Dataset
    targets: TeacherTargets  # features [N, D], scores [N, classes]
    key: str

    def trained(
        self, name: str, model: StudentConfig, *, seed: int, folder: Path, epochs: int = EPOCHS
    ) -> Trained:
        """The result of training a network in one thread, from `folder` or trained now.

        Raises: UserError if the stored result is of another training.
        """
        training = replace(TRAINING, epochs=epochs)
        key = digest([self.key, describe(model), describe(training), seed])
        path = folder / "trainings" / f"{name}_seed{seed}.json"
        if kept := read_keyed(path, key):
            return Trained(**{field: kept[field] for field in Trained._fields})
        recipe = replace(two_teachers(), augment=AugmentConfig(crop_padding=PADDING, flip=True))
        lesson = ProxyLesson(
            run=TrainingRun(
                recipe=recipe,
                dataset=self.dataset,
                folder=folder,
                seed=seed,
                device=torch.device("cpu"),
            ),
            part=Part("proxy", (model,)),
            config=training,
            threads=1,
            model=model,
            targets=self.targets,
        )
        streams = Streams(seed=seed)
        network = fresh(lesson.build, seed=streams.seed_of("init", "proxy"))
        checkpoint = Checkpoint(path=folder / "checkpoints" / f"{path.stem}.safetensors", key=key)
        with contextlib.redirect_stderr(io.StringIO()):  # one bar for all trainings is enough
            history = train(lesson, network, streams=streams, checkpoint=checkpoint)
        found = Trained(
            accuracy=history[-1]["validation"],
            losses=[entry["loss"] for entry in history],
        )
        write_json(path, {"key": key, **found._asdict()})
        checkpoint.path.unlink(missing_ok=True)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class ProxyLesson(ClassifierLesson):
    """The recipe's distillation loss on freshly augmented images."""

    targets: TeacherTargets

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Augmented images of this epoch, with the targets of the whole images."""
        images, weights = self.images(index), self.run.recipe.student.loss

        def loss(indices: Tensor) -> Tensor:
            features, scores = model(to_float(images[indices]))
            targets = TeacherTargets(*(own[indices] for own in self.targets))
            return distillation_loss(features, scores, self.labels[indices], targets, weights)

        return Epoch(loss)


def proxy_of(dataset: Dataset, weights: Path, folder: Path) -> Proxy:
    """The proxy of a data set; the teachers' outputs are stored in `folder`.

    Only one process may call it at a time.

    Raises: UserError if the data has no training images, or the teachers' weights are missing.
    """
    if dataset.train is None or dataset.validation is None:
        raise UserError("--data must hold training images, got only a test split")
    order = torch.randperm(len(dataset.train.labels), generator=Streams(seed=0)("proxy images"))
    rows = order[:IMAGES]
    images = dataset.train.images[rows]
    found = Weights(two_teachers(), dataset, weights, torch.device("cpu"))
    teacher = found.teacher()
    if teacher is None:
        raise UserError(f"{weights} must hold the teachers' weights; use --weights for another one")
    key = digest([dataset.key, found.key(sorted(two_teachers().teachers)), SIDE, IMAGES, PADDING])
    path = folder / "cache" / "proxy_targets.safetensors"
    targets = _targets(path, key, teacher, found.mirrored(teacher), images)
    small = replace(
        dataset,
        train=Split(_small(images), dataset.train.labels[rows]),
        validation=replace(dataset.validation, images=_small(dataset.validation.images)),
        test=replace(dataset.test, images=_small(dataset.test.images)),
    )
    return Proxy(dataset=small, targets=targets, key=key)


def _targets(
    path: Path,
    key: str,
    teacher: Ensemble,
    asked: Callable[[Tensor], Classified],
    images: Tensor,
) -> TeacherTargets:
    if (tensors := cached_tensors(path, key)) is not None:
        return TeacherTargets(tensors["features"], tensors["scores"])
    told = [*_told(teacher, asked, images)]
    features = [torch.cat(own) for own in zip(*(one.features for one in told), strict=True)]
    width = two_teachers().student.model.feature_dim
    projected = fit_projection([own[None] for own in features], width)(features)
    found = TeacherTargets(projected, torch.cat([one.scores for one in told]))
    save_tensors(path, found._asdict(), {"key": key})
    return found


class _Outputs(NamedTuple):
    """Features [b, D] of every teacher, and their common scores [b, classes]."""

    features: Sequence[Tensor]
    scores: Tensor


@torch.no_grad()
def _told(
    teacher: Ensemble, asked: Callable[[Tensor], Classified], images: Tensor
) -> Iterator[_Outputs]:
    widths = [head.in_features for head in teacher.heads]
    for block in progress(images.split(BLOCK), desc="teachers", unit=f" {BLOCK} images"):
        features, scores = asked(to_float(block))
        yield _Outputs(features.split(widths, dim=1), scores)


def _small(images: Tensor) -> Tensor:
    """Images uint8 [N, C, H, W] averaged down to 16x16 pixels."""
    return torch.cat([shrunk(own.float(), SIDE).round().byte() for own in images.split(1000)])
