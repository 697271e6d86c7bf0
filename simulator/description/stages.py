"""Frozen settings of training: schedule, augmentation, loss weights, teacher, student."""

import math
from dataclasses import dataclass
from typing import Literal

from models import ClassifierConfig, PretrainedTeacherConfig, StudentConfig
from simulator.device import Precision


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Length, optimiser, learning rate and precision of the training of one stage.

    The learning rate rises linearly over the first `warmup` share of the steps and falls to zero
    along a half cosine.
    """

    epochs: int
    least_steps: int  # minimum; small data sets get more epochs to reach it
    batch_size: int
    optimiser: Literal["sgd", "adamw"]
    learning_rate: float  # maximum, after the warm-up
    weight_decay: float
    warmup: float  # share of all steps
    clip: float  # maximum gradient norm
    precision: Precision  # fp32 is used if the device has no bf16 arithmetic
    average: float = 0.0  # decay per step of a moving average of the weights; 0: no average

    def __post_init__(self) -> None:
        _check_least(self, 1, "epochs", "batch_size")
        _check_least(self, 0, "least_steps", "weight_decay")
        for name in ("learning_rate", "clip"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"{name} must be above 0, got {value:g}")
        if not 0 < self.warmup < 1:
            raise ValueError(f"warmup must lie between 0 and 1, got {self.warmup}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1, got {self.average}")

    def epochs_on(self, num_images: int) -> int:
        """Epochs on a training set of this size."""
        return max(self.epochs, math.ceil(self.least_steps / self.steps_on(num_images)))

    def steps_on(self, num_images: int) -> int:
        """Steps per epoch on a training set of this size; an incomplete last batch is dropped."""
        return num_images // min(self.batch_size, num_images)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation of training images."""

    crop_padding: int  # pixels of zero padding before a random crop
    flip: bool  # mirror images left to right, with probability 1/2
    jitter: float = 0.0  # largest change of brightness, contrast and saturation, as a share
    erased: float = 0.0  # sides of a patch erased in half of the images, as a share of theirs
    operations: int = 0  # number of RandAugment operations per image
    magnitude: float = 0.3  # of these operations, as a share of their range
    pasted: float = 0.0  # largest share of an image covered by a part of another, below 1/2

    def __post_init__(self) -> None:
        shares = ("jitter", "erased", "magnitude")
        _check_least(self, 0, "crop_padding", "operations", *shares, "pasted")
        for name in shares:
            if (value := getattr(self, name)) > 1:
                raise ValueError(f"{name} must be at most 1, got {value}")
        if self.pasted >= 0.5:
            raise ValueError(f"pasted must be below 0.5, got {self.pasted}")


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the distillation loss."""

    mse: float  # squared error to the teacher's normalised feature vector
    ce: float  # cross-entropy to the label
    kl: float  # temperature^2 * KL(teacher || student)
    temperature: float
    consistency: float = 0.0  # temperature^2 * KL(scores without noise || scores with noise)
    mse_bits: float = 0.0  # channel capacity in bits, below which `mse` decreases in proportion
    standardised: bool = False  # scale scores to mean 0 and deviation 1 per image before the KL

    def __post_init__(self) -> None:
        _check_least(self, 0, "mse", "ce", "kl", "consistency", "mse_bits")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature:g}")

    @property
    def taught(self) -> bool:
        """Whether a term needs the teachers' outputs."""
        return self.mse > 0 or self.kl > 0


@dataclass(frozen=True, kw_only=True)
class TeacherStage:
    """A teacher: trained by cross-entropy, pretrained with tuned last blocks, or a linear probe."""

    model: ClassifierConfig | PretrainedTeacherConfig
    training: TrainConfig
    label_smoothing: float
    begin: Literal["fresh", "reference"] = "fresh"  # "reference": a probe on the shipped student
    views: int = 4  # augmented views for which outputs of frozen blocks are cached

    @property
    def cost(self) -> float:
        """Relative cost per training image, see `Part`: of a probe, or of a whole network."""
        probe = self.begin == "reference" or isinstance(self.model, PretrainedTeacherConfig)
        return 0.002 if probe else 2.5


@dataclass(frozen=True, kw_only=True)
class StudentStage:
    """Stage 1 (clean distillation of the encoder) and stage 1b (its linear head).

    A student that begins as its teacher is tuned; the tuned weights are kept only if they are
    clearly better on validation images. A student trained on labels only may be trained like a
    teacher: on `fresh_views`, with label smoothing.
    """

    model: StudentConfig
    training: TrainConfig
    loss: LossWeights
    head: TrainConfig
    head_from: Literal["fresh", "student"] = "fresh"  # "student": from the head trained in stage 1
    begin: Literal["fresh", "teacher"] = "fresh"  # initial weights
    small_share: float = 0.0  # share of the epochs, the first ones, with smaller images
    small_side: int = 24  # side of these images, which are averaged down and train faster
    fresh_views: bool = False  # new augmented images in every epoch, not the teachers' views
    label_smoothing: float = 0.0  # only with fresh views

    def __post_init__(self) -> None:
        if self.label_smoothing and not self.fresh_views:
            raise ValueError(
                f"label_smoothing must be 0 without fresh_views, got {self.label_smoothing}"
            )
        if self.fresh_views and self.loss.taught:
            raise ValueError(
                "fresh_views have no teacher outputs: loss.mse and loss.kl must be 0, "
                f"got {self.loss.mse} and {self.loss.kl}"
            )


def _check_least(config: object, least: int, *names: str) -> None:
    """Raises: ValueError naming a field that is below `least`, or nan."""
    for name in names:
        if not (value := getattr(config, name)) >= least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
