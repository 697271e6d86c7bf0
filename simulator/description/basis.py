"""Settings that all schemes of a recipe share: data, augmentation, teachers, student and head."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from models import PretrainedTeacherConfig
from simulator.description.stages import AugmentConfig, StudentStage, TeacherStage
from simulator.names import RECIPES

TEACHER = "teacher"  # prefix of the names of teachers' parts


class Part(NamedTuple):
    """One file of weights, as a recipe describes it."""

    name: str  # "student", "codec", ...: names its file and its random streams
    description: tuple[object, ...]  # all settings that it depends on, besides data and seed
    made_from: tuple[str, ...] = ()  # names of the parts that its training uses
    stage: str = ""  # `--stage` of `semlink train` that trains it
    cost: float = 1.0  # approximate cost per training image, relative to that of the student


class StudentParts(NamedTuple):
    """A student, and the linear head behind it."""

    student: Part
    head: Part


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Data, augmentation, teachers and the student of a recipe.

    Students are trained on `views` augmented copies of the training images. The teachers' outputs
    for the same copies are computed once and cached, so that no later stage runs the teachers.
    """

    name: str  # recorded in weights, which fit only the recipe of this name
    embedded_data: str | None  # data set included in semlink; None: --data is required
    augment: AugmentConfig
    views: int  # augmented views of the training set that teacher and student share
    teacher: TeacherStage
    student: StudentStage
    more_teachers: tuple[TeacherStage, ...] = ()  # form an ensemble with `teacher`
    warm_below: int = 0  # with fewer training images, start from the shipped student of CIFAR-100
    mirrored: bool = False  # half of the views mirror the other half; teachers average over both
    stronger: AugmentConfig | None = None  # for all parts but the teachers; None: `augment`
    stronger_every: int = 1  # which views `stronger` changes: 1: all, 2: every second, ...

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"views must be at least 1, got {self.views}")
        if self.stronger_every < 1:
            raise ValueError(f"stronger_every must be at least 1, got {self.stronger_every}")
        if self.mirrored and self.views % 2:
            raise ValueError(f"views must be even if they are mirrored, got {self.views}")

    @property
    def brings_images(self) -> bool:
        """True if the recipe needs no --data."""
        return self.embedded_data is not None

    def training_command(self, options: str = "") -> str:
        """The command that trains the recipe, with these options."""
        argument = self.name if self.name in RECIPES else f"{self.name}.toml"
        data = "" if self.brings_images else " --data DIR"
        return f"semlink train {argument}{data}{options}"

    @property
    def seen(self) -> tuple[object, ...]:
        """All settings that determine the images on which students are trained."""
        mirrored = ["mirrored"] if self.mirrored else []
        mixed = [self.stronger_every, self.augment] if self.stronger_every > 1 else []
        return (self.stronger or self.augment, self.views, *mirrored, *mixed)

    @property
    def unaltered(self) -> Self:
        """The recipe with `augment` for all parts, as teachers see the images."""
        return replace(self, stronger=None, stronger_every=1)

    def augment_of(self, purpose: str, view: int) -> AugmentConfig:
        """Augmentation of one view of the images of a part, or of one shared view."""
        plain = purpose.startswith(TEACHER) or (view + 1) % self.stronger_every
        return self.augment if plain else self.stronger or self.augment

    @property
    def taught_views(self) -> int:
        """Number of views on which teachers are run; any others are mirror images of these."""
        return self.views // 2 if self.mirrored else self.views

    @property
    def teachers(self) -> dict[str, TeacherStage]:
        """All teachers, by the names of their parts: teacher, teacher_2, ..."""
        more = {f"{TEACHER}_{i}": stage for i, stage in enumerate(self.more_teachers, start=2)}
        return {TEACHER: self.teacher, **more}

    @property
    def teacher_parts(self) -> dict[str, Part]:
        """The parts of all teachers."""
        return {
            name: Part(name, (self.augment, stage), stage="teacher", cost=stage.cost)
            for name, stage in self.teachers.items()
        }

    def student_parts(self, name: str = "", stage: StudentStage | None = None) -> StudentParts:
        """Parts of the recipe's student and head, or of another stage: student_NAME, head_NAME."""
        stage, end = stage or self.student, f"_{name}" if name else ""
        begun = [] if stage.head_from == "fresh" else [f"from the {stage.head_from}"]
        small = ["small", stage.small_share, stage.small_side] if stage.small_share else []
        fresh = ["fresh views", stage.label_smoothing] if stage.fresh_views else []
        shape = (*self.seen, stage.model, stage.training, stage.loss, *small, *fresh)
        head = (*self.seen, stage.head, *begun)
        made_by = ("stage2", "stage2") if name else ("stage1", "head")  # variants: with codecs
        return StudentParts(
            Part(f"student{end}", shape, tuple(self.teachers), made_by[0]),
            Part(f"head{end}", head, (f"student{end}",), made_by[1], 0.002),
        )

    def with_pretrained(self, source: str) -> Self:
        """The recipe with one pretrained teacher: `source` is a name on a hub, or a folder."""
        alone = replace(self.teacher, model=PretrainedTeacherConfig(source=source))
        return replace(self, teacher=alone, more_teachers=())
