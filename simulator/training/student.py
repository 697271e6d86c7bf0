"""Two-stage robust knowledge distillation: teacher, clean student, its head, codec under noise.

The stages follow METHOD section 3. Each one is a `train_part` with its own loss, reads only what
earlier ones left, and can be taken up again after an interruption.
"""

from torch import Tensor, nn
from torch.nn import functional

from models import ImageClassifier, Student
from simulator.description.stages import StudentStage
from simulator.training.cache import cached_views
from simulator.training.loop import Epoch
from simulator.training.losses import distillation_loss
from simulator.training.run import (
    SHARED,
    TrainingRun,
    accuracy,
    classifier,
    classifier_accuracy,
    in_chunks,
    pixels,
    train_part,
)
from simulator.training.teachers import Views


def train_student(
    run: TrainingRun, views: Views, *, part: str = "student", stage: StudentStage | None = None
) -> ImageClassifier:
    """Stage 1: the student's features are pulled to the teacher's, without noise.

    The head trained along serves the label terms of the loss and the progress line; the head that
    is used is trained by `train_head`. `part` and `stage` belong to a variant.
    """
    stage = stage or run.experiment.student
    labels = run.labels

    def epoch(model: ImageClassifier, index: int) -> Epoch:
        view = index % run.experiment.views
        images = run.view(SHARED, view)

        def loss(indices: Tensor) -> Tensor:
            features, scores = model(pixels(images, indices))
            targets = views.targets(view, indices)
            return distillation_loss(features, scores, labels[indices], targets, stage.loss)

        return Epoch(loss)

    return train_part(
        run,
        part,
        build=lambda: classifier(run, stage.model),
        config=stage.training,
        epoch=epoch,
        validate=lambda model: classifier_accuracy(run, model),
    )


def student_features(
    run: TrainingRun, student: ImageClassifier, *, part: str = "student"
) -> Tensor:
    """The frozen student's features of every shared view, cached, float16 [V, N, D].

    They are computed in the precision of its training.
    """
    views, precision = run.experiment.views, run.experiment.student.training.precision

    def look(view: int) -> dict[str, Tensor]:
        told = in_chunks(student.body, run.view(SHARED, view), precision=precision)
        return {"features": told.half()}

    name, about = f"{part}_features", (precision,)
    told = cached_views(run, name, made_from=(part,), about=about, views=views, compute=look)
    return told["features"]


def train_head(
    run: TrainingRun,
    student: ImageClassifier,
    features: Tensor,
    *,
    part: str = "head",
    stage: StudentStage | None = None,
) -> nn.Linear:
    """Stage 1b: a linear head on the frozen student's features, by cross-entropy.

    It begins anew, or as the head that was trained along with the student.
    """
    stage = stage or run.experiment.student
    labels = run.labels
    validation = validation_features(run, student.body)

    def build() -> nn.Linear:
        head = nn.Linear(stage.model.feature_dim, run.num_classes)
        if stage.head_from == "student":
            head.load_state_dict(student.head.state_dict())
        return head

    def epoch(model: nn.Linear, index: int) -> Epoch:
        view = features[index % len(features)]

        def loss(indices: Tensor) -> Tensor:
            return functional.cross_entropy(model(view[indices].float()), labels[indices])

        return Epoch(loss)

    return train_part(
        run,
        part,
        build=build,
        config=stage.head,
        epoch=epoch,
        validate=lambda model: accuracy(model(validation), run.validation.labels),
        threads=1,
    )


def validation_features(run: TrainingRun, body: Student) -> Tensor:
    """Features [N, D] of the validation images."""
    return in_chunks(body, run.validation.images.to(run.device), precision="fp32")
