"""Two-stage robust knowledge distillation: teachers, the student without noise, and its head.

Stage 1 trains the student to match the teacher's features; stage 1b trains a linear head on the
student's features. Stage 2, the codec under noise, belongs to the schemes
(`simulator.schemes.codec`). Every part has its own lesson, depends only on finished parts, and can
be resumed.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor, nn

from models import ClassifierConfig, ImageClassifier
from simulator.data.augment import shrunk
from simulator.data.dataset import to_float
from simulator.description.basis import TEACHER, Part, StudentParts
from simulator.description.stages import LossWeights, StudentStage
from simulator.progress import announce
from simulator.storage.sums import checked_weights
from simulator.training.cache import cached_features
from simulator.training.loop import ClassifierLesson, Epoch, LinearLesson, train_part
from simulator.training.losses import distillation_loss
from simulator.training.run import TrainingRun, validation_outputs
from simulator.training.teachers import Teacher, Views, teacher_views, train_teachers
from simulator.training.warm import clearly_lower, validation_losses


@dataclass(frozen=True, kw_only=True, eq=False)
class StudentLesson(ClassifierLesson):
    """Stage 1: train the student to match the teacher's features, without noise.

    The head trained here serves the loss terms of scores and the validation accuracy. Schemes use
    another head, which stage 1b trains.
    """

    loss: LossWeights
    views: Views | None  # teacher outputs; None if no term of the loss uses them
    teacher: ImageClassifier | None = None  # source of the initial weights; None: random ones
    small_share: float = 0.0  # this and the next two: see `StudentStage`
    small_side: int = 0
    fresh_views: bool = False

    def build(self) -> ImageClassifier:
        """Fresh weights, or the teacher's."""
        model = super().build()
        if self.teacher is not None:
            model.load_state_dict(self.teacher.state_dict())
        return model

    def revise(self, model: ImageClassifier) -> bool:
        """Restore the teacher's weights unless the tuned ones are clearly better in validation.

        This applies only to a student that starts from the teacher. On few images, tuning often
        lowers the loss a little and costs accuracy.
        """
        if self.teacher is None:
            return False
        tuned, frozen = (validation_losses(self.run, own) for own in (model, self.teacher))
        if clearly_lower(tuned, frozen):
            return False
        model.load_state_dict(self.teacher.state_dict())
        announce(
            f"the {self.part.name} is kept as shipped: tuning did not improve it significantly on "
            f"{len(frozen)} validation images"
        )
        return True

    def shown(self, images: Tensor, epoch: int) -> Tensor:
        """As for any classifier; in the first epochs, the images may be smaller."""
        early = epoch < self.small_share * self.epochs
        return shrunk(to_float(images), self.small_side) if early else to_float(images)

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Distillation loss on one shared view; with `fresh_views`, cross-entropy on new images."""
        if self.fresh_views:
            return super().epoch(model, index)
        images = self.run.shared_view(index)
        view = index % self.run.recipe.views

        def loss(indices: Tensor) -> Tensor:
            features, scores = model(self.shown(images[indices], index))
            targets = self.views and self.views.targets(view, indices)
            return distillation_loss(features, scores, self.labels[indices], targets, self.loss)

        return Epoch(loss)


def train_student(
    run: TrainingRun, part: Part, stage: StudentStage, views: Views | None
) -> ImageClassifier:
    """Train the student of this stage, or load it if finished; then `views` may be None."""
    teacher = None
    if stage.begin == "teacher":
        teacher = finished_classifier(run, run.recipe.teacher_parts[TEACHER], stage.model).eval()
    lesson = StudentLesson(
        run=run,
        part=part,
        config=stage.training,
        model=stage.model,
        loss=stage.loss,
        views=views,
        teacher=teacher,
        small_share=stage.small_share,
        small_side=stage.small_side,
        fresh_views=stage.fresh_views,
        label_smoothing=stage.label_smoothing,
    )
    return train_part(lesson)


class TrainedStudent(NamedTuple):
    """A trained student, its cached features of the shared views [V, N, D], and its head."""

    student: ImageClassifier
    features: Tensor
    head: nn.Linear


@dataclass(eq=False)
class Session:
    """A training run in progress. What several schemes need is computed at first use, and kept."""

    run: TrainingRun
    _kept: dict[str, TrainedStudent] = field(
        default_factory=dict, repr=False
    )  # head's name -> student

    @cached_property
    def teachers(self) -> dict[str, Teacher]:
        """The trained teachers."""
        return train_teachers(self.run)

    @cached_property
    def views(self) -> Views:
        """Outputs of the teachers for the shared views."""
        return teacher_views(self.run, self.teachers)

    def student(self, parts: StudentParts, stage: StudentStage) -> ImageClassifier:
        """The trained student of a stage."""
        _ = self.teachers  # the student's file names theirs, even if it learns from labels
        finished = self.run.path(parts.student.name).exists()
        views = self.views if stage.loss.taught and not finished else None
        return train_student(self.run, parts.student, stage, views)

    def taught(
        self, parts: StudentParts | None = None, stage: StudentStage | None = None
    ) -> TrainedStudent:
        """The trained student of a stage, its features and its head; by default the recipe's."""
        recipe = self.run.recipe
        parts, stage = parts or recipe.student_parts(), stage or recipe.student
        if parts.head.name not in self._kept:
            self._kept = dict(list(self._kept.items())[-1:])  # keep at most two: features are large
            self._kept[parts.head.name] = self._taught(parts, stage)
        return self._kept[parts.head.name]

    def _taught(self, parts: StudentParts, stage: StudentStage) -> TrainedStudent:
        student = self.student(parts, stage)
        name, precision = parts.student.name, self.run.recipe.student.training.precision
        part = Part(f"{name}_features", (precision,), (name,))
        features = cached_features(self.run, part, student.body, precision)
        head = LinearLesson(
            run=self.run,
            part=parts.head,
            config=stage.head,
            threads=1,
            features=features,
            validation=validation_outputs(self.run, student.body),
            begin=student.head if stage.head_from == "student" else None,
        )
        return TrainedStudent(student, features, train_part(head))


def finished_student(run: TrainingRun) -> ImageClassifier:
    """The recipe's finished student, with the head of stage 1b."""
    parts = run.recipe.student_parts()
    model = finished_classifier(run, parts.student, run.recipe.student.model)
    model.head.load_state_dict(checked_weights(run.path(parts.head.name))[0])
    return model


def finished_classifier(run: TrainingRun, part: Part, config: ClassifierConfig) -> ImageClassifier:
    """A finished student or teacher, from its file."""
    model = ImageClassifier(config, **run.dataset.sizes)
    model.load_state_dict(checked_weights(run.path(part.name))[0])
    return model.to(run.device)
