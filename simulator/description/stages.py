"""Frozen descriptions that all trainings share: passes, augmentation, losses, teacher, student."""

import math
from dataclasses import dataclass
from typing import Literal

from models import ClassifierConfig, PretrainedTeacherConfig, StudentConfig
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
    average: float = 0.0  # decay per step of the mean of weights that is kept; 0: the last weights

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
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
        """Steps per epoch on a training set of this size; an incomplete last batch is left out."""
        return num_images // min(self.batch_size, num_images)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation shared by every stage and every trained scheme."""

    crop_padding: int  # pixels of zero padding before a random crop
    flip: bool  # mirror half of the images left to right
    jitter: float = 0.0  # largest change of brightness, contrast and saturation, as a share
    erased: float = 0.0  # share of height and width of a rectangle that half of the images lose
    operations: int = 0  # of RandAugment on every image
    magnitude: float = 0.3  # of them, a share of their range
    pasted: float = 0.0  # largest share of an image that comes from another one, below a half

    def __post_init__(self) -> None:
        for name in ("crop_padding", "operations", "jitter", "erased", "magnitude", "pasted"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
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
    mse_bits: float = 0.0  # channel capacity in bits below which `mse` fades in proportion
    standardised: bool = False  # KL of scores that have mean 0 and deviation 1 in every image


@dataclass(frozen=True, kw_only=True)
class TeacherStage:
    """A teacher: trained with cross-entropy, or pretrained and its end tuned, or a linear probe."""

    model: ClassifierConfig | PretrainedTeacherConfig
    training: TrainConfig
    label_smoothing: float
    begin: Literal["fresh", "reference"] = "fresh"  # "reference": a probe on the committed student
    views: int = 4  # of augmented images that a frozen part is asked about

    @property
    def cost(self) -> float:
        """Of a training image, see `Part`: of a whole network, or of a probe on its features."""
        probe = self.begin == "reference" or isinstance(self.model, PretrainedTeacherConfig)
        return 0.002 if probe else 2.5


@dataclass(frozen=True, kw_only=True)
class StudentStage:
    """Stage 1 (clean distillation of the encoder) and stage 1b (its linear head).

    A student that begins as its teacher is trained on, and stays as it was unless the trained one
    is clearly better on validation images. One that learns from labels alone may learn as teachers
    do: from `fresh_views`, with label smoothing.
    """

    model: StudentConfig
    training: TrainConfig
    loss: LossWeights
    head: TrainConfig
    head_from: Literal["fresh", "student"] = "fresh"  # "student": from the head trained along
    begin: Literal["fresh", "teacher"] = "fresh"
    small_share: float = 0.0  # of the epochs, the first ones, sees images averaged down
    small_side: int = 24  # to so many pixels, which takes less time
    fresh_views: bool = False  # images augmented anew in every epoch, not those teachers were shown
    label_smoothing: float = 0.0  # with fresh views alone

    def __post_init__(self) -> None:
        if self.label_smoothing and not self.fresh_views:
            raise ValueError(f"label_smoothing goes with fresh_views, got {self.label_smoothing}")
        if self.fresh_views and (self.loss.mse or self.loss.kl or self.small_share):
            raise ValueError(
                "fresh_views go with labels alone and images of full size: loss.mse, loss.kl and "
                f"small_share must be 0, got {self.loss.mse}, {self.loss.kl}, {self.small_share}"
            )
