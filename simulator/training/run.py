"""A training run: its data and views, and its finished parts with their origins."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from channels.streams import Streams
from models import ImageClassifier
from simulator.data.augment import augment, erase, paste, recolour
from simulator.data.dataset import Dataset, Split, to_float
from simulator.data.randaugment import randaugment
from simulator.description.basis import TEACHER, Basis, Part
from simulator.description.origin import Origin, check_origin, check_same_run
from simulator.description.stages import AugmentConfig
from simulator.description.trained_on import data_name
from simulator.device import Precision, autocast, native
from simulator.errors import UserError
from simulator.scheme import piece_size
from simulator.storage.describe import describe
from simulator.storage.files import file_hash, load_tensors, save_tensors
from simulator.storage.sums import checked_weights, note_sum
from simulator.training.remaining import RemainingTime

SHARED = "shared"  # purpose of the views that teachers and students share
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training run: recipe, data, folder of results, seed and device."""

    recipe: Basis
    dataset: Dataset
    folder: Path
    seed: int
    device: torch.device
    deadline: float = math.inf  # of time.monotonic(); training stops at a checkpoint
    teacher_seed: int | None = None  # of teachers and shared views; None: `seed`
    taught_in: Path | None = None  # folder of the training run with the teachers; None: `folder`
    remaining: RemainingTime = field(default_factory=RemainingTime, compare=False)  # empty: silent

    @property
    def streams(self) -> Streams:
        """The random streams of this run's seed."""
        return Streams(seed=self.seed)

    def streams_of(self, part: str) -> Streams:
        """The random streams of a part; teachers and shared views use `teacher_seed` if given."""
        taught = self.seed if self.teacher_seed is None else self.teacher_seed
        return Streams(seed=taught if part.startswith((TEACHER, SHARED)) else self.seed)

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
        """Path of the weights of a finished part."""
        elsewhere = self.taught_in if part in self.recipe.teachers else None
        return (elsewhere or self.folder) / "weights" / f"{part}.safetensors"

    def origin(self, part: Part) -> Origin:
        """The origin of this part's file, as stored in the file."""
        return Origin(
            recipe=self.recipe.name,
            part=part.name,
            description=describe(part.description),
            data=data_name((self.taught_in or self.folder) / "weights", self.dataset),
            classes=self.dataset.classes,
            image_shape=self.dataset.image_shape,
            seed=self.streams_of(part.name).seed,
            made_from={name: file_hash(self.path(name)) for name in part.made_from},
        )

    def view(self, purpose: str, index: int) -> Tensor:
        """Augmented training images uint8 [N, C, H, W], in data order, on the device.

        The same purpose and index always give the same pixels. Views of purpose `SHARED` are those
        for which the teachers' outputs are cached; with `Basis.mirrored` the second half of them
        are mirror images of the first half.
        """
        mirror = False
        if purpose == SHARED:
            mirror = index >= self.recipe.taught_views
            index %= self.recipe.taught_views
        config = self.recipe.augment_of(purpose, index)
        generator = self.streams_of(purpose)("view", purpose, index)
        images = self.training.images
        view = torch.cat(
            [augmented(piece, config, generator) for piece in images.split(piece_size(images))]
        )
        return (view.flip(3) if mirror else view).to(self.device)

    def shared_view(self, epoch: int) -> Tensor:
        """The view that students see in an epoch; shared views take turns."""
        return self.view(SHARED, epoch % self.recipe.views)


def augmented(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Apply all augmentations of a config to images uint8 [B, C, H, W]."""
    view = augment(images, crop_padding=config.crop_padding, flip=config.flip, generator=generator)
    if config.jitter:
        view = recolour(view, jitter=config.jitter, generator=generator)
    if config.erased:
        view = erase(view, share=config.erased, generator=generator)
    if config.operations:
        view = randaugment(
            view, operations=config.operations, magnitude=config.magnitude, generator=generator
        )
    return paste(view, share=config.pasted, generator=generator) if config.pasted else view


def load_finished(run: TrainingRun, part: Part, model: nn.Module) -> bool:
    """Load the weights of a part into a model; return False if the part is not finished.

    Raises: UserError if the file has another origin.
    """
    path = run.path(part.name)
    if not path.exists():
        return False
    tensors, header, _ = checked_weights(path)
    if header.get("key") != run.origin(part).key:
        raise UserError(
            f"{path} was made from another description, data or seed; "
            "add --fresh to train anew, or choose another --out"
        )
    model.load_state_dict(tensors)
    return True


def keep_finished(
    run: TrainingRun, part: Part, model: nn.Module, header: Mapping[str, object]
) -> None:
    """Save a finished part with its origin, and add its checksum to SHA256SUMS."""
    path = run.path(part.name)
    save_tensors(path, model.state_dict(), {**run.origin(part).header, **header})
    note_sum(path)


@torch.no_grad()
def fit_part(
    run: TrainingRun, part: Part, fit: Callable[[], tuple[Module, float]], empty: Module
) -> Module:
    """Load a part that is fitted in one go, or compute and save it.

    `fit` returns the part and its validation accuracy; `empty` is a model for saved weights.
    Raises: UserError if the saved part has another origin.
    """
    if load_finished(run, part, empty):
        return empty.to(run.device).eval()
    model, validation = fit()
    keep_finished(run, part, model, {"history": [{"validation": validation}]})
    return model.eval()


def check_finished(run: TrainingRun, *parts: Part) -> None:
    """Raises: UserError unless these parts are finished, by one training run with this seed."""
    hashes: dict[str, str] = {}
    origins: dict[str, dict[str, object]] = {}
    for part in parts:
        path = run.path(part.name)
        if not path.exists():
            raise UserError(f"{path} must be there first; run semlink train without --stage")
        header = load_tensors(path)[1]
        origin = check_origin(
            path, part, header.get("origin"), recipe=run.recipe.name, dataset=run.dataset
        )
        if origin["seed"] != run.streams_of(part.name).seed:
            raise UserError(
                f"{path} was trained with seed {origin['seed']}; add --seed {origin['seed']}"
            )
        hashes[part.name] = file_hash(path)
        check_same_run(path, part.name, origin, hashes=hashes, origins=origins)
        origins[part.name] = origin


@torch.no_grad()
def in_chunks(
    function: Callable[[Tensor], Tensor], images: Tensor, *, precision: Precision
) -> Tensor:
    """Apply `function` to uint8 images [N, C, H, W] in pieces: float32 [N, ...], in data order."""
    found = []
    for piece in images.split(piece_size(images)):
        with autocast(images.device, native(images.device, precision)):
            found.append(function(to_float(piece)).float())
    return torch.cat(found)


def validation_outputs(run: TrainingRun, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `function` to the validation images, in single precision: [M, ...]."""
    return in_chunks(function, run.validation.images.to(run.device), precision="fp32")


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of images whose largest score is that of the label."""
    return float((scores.argmax(dim=1) == labels.to(scores.device)).double().mean())


def classifier_accuracy(run: TrainingRun, model: ImageClassifier) -> float:
    """Clean accuracy on the validation split."""
    scores = validation_outputs(run, lambda x: model(x).scores)
    return accuracy(scores, run.validation.labels)
