"""The trained parts of a training run: networks from files, checked against recipe and data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

import models
from simulator.data.dataset import Dataset
from simulator.description.basis import TEACHER, Basis, Part, StudentParts
from simulator.description.origin import check_origin, check_same_run
from simulator.description.seen import seen_remarks
from simulator.description.stages import StudentStage
from simulator.description.trained_on import validation_images
from simulator.errors import UserError
from simulator.scheme import Classifier, Classify, in_pieces
from simulator.statistics.intervals import wilson
from simulator.storage.describe import digest
from simulator.storage.environment import REFERENCE
from simulator.storage.files import read_header
from simulator.storage.sums import checked_weights
from simulator.training.teachers import Teacher, tower_on

# prefixes of parts whose validation score is not an accuracy
PIXELS = ("deep_jscc_image", "deep_jscc_q_image")
Module = TypeVar("Module", bound=nn.Module)


class Weights:
    """The weights of a training run. Each file is read once, at first use."""

    def __init__(self, recipe: Basis, dataset: Dataset, folder: Path, device: torch.device) -> None:
        self.recipe = as_taught(recipe, folder)
        self.dataset = dataset
        self.folder = folder
        self.device = device
        self.origins: dict[str, Any] = {}  # part -> origin of its file
        self.hashes: dict[str, str] = {}  # part -> SHA-256 of its file
        self._accuracies: dict[str, float] = {}  # part -> last validation accuracy
        self._modules: dict[str, nn.Module] = {}
        self._used: set[str] = set()
        self._made_by = ""  # options of `semlink train` for missing parts

    @property
    def train_seed(self) -> int | None:
        """Seed of the training run; teachers may have another. None if no other part is loaded."""
        own = (o for part, o in self.origins.items() if not part.startswith(TEACHER))
        return next((int(origin["seed"]) for origin in own), None)

    @property
    def trained_on(self) -> set[str]:
        """Keys of the data sets that the loaded parts were trained on."""
        return {origin["data"] for origin in self.origins.values()}

    @property
    def remarks(self) -> list[str]:
        """Warnings for the user about the loaded parts, one line each."""
        images = validation_images(self.folder, self.dataset)
        return [
            *guessing(self._accuracies, images=images, classes=self.dataset.num_classes),
            *seen_remarks(self.folder, self.dataset),
        ]

    def has(self, *parts: Part) -> bool:
        """True if the files of all these parts exist."""
        return all(self.path(part).exists() for part in parts)

    def path(self, part: Part) -> Path:
        """The file of a part."""
        return self.folder / f"{part.name}.safetensors"

    @contextmanager
    def noting(self, *, made_by: str = "") -> Iterator[set[str]]:
        """Collect the names of the parts that are loaded within the block.

        `made_by` are the options of `semlink train` that train them, for error messages.
        """
        self._used, self._made_by = set(), made_by
        try:
            yield self._used
        finally:
            self._made_by = ""

    def training_command(self, made_by: str = "") -> str:
        """The command that trains missing parts of this folder, with the options `made_by`."""
        recipe, folder = self.recipe, self.folder
        usual = Path("results/runs") / recipe.name / "weights"
        known = folder == usual or folder.is_relative_to(REFERENCE)
        out = "" if known or folder.name != "weights" else f" --out {folder.parent}"
        return recipe.training_command(f"{made_by}{out}")

    def load(self, part: Part, build: Callable[[], Module]) -> Module:
        """Load a part into the network that `build` returns, in evaluation mode.

        Raises: UserError naming the file if it is missing, unreadable, of another recipe, or was
        trained for other image sizes or classes.
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
        check_same_run(path, part.name, origin, hashes=self.hashes, origins=self.origins)
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
        """Load a part that is an image classifier."""
        return self.load(part, lambda: models.ImageClassifier(config, **self.dataset.sizes))

    def student(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> models.ImageClassifier:
        """The student of a stage, by default the recipe's; its head is that of stage 1."""
        part = (parts or self.recipe.student_parts()).student
        return self.image_classifier(part, (stage or self.recipe.student).model)

    def head(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> nn.Linear:
        """The head of stage 1b for the features of a stage's student, by default the recipe's."""
        dim = (stage or self.recipe.student).model.feature_dim
        part = (parts or self.recipe.student_parts()).head
        return self.load(part, lambda: nn.Linear(dim, self.dataset.num_classes))

    def classifier(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> Classifier:
        """The classifier without a channel: a student and its head of stage 1b."""
        parts = parts or self.recipe.student_parts()
        body, head = self.student(parts, stage).body, self.head(parts, stage)

        @torch.inference_mode()
        def classify(images: Tensor) -> Tensor:
            scores: Tensor = head(in_pieces(body, images))
            return scores

        return Classifier(classify, self.key(sorted((parts.student.name, parts.head.name))))

    def key(self, parts: Iterable[str], *more: object) -> str:
        """Key that is equal for equal weights of these parts, in this order."""
        return digest([*(self.hashes[part] for part in parts), *more])

    def teacher(self) -> models.Ensemble | None:
        """The teachers as an ensemble, or None if the weights of any are missing."""
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

    def mirrored(self, network: models.Ensemble) -> Callable[[Tensor], models.Classified]:
        """Teachers as in training: averaged over each image and its mirror image if `mirrored`."""
        return models.Mirrored(network) if self.recipe.mirrored else network

    def teacher_classifier(self) -> Classifier:
        """The teachers as one classifier. Raises: UserError if their weights are missing."""
        teacher = self.teacher()
        if teacher is None:
            raise UserError(
                f"{self.folder} must hold the weights of the teachers, but they are missing; run "
                f"{self.training_command(' --stage teacher')}, or name another folder with "
                "--weights"
            )
        key = self.key(self.recipe.teachers, self.recipe.mirrored)
        return Classifier(scores_by(self.mirrored(teacher)), key)


def guessing(accuracies: Mapping[str, float], *, images: int, classes: int) -> list[str]:
    """A line that names the parts whose accuracy is no better than a uniform guess, if any.

    An accuracy is better if its 95 % interval over the validation images lies above 1 / classes.
    """
    names = [
        name
        for name, accuracy in accuracies.items()
        if images and not name.startswith(PIXELS) and wilson(accuracy, images).low <= 1 / classes
    ]
    if not names:
        return []
    return [
        f"not significantly better than a guess on {images} validation images: {', '.join(names)}; "
        "it takes more images per class, more epochs, or fewer classes"
    ]


def as_taught(recipe: Basis, folder: Path) -> Basis:
    """The recipe; with the pretrained teacher if the weights come from `--teacher`."""
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
    """A function from images to the scores of a classifier."""

    @torch.inference_mode()
    def classify(images: Tensor) -> Tensor:
        return in_pieces(lambda piece: asked(piece).scores, images)

    return classify
