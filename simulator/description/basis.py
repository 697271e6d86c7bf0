"""What all schemes of a recipe share: data, augmentation, teachers, the student and its head."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from models import PretrainedTeacherConfig
from simulator.description.stages import AugmentConfig, StudentStage, TeacherStage
from simulator.names import RECIPES

TEACHER = "teacher"  # how the names of teachers' parts begin


class Part(NamedTuple):
    """One file of weights, as a recipe describes it."""

    name: str  # "student", "codec", ...: of its file, of its streams
    description: tuple[object, ...]  # what shapes it besides data and seed
    made_from: tuple[str, ...] = ()  # names of the parts that it is trained on
    stage: str = ""  # of `semlink train` that makes it
    cost: float = 1.0  # of a training image, about; of one that the student learns from it is 1


class StudentParts(NamedTuple):
    """A student, and the linear head behind it."""

    student: Part
    head: Part


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Data, augmentation, teachers and the student of a recipe.

    Students learn from `views` augmented copies of the training images. Teachers are asked about
    the same copies once, so no later stage runs them.
    """

    name: str  # weights belong to the recipe of this name
    embedded_data: str | None  # a data set that comes with semlink; None: --data names a folder
    augment: AugmentConfig
    views: int  # augmented views of the training set that teacher and student share
    teacher: TeacherStage
    student: StudentStage
    more_teachers: tuple[TeacherStage, ...] = ()  # with `teacher` they teach as an ensemble
    warm_below: int = (
        0  # with fewer training images it begins as the committed student of CIFAR-100
    )
    mirrored: bool = False  # views come in pairs, image and mirror image; teachers say the mean
    stronger: AugmentConfig | None = None  # of all but the teachers; None: theirs

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"views must be at least 1, got {self.views}")
        if self.mirrored and self.views % 2:
            raise ValueError(f"views must be even if they are mirrored, got {self.views}")

    @property
    def brings_images(self) -> bool:
        """Whether it needs no --data."""
        return self.embedded_data is not None

    def training_command(self, options: str = "") -> str:
        """The command that trains it, with these options."""
        argument = self.name if self.name in RECIPES else f"{self.name}.toml"
        data = "" if self.brings_images else " --data DIR"
        return f"semlink train {argument}{data}{options}"

    @property
    def seen(self) -> tuple[object, ...]:
        """What shapes the images that students see."""
        return (self.augment_of("student"), self.views, *(["mirrored"] if self.mirrored else []))

    def augment_of(self, purpose: str) -> AugmentConfig:
        """How images are augmented for a part, or for the views that teachers are asked about."""
        return self.augment if purpose.startswith(TEACHER) else self.stronger or self.augment

    @property
    def taught_views(self) -> int:
        """Views that teachers are asked about; further ones are their mirror images."""
        return self.views // 2 if self.mirrored else self.views

    @property
    def teachers(self) -> dict[str, TeacherStage]:
        """All teachers by the names of their parts: teacher, teacher_2, ..."""
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
        """The recipe's student and head, or those of another stage under a name of their own."""
        stage, end = stage or self.student, f"_{name}" if name else ""
        begun = [] if stage.head_from == "fresh" else [f"from the {stage.head_from}"]
        small = ["small", stage.small_share, stage.small_side] if stage.small_share else []
        fresh = ["fresh views", stage.label_smoothing] if stage.fresh_views else []
        shape = (*self.seen, stage.model, stage.training, stage.loss, *small, *fresh)
        head = (*self.seen, stage.head, *begun)
        made_by = ("stage2", "stage2") if name else ("stage1", "head")  # variants come with codecs
        return StudentParts(
            Part(f"student{end}", shape, tuple(self.teachers), made_by[0]),
            Part(f"head{end}", head, (f"student{end}",), made_by[1], 0.002),
        )

    def with_pretrained(self, source: str) -> Self:
        """One pretrained teacher, of a hub's name or a folder, in place of the recipe's own."""
        alone = replace(self.teacher, model=PretrainedTeacherConfig(source=source))
        return replace(self, teacher=alone, more_teachers=())
