"""The trained parts of one training: networks from files, checked against recipe and data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

import models
from simulator.data.dataset import Dataset
from simulator.description.basis import TEACHER, Basis, Part, StudentParts
from simulator.description.origin import check_company, check_origin, validation_images
from simulator.description.seen import seen_remarks
from simulator.description.stages import StudentStage
from simulator.errors import UserError
from simulator.scheme import Classifier, Classify, in_pieces
from simulator.statistics.intervals import wilson
from simulator.storage.describe import digest
from simulator.storage.environment import ROOT
from simulator.storage.files import read_header
from simulator.storage.sums import checked_weights
from simulator.training.teachers import Teacher, tower_on

# how parts begin whose validation is no accuracy
PIXELS = ("deep_jscc_image", "deep_jscc_q_image")
Module = TypeVar("Module", bound=nn.Module)


class Weights:
    """The weights of one training, each file read when it is first asked for, and once."""

    def __init__(self, recipe: Basis, dataset: Dataset, folder: Path, device: torch.device) -> None:
        self.recipe = as_taught(recipe, folder)
        self.dataset = dataset
        self.folder = folder
        self.device = device
        self.origins: dict[str, Any] = {}  # part -> what its file was made from
        self.hashes: dict[str, str] = {}  # part -> SHA-256 of its file
        self._accuracies: dict[str, float] = {}  # part -> the last one on validation images
        self._modules: dict[str, nn.Module] = {}
        self._used: set[str] = set()
        self._made_by = ""  # options of `semlink train` that make what is asked for now

    @property
    def train_seed(self) -> int | None:
        """Seed of the training; all parts but teachers have the same. None: nothing is used."""
        own = (o for part, o in self.origins.items() if not part.startswith(TEACHER))
        return next((int(origin["seed"]) for origin in own), None)

    @property
    def trained_on(self) -> set[str]:
        """Keys of the data sets that the parts were trained on."""
        return {origin["data"] for origin in self.origins.values()}

    @property
    def remarks(self) -> list[str]:
        """What a user should know of the parts that were loaded, one line each."""
        images = validation_images(self.folder, self.dataset)
        return [
            *guessing(self._accuracies, images=images, classes=self.dataset.num_classes),
            *seen_remarks(self.folder, self.dataset),
        ]

    def has(self, *parts: Part) -> bool:
        """Whether the files of all these parts are there."""
        return all(self.path(part).exists() for part in parts)

    def path(self, part: Part) -> Path:
        """The file of a part."""
        return self.folder / f"{part.name}.safetensors"

    @contextmanager
    def noting(self, *, made_by: str = "") -> Iterator[set[str]]:
        """Names of the parts that are asked for within the block; `semlink train` makes them."""
        self._used, self._made_by = set(), made_by
        try:
            yield self._used
        finally:
            self._made_by = ""

    def training_command(self, made_by: str = "") -> str:
        """The command that trains what this folder lacks, with these options."""
        recipe, folder = self.recipe, self.folder
        usual = Path("results/runs") / recipe.name / "weights"
        known = folder == usual or folder.is_relative_to(ROOT / "results/reference")
        out = "" if known or folder.name != "weights" else f" --out {folder.parent}"
        return recipe.training_command(f"{made_by}{out}")

    def load(self, part: Part, build: Callable[[], Module]) -> Module:
        """A part as a network ready to use.

        Raises: UserError naming the file if it is missing, unreadable, of another recipe, or for
        images or classes other than the data's.
        """
        self._used.add(part.name)
        if part.name not in self._modules:
            self._modules[part.name] = self._read(part, build)
        return cast(Module, self._modules[part.name])  # a part is always built by one function

    def _read(self, part: Part, build: Callable[[], Module]) -> Module:
        path = self.path(part)
        if not path.exists():
            raise UserError(
                f"{path} must hold trained weights, but is missing; run "
                f"{self.training_command(self._made_by)}, or name another folder with --weights"
            )
        tensors, header, self.hashes[part.name] = checked_weights(path)
        origin = check_origin(
            path, part, header.get("origin"), recipe=self.recipe.name, dataset=self.dataset
        )
        check_company(path, part.name, origin, hashes=self.hashes, origins=self.origins)
        self.origins[part.name] = origin
        if history := header.get("history"):
            self._accuracies[part.name] = history[-1]["validation"]
        model = build()
        try:
            model.load_state_dict(tensors)
        except RuntimeError:
            raise UserError(
                f"{path} does not fit the models of recipe {self.recipe.name}; train it again"
            ) from None
        return model.eval().to(self.device)

    def image_classifier(
        self, part: Part, config: models.ClassifierConfig
    ) -> models.ImageClassifier:
        """A part that is a classifier of images."""
        return self.load(part, lambda: models.ImageClassifier(config, **self.dataset.sizes))

    def student(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> models.ImageClassifier:
        """The student of a stage; without one the recipe's own."""
        part = (parts or self.recipe.student_parts()).student
        return self.image_classifier(part, (stage or self.recipe.student).model)

    def classifier(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> Classifier:
        """The noiseless chain: a student and its head of stage 1b."""
        parts = parts or self.recipe.student_parts()
        body = self.student(parts, stage).body
        dim = body.config.feature_dim
        head = self.load(parts.head, lambda: nn.Linear(dim, self.dataset.num_classes))

        @torch.inference_mode()
        def classify(images: Tensor) -> Tensor:
            scores: Tensor = head(in_pieces(body, images))
            return scores

        return Classifier(classify, self.key(sorted((parts.student.name, parts.head.name))))

    def key(self, parts: Iterable[str], *more: object) -> str:
        """Equal for equal weights of these parts, in this order."""
        return digest([*(self.hashes[part] for part in parts), *more])

    def teacher(self) -> models.Ensemble | None:
        """The teachers as one, if the weights of all are beside the others."""
        parts = self.recipe.teacher_parts
        if not self.has(*parts.values()):
            return None
        stages = self.recipe.teachers
        return models.Ensemble([self._teacher(parts[name], stages[name].model) for name in stages])

    def _teacher(
        self, part: Part, config: models.ClassifierConfig | models.PretrainedTeacherConfig
    ) -> Teacher:
        if not isinstance(config, models.PretrainedTeacherConfig):
            return self.image_classifier(part, config)
        tower = tower_on(self.device, config)
        head = self.load(part, lambda: nn.Linear(tower.feature_dim, self.dataset.num_classes))
        return models.PretrainedTeacher(tower, head).eval()

    def as_asked(self, network: models.Ensemble) -> Callable[[Tensor], models.Classified]:
        """Teachers as the recipe asks them: about mirror images too, where it does."""
        return models.Mirrored(network) if self.recipe.mirrored else network

    def teacher_classifier(self) -> Classifier:
        """The offline teachers' scores of images. Raises: UserError if they are not there."""
        teacher = self.teacher()
        if teacher is None:
            raise UserError(f"there are no weights of a teacher in {self.folder}")
        key = self.key(self.recipe.teachers, self.recipe.mirrored)
        return Classifier(scores_by(self.as_asked(teacher)), key)


def guessing(accuracies: Mapping[str, float], *, images: int, classes: int) -> list[str]:
    """A line that names the parts whose accuracy is no better than a uniform guess, if any.

    Better is where the 95 % interval over the validation images lies above it.
    """
    names = [
        name
        for name, accuracy in accuracies.items()
        if images and not name.startswith(PIXELS) and wilson(accuracy, images).low <= 1 / classes
    ]
    if not names:
        return []
    return [
        f"no better than a guess on {images} validation images: {', '.join(names)}; it takes more "
        "images per class, more epochs, or fewer classes"
    ]


def as_taught(recipe: Basis, folder: Path) -> Basis:
    """The recipe, with the pretrained teacher of a training that had one (`--teacher`)."""
    path = folder / f"{TEACHER}.safetensors"
    if not path.exists():
        return recipe
    origin = read_header(path).get("origin")
    stages = origin.get("description", []) if isinstance(origin, dict) else []
    for stage in stages:
        model = stage.get("model", {}) if isinstance(stage, dict) else {}
        if model.get("type") == models.PretrainedTeacherConfig.__name__:
            return recipe.with_pretrained(model["source"])
    return recipe


def scores_by(asked: Callable[[Tensor], models.Classified]) -> Classify:
    """The scores that a classifier gives images."""

    @torch.inference_mode()
    def classify(images: Tensor) -> Tensor:
        return in_pieces(lambda piece: asked(piece).scores, images)

    return classify
