"""Frozen descriptions of an experiment and their JSON form. They hold values and do nothing."""

from dataclasses import dataclass

from simulator.description.stages import (
    AugmentConfig,
    CodecStage,
    DecodedStage,
    ImageJsccStage,
    JointStage,
    QuantiserStage,
    StudentStage,
    TeacherStage,
)
from simulator.errors import UserError
from simulator.scheme import BaselineConfig


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
