"""Frozen descriptions of the stages of a training: models, data, losses, conditions, passes."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from models import (
    CodecConfig,
    DeepJsccImageConfig,
    FeatureQuantiserConfig,
    JointConfig,
    JointModel,
    PretrainedTeacherConfig,
    StudentConfig,
    WideResNetConfig,
)
from simulator.device import Precision


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, how fast and in which precision one stage is trained.

    The learning rate rises linearly over the first `warmup` share of the steps and falls to zero
    along a half cosine.
    """

    epochs: int
    least_steps: int  # small data sets get more epochs, until there are so many steps
    batch_size: int
    optimiser: Literal["sgd", "adamw"]
    learning_rate: float  # at its peak
    weight_decay: float
    warmup: float  # share of all steps
    clip: float  # largest norm of the gradient
    precision: Precision  # fp32 in any case where the device has no arithmetic of bf16

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 < self.warmup < 1:
            raise ValueError(f"epochs, batch_size >= 1 and 0 < warmup < 1 must hold, got {self}")

    def epochs_on(self, num_images: int) -> int:
        """Epochs on a training set of this size."""
        return max(self.epochs, math.ceil(self.least_steps / self.steps_on(num_images)))

    def steps_on(self, num_images: int) -> int:
        """Steps per epoch on a training set of this size; an incomplete last batch is left out."""
        return num_images // min(self.batch_size, num_images)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation shared by every stage and every trained scheme."""

    crop_padding: int  # pixels of zero padding before a random crop
    flip: bool  # mirror half of the images left to right


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the distillation loss [METHOD, section 3]."""

    mse: float  # squared error to the teacher's normalised feature vector
    ce: float  # cross-entropy to the label
    kl: float  # temperature^2 * KL(teacher || student)
    temperature: float
    consistency: float = 0.0  # temperature^2 * KL(scores without noise || scores with noise)
    mse_bits: float = 0.0  # channel capacity in bits below which `mse` fades in proportion


@dataclass(frozen=True, kw_only=True)
class TeacherStage:
    """A teacher: offline, trained with cross-entropy, or pretrained with a linear probe."""

    model: StudentConfig | WideResNetConfig | PretrainedTeacherConfig
    training: TrainConfig
    label_smoothing: float


@dataclass(frozen=True, kw_only=True)
class StudentStage:
    """Stage 1 (clean distillation of the encoder) and stage 1b (its linear head)."""

    model: StudentConfig
    training: TrainConfig
    loss: LossWeights
    head: TrainConfig
    head_from: Literal["fresh", "student"] = "fresh"  # "student": from the head trained along


@dataclass(frozen=True, kw_only=True)
class LinkConditions:
    """What the channel is like while a codec is trained; drawn anew for every image."""

    channels: tuple[str, ...]  # equal shares of every batch
    snr_db: tuple[float, float]  # (low, high), uniform
    uses: tuple[int, ...]  # channel uses, drawn with equal chance
    full_share: float  # share of the images that are given the largest of `uses` for certain
    noiseless: bool = False  # True: no noise and no fading matter, the codec is told 20 dB
    snr_list: tuple[float, ...] = ()  # instead of the range: one SNR for each share of the epochs

    def __post_init__(self) -> None:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db must be (low, high) in dB, got {self.snr_db}")


@dataclass(frozen=True, kw_only=True)
class CodecStage:
    """Stage 2: the channel codec and its head through the channel.

    `student` says what happens to the encoder [METHOD, section 3]: "frozen" (F0), "last" (F1: last
    stage and projection go on learning), "all" (F2), or "scratch" (one-stage control: it starts
    from fresh weights). It learns at `student_rate` times the learning rate.
    """

    model: CodecConfig
    training: TrainConfig
    loss: LossWeights
    conditions: LinkConditions
    student: Literal["frozen", "last", "all", "scratch"] = "frozen"
    student_rate: float = 0.1


@dataclass(frozen=True, kw_only=True)
class JointStage:
    """A joint source-channel coding baseline: one model for each entry of `uses`.

    `backbone` says where its features come from: "scratch" (learnt end to end with the codec, as
    published), "frozen" (of the student of variant `backbone_of`, or of the recipe's own if that is
    empty, with whose head it begins; the codec learns on cached features), or "tuned" (as "frozen",
    but the backbone learns along, at `backbone_rate` times the learning rate).
    """

    name: str  # of the scheme, with a label behind a colon if there are several of a kind
    model: JointConfig
    training: TrainConfig
    channels: tuple[str, ...]
    snr_db: float | tuple[float, float]  # one, or (low, high), drawn uniformly once per image
    uses: tuple[int, ...]
    backbone: Literal["scratch", "frozen", "tuned"] = "scratch"
    backbone_of: str = ""
    backbone_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.backbone == "scratch" and self.backbone_of:
            raise ValueError(f"backbone_of goes with a backbone that is not scratch, got {self}")

    @property
    def snr_range_db(self) -> tuple[float, float]:
        """Lowest and highest SNR of the training."""
        return self.snr_db if isinstance(self.snr_db, tuple) else (self.snr_db, self.snr_db)

    def build(self, *, uses: int, image_channels: int, num_classes: int) -> JointModel:
        """The model for `uses` channel uses with fresh weights; without a frozen backbone."""
        channels = None if self.backbone == "frozen" else image_channels
        return self.model.build(image_channels=channels, num_classes=num_classes, uses=uses)


@dataclass(frozen=True, kw_only=True)
class RebuiltStage:
    """Students that go on learning on what a pair rebuilds, for `deep_jscc_image:retrained`."""

    training: TrainConfig
    snr_db: tuple[float, float]  # (low, high), uniform, drawn anew for every image


@dataclass(frozen=True, kw_only=True)
class ImageJsccStage:
    """Deep JSCC of images: one pair for each entry of `uses` that images can take, at one SNR."""

    training: TrainConfig
    channels: tuple[str, ...]
    snr_db: float
    uses: tuple[int, ...]
    retraining: RebuiltStage | None = None  # None: no deep_jscc_image:retrained
    name: str = "deep_jscc_image"

    def models(self, image_shape: tuple[int, int, int]) -> dict[int, DeepJsccImageConfig]:
        """The pair for every k = c H W / 32 with a whole c; H and W are multiples of 4."""
        _, height, width = image_shape
        if height % 4 or width % 4:
            return {}
        fits = (k for k in self.uses if 32 * k % (height * width) == 0)
        return {k: DeepJsccImageConfig(bottleneck=32 * k // (height * width)) for k in fits}


@dataclass(frozen=True, kw_only=True)
class QuantiserStage:
    """What `digital_semantic` makes of the student's features, and the training of its heads."""

    model: FeatureQuantiserConfig
    training: TrainConfig


class Damage(Protocol):
    """What happens to images on the way; a frozen dataclass, so that it can be described."""

    def __call__(self, images: Tensor, generator: torch.Generator, /) -> Tensor:
        """Images [N, C, H, W] uint8 as they arrive, each by its own draws."""


@dataclass(frozen=True, kw_only=True)
class DecodedStage:
    """Classifiers that go on learning on decoded images, for `separate:retrained`."""

    damage: Damage
    training: TrainConfig
    views: int  # decoded views of the training images, which the epochs take in turn
    clean_share: float  # of the images of a view, which stay as they are
