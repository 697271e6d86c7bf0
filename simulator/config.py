"""Frozen descriptions of an experiment and their JSON form. They hold values and do nothing."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from simulator.errors import UserError
from simulator.link import Scheme
from simulator.stages import (
    AugmentConfig,
    CodecStage,
    DecodedStage,
    ImageJsccStage,
    JointStage,
    QuantiserStage,
    StudentStage,
    TeacherStage,
)

if TYPE_CHECKING:
    from simulator.supplies import Supplies

Classify = Callable[[Tensor], Tensor]  # images [B, C, H, W] in [0, 1] to scores [B, num_classes]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An ablation: what differs from the recipe. What is None is the recipe's own trained part."""

    name: str  # swept as the scheme rkd_sc:NAME
    student: StudentStage | None = None
    codec: CodecStage
    student_of: str = ""  # another variant with the same student, which is trained once


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """The default grid of a recipe."""

    channels: tuple[str, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int  # channel draws per image and point


class BaselineConfig(Protocol):
    """A scheme without weights of its own; it is given the noiseless student chain."""

    @property
    def name(self) -> str:
        """The scheme's name in tables and on the command line."""

    def needs(self) -> dict[str, str]:
        """What its numbers depend on besides settings and weights: versions, hashes of tables."""

    def decoding_all(self) -> "BaselineConfig":
        """The same with every block of bits decoded, not drawn from a table of error rates."""

    def labelled(self, label: str) -> "BaselineConfig":
        """The variant behind NAME:LABEL. Raises: UserError if there is no such label."""

    def build(
        self,
        *,
        classify: Classify,
        num_classes: int,
        image_shape: tuple[int, int, int],
        supplies: "Supplies",
    ) -> Scheme:
        """The scheme, ready to transmit."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a result, but for the data and the seed."""

    name: str
    embedded_data: bool  # True: the data set comes with semlink; False: --data must name a folder
    augment: AugmentConfig
    views: int  # augmented views of the training set that teacher and student share
    teacher: TeacherStage
    student: StudentStage
    codec: CodecStage
    baselines: tuple[BaselineConfig, ...]
    sweep: SweepConfig
    joint: tuple[JointStage, ...] = ()  # joint source-channel coding, trained
    image_jscc: ImageJsccStage | None = None
    variants: tuple[Variant, ...] = ()
    more_teachers: tuple[TeacherStage, ...] = ()  # with `teacher` they teach as an ensemble
    mirrored: bool = False  # views come in pairs, image and mirror image; teachers say the mean
    quantiser: QuantiserStage | None = None  # None: there is no digital_semantic
    decoded: DecodedStage | None = None  # None: there is no separate:retrained

    def __post_init__(self) -> None:
        if self.mirrored and self.views % 2:
            raise ValueError(f"views must be even if they are mirrored, got {self.views}")

    @property
    def seen(self) -> tuple[object, ...]:
        """What shapes the images that students see."""
        return (self.augment, self.views, *(["mirrored"] if self.mirrored else []))

    @property
    def taught_views(self) -> int:
        """Views that teachers are asked about; further ones are their mirror images."""
        return self.views // 2 if self.mirrored else self.views

    @property
    def teachers(self) -> dict[str, TeacherStage]:
        """All teachers by the names of their parts: teacher, teacher_2, ..."""
        more = {f"teacher_{i}": stage for i, stage in enumerate(self.more_teachers, start=2)}
        return {"teacher": self.teacher, **more}

    def joint_stage(self, name: str) -> JointStage | None:
        """The trained baseline of this name, None if there is none."""
        return next((stage for stage in self.joint if stage.name == name), None)

    @property
    def trained_baselines(self) -> tuple["JointStage | ImageJsccStage", ...]:
        """All baselines that are trained."""
        return (*self.joint, *([self.image_jscc] if self.image_jscc else []))

    def variant(self, name: str) -> Variant:
        """The variant of this name. Raises: UserError if there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants) or "none"
        raise UserError(f"recipe {self.name} has no variant {name!r}; it has {known}")


def describe(value: object) -> Any:
    """The JSON form of a config: dataclasses become objects that carry their type's name.

    A field at its declared default is left out, so that a setting that is added later leaves the
    descriptions of earlier weights as they are.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: describe(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) != f.default
        }
        return {"type": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def digest(value: object) -> str:
    """SHA-256 of the JSON form, 16 hexadecimal digits: equal for equal descriptions."""
    text = json.dumps(describe(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
