"""Teachers: training, linear probes, and cached outputs for the shared views."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import models
from simulator.description.basis import Part
from simulator.description.stages import TeacherStage
from simulator.errors import UserError
from simulator.training.cache import cached, cached_features, cached_views
from simulator.training.loop import ClassifierLesson, LinearLesson, train_part
from simulator.training.losses import TeacherTargets
from simulator.training.run import SHARED, TrainingRun, in_chunks, validation_outputs
from simulator.training.tuned import tuned_teacher
from simulator.training.warm import train_probe

PROJECTION = "teacher_projection"  # in the cache: map from teachers' features to targets
Teacher = models.ImageClassifier | models.PretrainedTeacher


class Projection(NamedTuple):
    """An affine map of teachers' features, fitted on the shared views.

    The teachers' features have W dimensions in total; the student's have D. Shapes: weights [W],
    centre [W], directions [W, D], mean [D]. `scale` is the root of the mean variance over the D
    dimensions, so that predicting the mean has a squared error of 1.
    """

    weights: Tensor
    centre: Tensor
    directions: Tensor
    mean: Tensor
    scale: Tensor

    def __call__(self, features: Sequence[Tensor]) -> Tensor:
        """Map every teacher's features of one view to normalised features [N, D]."""
        joined = torch.cat([own.float() for own in features], dim=1) * self.weights
        return ((joined - self.centre) @ self.directions - self.mean) / self.scale


def fit_projection(features: Sequence[Tensor], width: int) -> Projection:
    """Fit a projection to `width` dimensions on features [V, N, D_i] of every teacher.

    The features of several teachers are scaled to unit variance each. If they do not have `width`
    dimensions in total, they are projected on their principal components.
    Raises: UserError if they have fewer than `width`.
    """
    alone = len(features) == 1
    weights = torch.cat(
        [
            torch.ones(own.shape[2], device=own.device) / (1 if alone else moments(own.unbind())[1])
            for own in features
        ]
    )
    plain = Projection(
        weights=weights,
        centre=torch.zeros_like(weights),
        directions=torch.eye(len(weights), device=weights.device),
        mean=torch.zeros_like(weights),
        scale=torch.ones((), device=weights.device),
    )
    joined = [plain([own[view] for own in features]) for view in range(len(features[0]))]
    if len(weights) == width:
        mean, scale = moments(joined)
        return plain._replace(mean=mean, scale=scale)
    centre, directions = principal_components(joined, width)
    mean, scale = moments([(view - centre) @ directions for view in joined])
    return Projection(weights, centre, directions, mean, scale)


def moments(views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean [D] and root of the mean variance [] of views [N, D], all with the same N."""
    mean = torch.stack([view.float().mean(dim=0) for view in views]).mean(dim=0)
    squares = torch.stack([(view.float() - mean).square().mean() for view in views])
    return mean, squares.mean().sqrt()


def principal_components(views: Sequence[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Mean [W], and the first `width` principal directions [W, width].

    Shapes: views [N, W], all with the same N.
    Raises: UserError if W is less than `width`.
    """
    found = views[0].shape[1]
    if found < width:
        raise UserError(f"the student's feature_dim {width} must not exceed the teacher's {found}")
    centre, _ = moments(views)
    second = torch.zeros((found, found), dtype=torch.float64, device=centre.device)
    for view in views:
        own = (view - centre).double()
        second += own.T @ own
    _, directions = torch.linalg.eigh(second)  # ascending
    return centre, directions.flip(1)[:, :width].float()


class Views(NamedTuple):
    """Teachers' outputs for the shared augmented views; features are normalised.

    Shapes: features [V, N, D] float16, scores [V, N, num_classes] float16.
    """

    features: Tensor
    scores: Tensor

    def targets(self, view: int, indices: Tensor) -> TeacherTargets:
        """Targets of images of one view, float32; view v + V, which mirrors v, has the same."""
        own = view % len(self.features)
        return TeacherTargets(
            self.features[own, indices].float(), self.scores[own, indices].float()
        )


def train_teachers(run: TrainingRun) -> dict[str, Teacher]:
    """Train the recipe's teachers; of pretrained ones, only a linear head or the last blocks."""
    parts = run.recipe.teacher_parts
    return {name: _train(run, parts[name], stage) for name, stage in run.recipe.teachers.items()}


def teacher_views(run: TrainingRun, teachers: Mapping[str, Teacher]) -> Views:
    """Outputs of the teachers for every shared view, cached, so that no later stage runs them.

    The features of several teachers are concatenated, each scaled to unit variance. If their length
    is not the student's, they are projected on their principal components. Scores are averaged as
    log-probabilities.
    """
    return _views(
        run, functools.cache(lambda: [_outputs(run, *named) for named in teachers.items()])
    )


def cached_teacher_views(run: TrainingRun) -> Views | None:
    """The teachers' cached outputs for every shared view, or None if they are not cached."""

    def missing() -> list[dict[str, Tensor]]:
        raise LookupError

    if not all(run.path(teacher).exists() for teacher in run.recipe.teachers):
        return None
    try:
        return _views(run, missing)
    except LookupError:
        return None


def _views(run: TrainingRun, outputs: Callable[[], list[dict[str, Tensor]]]) -> Views:
    """The views from the cache; if they are missing, from the `outputs` of every teacher."""
    width = run.recipe.student.model.feature_dim

    def fit() -> dict[str, Tensor]:
        return fit_projection([own["features"] for own in outputs()], width)._asdict()

    def look(view: int) -> dict[str, Tensor]:
        scores = [own["scores"][view].float().log_softmax(dim=1) for own in outputs()]
        projected = project([own["features"][view] for own in outputs()])
        return {"features": projected.half(), "scores": torch.stack(scores).mean(dim=0).half()}

    part = Part(PROJECTION, (width,), tuple(run.recipe.teachers))
    project = Projection(**cached(run, part, fit))
    part = part._replace(name="teacher_views")
    return Views(**cached_views(run, part, run.recipe.taught_views, look))


def _outputs(run: TrainingRun, part: str, teacher: Teacher) -> dict[str, Tensor]:
    """Features [V, N, D] and scores [V, N, num_classes] of one teacher, float16, cached."""
    precision = run.recipe.teachers[part].training.precision
    whole = models.Mirrored(teacher) if run.recipe.mirrored else teacher
    classes = run.dataset.num_classes

    def look(view: int) -> dict[str, Tensor]:
        images = run.view(SHARED, view)
        told = in_chunks(lambda x: torch.cat(whole(x), dim=1), images, precision=precision).half()
        features, scores = told.split([told.shape[1] - classes, classes], dim=1)
        return {"features": features.contiguous(), "scores": scores.contiguous()}

    outputs = Part(f"{part}_outputs", (), (part,))
    return cached_views(run, outputs, run.recipe.taught_views, look)


def _train(run: TrainingRun, part: Part, stage: TeacherStage) -> Teacher:
    if isinstance(stage.model, models.PretrainedTeacherConfig):
        return _probe(run, part, stage, stage.model)
    if isinstance(stage.model, models.EfficientNetConfig):
        return tuned_teacher(run, part, stage, stage.model)
    if stage.begin == "reference":
        return train_probe(run, part, stage)
    lesson = ClassifierLesson(
        run=run,
        part=part,
        config=stage.training,
        model=stage.model,
        label_smoothing=stage.label_smoothing,
    )
    return train_part(lesson)


def _probe(
    run: TrainingRun, part: Part, stage: TeacherStage, config: models.PretrainedTeacherConfig
) -> models.PretrainedTeacher:
    """Train a linear head on a frozen network, on the shared views; only the head is saved."""
    tower = tower_on(run.device, config)
    features = cached_features(run, Part(f"{part.name}_tower", (config,)), tower, "fp32")
    lesson = LinearLesson(
        run=run,
        part=part,
        config=stage.training,
        features=features,
        validation=validation_outputs(run, tower),
    )
    return models.PretrainedTeacher(tower, train_part(lesson)).eval()


def tower_on(
    device: torch.device, config: models.PretrainedTeacherConfig
) -> models.PretrainedTower:
    """A pretrained network on this device. Raises: UserError if it cannot be loaded."""
    try:
        return config.build().to(device)
    except ValueError as error:
        raise UserError(str(error)) from None
