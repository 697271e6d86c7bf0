"""What the stages of one training share: the data's views, and parts kept with their origin."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from channels.streams import Streams
from models import ImageClassifier, StudentConfig, WideResNetConfig
from simulator.data.augment import augment
from simulator.data.dataset import Dataset, Split, to_float
from simulator.description.experiment import Experiment
from simulator.description.origin import Origin, data_name
from simulator.description.parts import TEACHER, recipe_parts
from simulator.description.stages import TrainConfig
from simulator.device import Precision, autocast, native
from simulator.errors import UserError
from simulator.storage.describe import describe
from simulator.storage.files import file_hash, load_tensors, save_tensors
from simulator.training.loop import Checkpoint, Epoch, Stage, TrainLog, fresh, train

Module = TypeVar("Module", bound=nn.Module)


SHARED = "shared"  # views that teachers are asked about


CHUNK = 1000  # images of 32x32 augmented or encoded at a time; fewer of larger ones


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training: what, on which data, from which seed, where to."""

    experiment: Experiment
    dataset: Dataset
    folder: Path
    seed: int
    device: torch.device
    deadline: float = math.inf  # of time.monotonic(), when training stops at a checkpoint
    teacher_seed: int | None = None  # of teachers and shared views; None: `seed`
    taught_in: Path | None = None  # folder of the training whose teachers teach; None: this one

    @property
    def streams(self) -> Streams:
        """The streams of this run's seed."""
        return Streams(seed=self.seed)

    def streams_of(self, part: str) -> Streams:
        """The streams of a part: teachers, and views that they are asked about, may differ."""
        taught = self.seed if self.teacher_seed is None else self.teacher_seed
        return Streams(seed=taught if part.startswith((TEACHER, SHARED)) else self.seed)

    @property
    def image_channels(self) -> int:
        """C."""
        return self.dataset.image_shape[0]

    @property
    def num_classes(self) -> int:
        """Classes of the data."""
        return self.dataset.num_classes

    @property
    def training(self) -> Split:
        """The training split. Raises: UserError if the data has none."""
        if self.dataset.train is None:
            raise UserError(
                "training needs training images, but the data holds only a test split; "
                "add train files or a train folder"
            )
        return self.dataset.train

    @property
    def validation(self) -> Split:
        """The validation split. Raises: UserError if the data has none."""
        if self.dataset.validation is None:
            raise UserError("training needs validation images, but the data holds none")
        return self.dataset.validation

    @property
    def labels(self) -> Tensor:
        """Training labels [N] on the device."""
        return self.training.labels.to(self.device)

    def path(self, part: str) -> Path:
        """Where a finished part lies."""
        elsewhere = self.taught_in if part in self.experiment.teachers else None
        return (elsewhere or self.folder) / "weights" / f"{part}.safetensors"

    def origin(self, name: str, description: object, made_from: tuple[str, ...]) -> Origin:
        """What a file of this run is made from; `made_from` names finished parts."""
        return Origin(
            recipe=self.experiment.name,
            part=name,
            description=describe(description),
            data=data_name((self.taught_in or self.folder) / "weights", self.dataset),
            classes=self.dataset.classes,
            image_shape=self.dataset.image_shape,
            seed=self.streams_of(name).seed,
            made_from={part: file_hash(self.path(part)) for part in made_from},
        )

    def view(self, purpose: str, index: int) -> Tensor:
        """Augmented training images uint8 [N, C, H, W], in data order, on the device.

        The same purpose and index always give the same pixels. Purpose `SHARED` is what teachers
        are asked about; its views may come in pairs, see `Experiment.mirrored`.
        """
        config, mirror = self.experiment.augment, False
        if purpose == SHARED:
            mirror = index >= self.experiment.taught_views
            index %= self.experiment.taught_views
        generator = self.streams_of(purpose)("view", purpose, index)
        images = self.training.images
        parts = [
            augment(chunk, crop_padding=config.crop_padding, flip=config.flip, generator=generator)
            for chunk in images.split(chunk_size(images))
        ]
        view = torch.cat(parts)
        return (view.flip(3) if mirror else view).to(self.device)


def train_part(
    run: TrainingRun,
    name: str,
    *,
    build: Callable[[], Module],
    config: TrainConfig,
    epoch: Callable[[Module, int], Epoch],
    validate: Callable[[Module], float],
    rates: Mapping[str, float] | None = None,
    threads: int | None = None,
) -> Module:
    """A finished part: loaded if it is there already, else trained and kept.

    `epoch(model, e)` gives the loss of epoch e, `validate(model)` an accuracy; for `rates`
    and `threads` see `Stage`.
    Raises: UserError if the part is there but was made from something else.
    """
    origin = run.origin(name, *recipe_parts(run.experiment)[name])
    streams = run.streams_of(name)
    model = fresh(build, seed=streams.seed_of("init", name)).to(run.device)
    path = run.path(name)
    if path.exists():
        tensors, header = load_tensors(path)
        if header.get("key") != origin.key:
            raise UserError(
                f"{path} was made from another description, data or seed; "
                "add --fresh to train anew, or choose another --out"
            )
        model.load_state_dict(tensors)
        return model.eval()
    checkpoint = Checkpoint(
        path=run.folder / "checkpoints" / path.name, key=origin.key, deadline=run.deadline
    )
    stage = Stage(
        name=name,
        model=model,
        config=config,
        num_images=len(run.training.labels),
        epoch=lambda index: epoch(model, index),
        validate=lambda: _evaluated(model, validate),
        rates=rates or {},
        threads=threads,
    )
    log = TrainLog(run.folder, name, images=len(run.training.labels))
    history = train(stage, streams=streams, checkpoint=checkpoint, log=log)
    header = {
        "key": origin.key,
        "origin": describe(origin),
        "precision": native(run.device, config.precision),
        "history": history,
    }
    save_tensors(path, model.state_dict(), header)
    checkpoint.path.unlink(missing_ok=True)
    return model.eval()


def _evaluated(model: Module, validate: Callable[[Module], float]) -> float:
    model.eval()
    with torch.no_grad():
        return validate(model)


def chunk_size(images: Tensor) -> int:
    """How many of these images [N, C, H, W] to handle at a time; depends on H and W alone."""
    return max(1, CHUNK * 32 * 32 // (images.shape[2] * images.shape[3]))


@torch.no_grad()
def in_chunks(
    function: Callable[[Tensor], Tensor], images: Tensor, *, precision: Precision
) -> Tensor:
    """`function` of uint8 images [N, C, H, W], a chunk at a time, as float32 in data order."""
    parts = []
    for chunk in images.split(chunk_size(images)):
        with autocast(images.device, native(images.device, precision)):
            parts.append(function(to_float(chunk)).float())
    return torch.cat(parts)


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of images whose largest score is the label's."""
    return float((scores.argmax(dim=1) == labels.to(scores.device)).double().mean())


def classifier_accuracy(run: TrainingRun, model: ImageClassifier) -> float:
    """Clean accuracy on the validation split."""
    images = run.validation.images.to(run.device)
    scores = in_chunks(lambda x: model(x).scores, images, precision="fp32")
    return accuracy(scores, run.validation.labels)


def classifier(run: TrainingRun, config: StudentConfig | WideResNetConfig) -> ImageClassifier:
    """A fresh classifier for the data of this run."""
    return ImageClassifier(config, image_channels=run.image_channels, num_classes=run.num_classes)


def pixels(images: Tensor, indices: Tensor) -> Tensor:
    """Some of the uint8 images [N, C, H, W], as float32 in [0, 1]."""
    return images[indices].float() / 255
