"""From trained parts on disk to schemes that transmit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models import DeepJscc, ImageClassifier
from simulator.config import Experiment
from simulator.data import Dataset
from simulator.distill import LinkModel
from simulator.end_to_end import deep_jscc_part
from simulator.errors import UserError
from simulator.link import DeepJsccScheme, RkdScheme, Scheme
from simulator.records import file_hash, load_tensors

Module = TypeVar("Module", bound=nn.Module)


def scheme_names(experiment: Experiment) -> tuple[str, ...]:
    """Names that a recipe offers, in the order of tables and legends."""
    return (RkdScheme.name, DeepJsccScheme.name, *(b.name for b in experiment.baselines))


class TrainedParts:
    """The weights of one training, loaded when asked for and checked against recipe and data."""

    def __init__(
        self, experiment: Experiment, dataset: Dataset, folder: Path, device: torch.device
    ) -> None:
        self._experiment = experiment
        self._dataset = dataset
        self._folder = folder
        self._device = device
        self.train_seed = 0
        self.hashes: dict[str, str] = {}  # part -> SHA-256 of its file

    def scheme(self, name: str) -> Scheme:
        """A scheme by its name, its weights loaded.

        Raises: UserError for an unknown name, and for weights that are missing, unreadable, of
        another recipe, or for images or classes other than the data's.
        """
        experiment = self._experiment
        if name == RkdScheme.name:
            return self._rkd_sc()
        if name == DeepJsccScheme.name:
            models = {k: self._deep_jscc(k) for k in experiment.deep_jscc.uses}
            return DeepJsccScheme(models, train_snr_db=experiment.deep_jscc.snr_db)
        for baseline in experiment.baselines:
            if baseline.name == name:
                return baseline.build(
                    classify=self._classify(),
                    num_classes=self._dataset.num_classes,
                    image_shape=self._dataset.image_shape,
                )
        known = ", ".join(scheme_names(experiment))
        raise UserError(f"--schemes must name schemes among {known}, got {name!r}")

    def _rkd_sc(self) -> RkdScheme:
        config = self._experiment.codec.model
        link = self._load("codec", lambda: LinkModel(config, num_classes=self._dataset.num_classes))
        return RkdScheme(student=self._student().body, codec=link.codec, head=link.head)

    def _student(self) -> ImageClassifier:
        return self._load(
            "student",
            lambda: ImageClassifier(
                self._experiment.student.model,
                image_channels=self._dataset.image_shape[0],
                num_classes=self._dataset.num_classes,
            ),
        )

    def _deep_jscc(self, uses: int) -> DeepJscc:
        return self._load(
            deep_jscc_part(uses),
            lambda: self._experiment.deep_jscc.model.build(
                image_channels=self._dataset.image_shape[0],
                num_classes=self._dataset.num_classes,
                uses=uses,
            ),
        )

    def _classify(self) -> Callable[[Tensor], Tensor]:
        """The noiseless chain: student and the head of stage 1b."""
        body = self._student().body
        dim = self._experiment.student.model.feature_dim
        head = self._load("head", lambda: nn.Linear(dim, self._dataset.num_classes))

        @torch.inference_mode()
        def classify(images: Tensor) -> Tensor:
            scores: Tensor = head(body(images))
            return scores

        return classify

    def _load(self, part: str, build: Callable[[], Module]) -> Module:
        path = self._folder / f"{part}.safetensors"
        if not path.exists():
            name = self._experiment.name
            raise UserError(
                f"{path} must hold trained weights, but is missing; run semlink train {name}, "
                "or name another folder with --weights"
            )
        tensors, header = load_tensors(path)
        self._check(path, header)
        model = build()
        try:
            model.load_state_dict(tensors)
        except RuntimeError:
            raise UserError(
                f"{path} does not fit the models of recipe {self._experiment.name}; train it again"
            ) from None
        self.hashes[part] = file_hash(path)
        return model.eval().to(self._device)

    def _check(self, path: Path, header: dict[str, Any]) -> None:
        origin = header.get("origin", {})
        recipe, dataset = self._experiment.name, self._dataset
        if origin.get("recipe") != recipe:
            raise UserError(
                f"{path} must belong to recipe {recipe}, but was trained for "
                f"{origin.get('recipe')!r}; name another folder with --weights"
            )
        shape, classes = tuple(origin["image_shape"]), tuple(origin["classes"])
        if shape != dataset.image_shape:
            raise UserError(
                f"{path} was trained on images {list(shape)} [C, H, W], but the data holds "
                f"{list(dataset.image_shape)}; train on this data first"
            )
        if classes != dataset.classes:
            raise UserError(
                f"{path} was trained on {len(classes)} classes ({', '.join(classes[:3])}, ...), "
                f"but the data holds {dataset.num_classes} ({', '.join(dataset.classes[:3])}, "
                "...); train on this data first"
            )
        self.train_seed = int(origin["seed"])
