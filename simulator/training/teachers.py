"""Teachers: trained or probed, then asked once for their outputs on the shared views."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from models import (
    ImageClassifier,
    Mirrored,
    PretrainedTeacher,
    PretrainedTeacherConfig,
    PretrainedTower,
)
from simulator.description.basis import Part
from simulator.description.stages import TeacherStage
from simulator.errors import UserError
from simulator.training.cache import cached, cached_features, cached_views
from simulator.training.lessons import ClassifierLesson, LinearLesson
from simulator.training.loop import train_part
from simulator.training.losses import TeacherTargets
from simulator.training.projection import Projection, fit_projection
from simulator.training.run import SHARED, TrainingRun, in_chunks, validation_outputs

PROJECTION = "teacher_projection"  # in the cache: how features of teachers become a student's
Teacher = ImageClassifier | PretrainedTeacher


class Views(NamedTuple):
    """Teacher outputs on the shared augmented views, features normalised.

    features [V, N, D] float16, scores [V, N, num_classes] float16; t = (z_t - mean) / scale with
    mean [D] the training mean and scale the root of the mean variance over dimensions, so that
    predicting the mean costs a squared error of 1.
    """

    features: Tensor
    scores: Tensor
    mean: Tensor
    scale: Tensor

    def targets(self, view: int, indices: Tensor) -> TeacherTargets:
        """Targets of some images of one view, or of its mirror image further back, float32."""
        own = view % len(self.features)
        return TeacherTargets(
            self.features[own, indices].float(), self.scores[own, indices].float()
        )


def train_teachers(run: TrainingRun) -> dict[str, Teacher]:
    """The recipe's teachers: offline ones trained here, linear probes on pretrained ones."""
    parts = run.recipe.teacher_parts
    return {name: _train(run, parts[name], stage) for name, stage in run.recipe.teachers.items()}


def teacher_views(run: TrainingRun, teachers: Mapping[str, Teacher]) -> Views:
    """What the teachers say of every shared view, cached; no later stage runs them.

    The features of several teachers are put side by side, each at unit variance; features of
    another length than the student's are projected on their principal components. Scores are
    averaged as log-probabilities.
    """
    return _views(
        run, functools.cache(lambda: [_outputs(run, *named) for named in teachers.items()])
    )


def told_views(run: TrainingRun) -> Views | None:
    """What the recipe's teachers said of every view, from the cache; None where it is not."""

    def missing() -> list[dict[str, Tensor]]:
        raise LookupError

    if not all(run.path(teacher).exists() for teacher in run.recipe.teachers):
        return None
    try:
        return _views(run, missing)
    except LookupError:
        return None


def _views(run: TrainingRun, outputs: Callable[[], list[dict[str, Tensor]]]) -> Views:
    """`outputs` gives those of every teacher, where the cache does not know the views."""

    def fit() -> dict[str, Tensor]:
        features = [own["features"] for own in outputs()]
        return fit_projection(features, run.recipe.student.model.feature_dim)._asdict()

    def look(view: int) -> dict[str, Tensor]:
        scores = [own["scores"][view].float().log_softmax(dim=1) for own in outputs()]
        projected = project([own["features"][view] for own in outputs()])
        return {"features": projected.half(), "scores": torch.stack(scores).mean(dim=0).half()}

    made_from, shown = tuple(run.recipe.teachers), run.recipe.taught_views
    project = Projection(**cached(run, PROJECTION, made_from=made_from, compute=fit))
    tensors = cached_views(run, "teacher_views", made_from=made_from, views=shown, compute=look)
    return Views(**tensors, mean=project.mean, scale=project.scale)


def _outputs(run: TrainingRun, part: str, teacher: Teacher) -> dict[str, Tensor]:
    """One teacher's features [V, N, D] and scores [V, N, num_classes], float16, cached."""
    precision = run.recipe.teachers[part].training.precision
    whole = Mirrored(teacher) if run.recipe.mirrored else teacher
    classes = run.dataset.num_classes

    def look(view: int) -> dict[str, Tensor]:
        images = run.view(SHARED, view)
        told = in_chunks(lambda x: torch.cat(whole(x), dim=1), images, precision=precision).half()
        features, scores = told.split([told.shape[1] - classes, classes], dim=1)
        return {"features": features.contiguous(), "scores": scores.contiguous()}

    name, shown = f"{part}_outputs", run.recipe.taught_views
    return cached_views(run, name, made_from=(part,), views=shown, compute=look)


def _train(run: TrainingRun, part: Part, stage: TeacherStage) -> Teacher:
    if isinstance(stage.model, PretrainedTeacherConfig):
        return _probe(run, part, stage, stage.model)
    lesson = ClassifierLesson(
        run=run,
        part=part,
        config=stage.training,
        model=stage.model,
        label_smoothing=stage.label_smoothing,
    )
    return train_part(lesson)


def _probe(
    run: TrainingRun, part: Part, stage: TeacherStage, config: PretrainedTeacherConfig
) -> PretrainedTeacher:
    """A linear head on a frozen tower, on the shared views; only the head is kept."""
    tower = tower_on(run.device, config)
    features = cached_features(
        run, f"{part.name}_tower", tower, made_from=(), about=(config,), precision="fp32"
    )
    lesson = LinearLesson(
        run=run,
        part=part,
        config=stage.training,
        features=features,
        validation=validation_outputs(run, tower),
    )
    return PretrainedTeacher(tower, train_part(lesson)).eval()


def tower_on(device: torch.device, config: PretrainedTeacherConfig) -> PretrainedTower:
    """A pretrained tower on this device. Raises: UserError if it cannot be had."""
    try:
        return config.build().to(device)
    except ValueError as error:
        raise UserError(str(error)) from None
