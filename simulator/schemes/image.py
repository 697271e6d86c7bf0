"""Deep JSCC of images: the receiver decodes an image, which an image classifier classifies.

Source: Bourtsoulatze, Kurka and Gunduz, arXiv 1809.01733 (`models.joint.deepjscc_image`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional

from channels.base import Channel
from channels.equalize import mmse
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from models import DeepJsccImage, DeepJsccImageConfig, ImageClassifier
from simulator.data.dataset import to_float
from simulator.description.basis import Basis, Part
from simulator.description.stages import TrainConfig
from simulator.errors import UserError
from simulator.scheme import Classify, Received, Tensors, all_delivered, in_pieces
from simulator.schemes.codec import LinkConditions, mixture_of
from simulator.schemes.contract import ImageShape, Label, SchemeConfig
from simulator.schemes.joint import ModelForEach, TrainingLink
from simulator.training.loop import ClassifierLesson, Epoch, Lesson, train_part
from simulator.training.run import TrainingRun, accuracy, check_finished, validation_outputs
from simulator.training.student import Session, finished_student
from simulator.training.weights import Weights, scores_by

KIND: Final = "deep_jscc_image"
READERS = {  # classifiers of the received image, by the scheme's label
    "": "student",
    "teacher": "teacher",
    "retrained": "student fine-tuned on images received at this k",
}


@dataclass(frozen=True, kw_only=True)
class RebuiltStage:
    """Fine-tuning of students on images that a pair decodes, for `deep_jscc_image:retrained`."""

    training: TrainConfig
    snr_db: tuple[float, float]  # (low, high), uniform, drawn anew for every image


@dataclass(frozen=True, kw_only=True)
class ImageJsccConfig(SchemeConfig):
    """An encoder-decoder pair for each k that the image size allows, trained at one SNR."""

    training: TrainConfig
    channels: tuple[str, ...]
    snr_db: float
    uses: tuple[int, ...]
    retraining: RebuiltStage | None = None  # None: no deep_jscc_image:retrained
    reader: str = ""  # a key of READERS

    labels: ClassVar[tuple[Label, ...]] = (
        Label("teacher", "the offline teachers classify the received image"),
        Label("retrained", "the student fine-tuned on images received at this k"),
    )

    @property
    def kind(self) -> str:
        """The name without the label of the classifier."""
        return KIND

    @property
    def name(self) -> str:
        """The kind, followed by the label of the classifier."""
        return f"{self.kind}:{self.reader}" if self.reader else self.kind

    def labelled(self, label: str) -> "ImageJsccConfig":
        """With another classifier of the received images. Raises: UserError if it is unknown."""
        if label not in READERS or self.reader:
            known = ", ".join(f"{self.kind}:{reader}" for reader in READERS if reader)
            raise UserError(f"{self.kind} takes one label, as in {known}, got {label!r}")
        return replace(self, reader=label)

    # Transmission through the channel, and the training loss

    def symbols(self, pair: DeepJsccImage, values: Tensor) -> Tensor:
        """The symbols to send. Shapes: values [B, 2k] -> [B, k] complex64."""
        return to_symbols(values)

    def arrived(self, pair: DeepJsccImage, x: Tensor, images: Tensor, link: TrainingLink) -> Tensor:
        """The decoded images when x [B, k] is sent, [B, C, H, W] like `images`."""
        return rebuilt(
            pair,
            x,
            images.shape[2:],
            channel=link.channel,
            snr_db=link.snr_db,
            generator=link.generator,
        )

    def loss(self, pair: DeepJsccImage, images: Tensor, link: TrainingLink) -> Tensor:
        """Mean squared error through the channel. Shapes: images [B, C, H, W] -> scalar."""
        x = self.symbols(pair, pair.encode(images))
        return functional.mse_loss(self.arrived(pair, x, images, link), images)

    def settings_text(self) -> str:
        """What is special about this kind, for tables and legends."""
        return ""

    # Parts, training, loading

    def models(self, image_shape: ImageShape) -> Mapping[int, DeepJsccImageConfig]:
        """The pair for every k = c H W / 32 with an integer c; H and W are multiples of 4."""
        _, height, width = image_shape
        if height % 4 or width % 4:
            return {}
        fits = (k for k in self.uses if 32 * k % (height * width) == 0)
        return {k: self.model(32 * k // (height * width)) for k in fits}

    def model(self, bottleneck: int) -> DeepJsccImageConfig:
        """The pair with `bottleneck` values per 4x4 pixels."""
        return DeepJsccImageConfig(bottleneck=bottleneck)

    def pair_part(self, recipe: Basis, uses: int) -> Part:
        """The pair for `uses` channel uses; it sees natural images, not `Basis.stronger` ones."""
        shape = (*recipe.unaltered.seen, self.training, self.channels, self.snr_db, uses)
        return Part(f"{self.kind}_k{uses}", shape, stage="baselines", cost=2.0)

    def reader_part(self, recipe: Basis, uses: int) -> Part:
        """The student fine-tuned on images that the pair for `uses` channel uses decodes."""
        shape = (*recipe.seen, self.channels, self.retraining, uses)
        made_from = (
            *(part.name for part in recipe.student_parts()),
            self.pair_part(recipe, uses).name,
        )
        return Part(f"rebuilt_student_k{uses}", shape, made_from, "rebuilt", 2.0)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """A pair for each k, and the students fine-tuned on its images, if the recipe has any."""
        readers = self.uses if self.retraining else ()
        return (
            *(self.pair_part(recipe, k) for k in self.uses),
            *(self.reader_part(recipe, k) for k in readers),
        )

    def trained(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The parts for images of this size."""
        return replace(self, uses=tuple(self.models(image_shape))).parts(recipe)

    def needed(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The pairs for images of this size."""
        return tuple(self.pair_part(recipe, k) for k in self.models(image_shape))

    def check(self, run: TrainingRun, stage: str) -> None:
        """Check that fine-tuning has the student and every pair. Raises: UserError if not."""
        if stage != "rebuilt":
            return
        pairs = self.models(run.dataset.image_shape)
        if not pairs or self.retraining is None:
            size = "x".join(map(str, run.dataset.image_shape))
            raise UserError(
                f"--stage rebuilt needs deep JSCC that rebuilds images, and recipe "
                f"{run.recipe.name} has none for {size}: H and W must be multiples of 4, and k "
                "of H W / 32"
            )
        check_finished(run, *run.recipe.student_parts())
        for path in (run.path(self.pair_part(run.recipe, k).name) for k in pairs):
            if not path.exists():
                options = f" --stage baselines --schemes {self.kind} --out {run.folder}"
                raise UserError(
                    f"{path} must be there first; run {run.recipe.training_command(options)}"
                )

    def train(self, session: Session, stage: str) -> None:
        """Train the pairs, or fine-tune students on the images that they decode."""
        run = session.run
        for uses, model in self.models(run.dataset.image_shape).items():
            if stage == "baselines":
                train_part(self._pair_lesson(run, uses, model))
            if stage == "rebuilt" and self.retraining is not None:
                check_finished(run, *run.recipe.student_parts())
                train_part(self._reader_lesson(run, uses, model, self.retraining))

    def _pair_lesson(self, run: TrainingRun, uses: int, model: DeepJsccImageConfig) -> "PairLesson":
        part = self.pair_part(run.recipe, uses)
        return PairLesson(run=run, part=part, config=self.training, scheme=self, model=model)

    def _reader_lesson(
        self, run: TrainingRun, uses: int, model: DeepJsccImageConfig, stage: RebuiltStage
    ) -> "ReaderLesson":
        return ReaderLesson(
            run=run,
            part=self.reader_part(run.recipe, uses),
            config=stage.training,
            model=run.recipe.student.model,
            pair=train_part(self._pair_lesson(run, uses, model)),  # loaded, as it is finished
            conditions=LinkConditions(
                channels=self.channels, snr_db=stage.snr_db, uses=(uses,), full_share=0.0
            ),
        )

    def build(self, weights: Weights) -> "ImageJsccScheme":
        """The pairs for images of this size, and the classifier of the decoded images."""
        models = {
            k: weights.load(
                self.pair_part(weights.recipe, k),
                partial(config.build, image_channels=weights.dataset.image_shape[0]),
            )
            for k, config in self.models(weights.dataset.image_shape).items()
        }
        if self.reader == "retrained":
            readers = {k: self._retrained(weights, k) for k in models}
        else:
            own = weights.teacher_classifier() if self.reader else weights.classifier()
            readers = dict.fromkeys(models, own.classify)
        _, *size = weights.dataset.image_shape
        return ImageJsccScheme(self.name, models, self, size, readers)

    def _retrained(self, weights: Weights, uses: int) -> Classify:
        part = self.reader_part(weights.recipe, uses)
        if self.retraining is None or not weights.has(part):
            raise UserError(
                f"there is no {part.name} in {weights.folder}; run "
                f"{weights.training_command(' --stage rebuilt')}"
            )
        return scores_by(weights.image_classifier(part, weights.recipe.student.model))


@dataclass(eq=False, repr=False)
class ImageJsccScheme(ModelForEach[DeepJsccImage]):
    """One pair for each k, and the classifier of the decoded images."""

    config: ImageJsccConfig
    size: Sequence[int]  # H, W
    readers: Mapping[int, Classify]

    @property
    def channel_uses(self) -> str:
        """The k with a trained pair, in words."""
        if not self.models:
            return "no k: H and W must be multiples of 4, and k of H W / 32"
        return super().channel_uses

    def settings(self, k: int) -> str:
        """How the model for k was trained, and which network classifies the image."""
        snr_db, special = self.config.snr_db, self.config.settings_text()
        trained = f"one model for k = {k}{special}, trained at {snr_db:g} dB, no header"
        return f"{trained}, image classified by the {READERS[self.config.reader]}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The values [B, 2k] of every model's encoder; they do not depend on the channel."""
        return {str(k): in_pieces(model.encode, images) for k, model in self.models.items()}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The symbols [B, k] of the model for k."""
        return {"x": self.config.symbols(self.models[k], prepared[str(k)].float())}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the symbols, decode images and classify them."""
        x, noise = encoded["x"], streams("channel", device=encoded["x"].device)
        images = rebuilt(
            self.models[k], x, self.size, channel=channel, snr_db=snr_db, generator=noise
        )
        return Received(self.readers[k](images), all_delivered(images), {"images": images})


def rebuilt(
    pair: DeepJsccImage,
    x: Tensor,
    size: Sequence[int],
    *,
    channel: Channel,
    snr_db: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Send symbols, equalise and decode.

    Shapes: x [B, k], size (H, W), snr_db [B, 1] -> images [B, C, H, W].
    """
    received = channel(x, snr_db=snr_db, generator=generator)
    height, width = size
    return pair.decode(from_symbols(mmse(received)), height=height, width=width)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairLesson(Lesson[DeepJsccImage]):
    """Training of a pair, by squared error through the channel, on views of natural images."""

    scheme: ImageJsccConfig
    model: DeepJsccImageConfig

    def build(self) -> DeepJsccImage:
        """Fresh weights."""
        return self.model.build(image_channels=self.run.dataset.image_shape[0])

    def _training_link(
        self, images: Tensor, noise: torch.Generator, progress: float
    ) -> TrainingLink:
        snr_db = torch.full((len(images), 1), self.scheme.snr_db, device=images.device)
        return TrainingLink(mixture_of(self.scheme.channels), snr_db, noise, progress)

    def epoch(self, model: DeepJsccImage, index: int) -> Epoch:
        """Squared error on one view."""
        shown = replace(self.run, recipe=self.run.recipe.unaltered).shared_view(index)
        noise = self.run.streams("channel", self.part.name, index, device=self.run.device)
        progress = index / self.epochs

        def loss(indices: Tensor) -> Tensor:
            images = to_float(shown[indices])
            return self.scheme.loss(model, images, self._training_link(images, noise, progress))

        return Epoch(loss, (noise,))

    def validate(self, model: DeepJsccImage) -> float:
        """The share of the pixels' variance that is received, at the training SNR.

        1 - squared error / variance; the PSNR is 10 log10(1 / squared error).
        """
        run = self.run
        noise = run.streams("validation", self.part.name, device=run.device)
        errors = validation_outputs(run, lambda images: self._error(model, images, noise))
        images = to_float(run.validation.images.to(run.device))
        return 1.0 - float(errors.square().mean() / images.var())

    def _error(self, model: DeepJsccImage, images: Tensor, noise: torch.Generator) -> Tensor:
        x = self.scheme.symbols(model, model.encode(images))
        return (
            self.scheme.arrived(model, x, images, self._training_link(images, noise, 1.0)) - images
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ReaderLesson(ClassifierLesson):
    """Fine-tuning of the student, by cross-entropy, on training images sent by a pair."""

    pair: DeepJsccImage
    conditions: LinkConditions

    def build(self) -> ImageClassifier:
        """The student as it was trained."""
        return finished_student(self.run)

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on one shared view, sent and decoded."""
        run, name = self.run, self.part.name
        images = run.shared_view(index)
        draws = run.streams("conditions", name, index)
        noise = run.streams("channel", name, index, device=run.device)

        def loss(indices: Tensor) -> Tensor:
            seen = self._rebuilt(to_float(images[indices]), draws, noise)
            return functional.cross_entropy(model(seen).scores, self.labels[indices])

        return Epoch(loss, (draws, noise))

    def validate(self, model: ImageClassifier) -> float:
        """Accuracy on the validation images, sent and decoded."""
        run = self.run
        draws = run.streams("validation conditions", self.part.name)
        noise = run.streams("validation", self.part.name, device=run.device)

        scores = validation_outputs(run, lambda x: model(self._rebuilt(x, draws, noise)).scores)
        return accuracy(scores, run.validation.labels)

    @torch.no_grad()
    def _rebuilt(self, images: Tensor, draws: torch.Generator, noise: torch.Generator) -> Tensor:
        """Images sent and decoded, each at its own random SNR."""
        snr_db, _ = self.conditions.draw(len(images), generator=draws)
        return rebuilt(
            self.pair,
            to_symbols(self.pair.encode(images)),
            images.shape[2:],
            channel=mixture_of(self.conditions.channels),
            snr_db=snr_db.to(images.device),
            generator=noise,
        )
