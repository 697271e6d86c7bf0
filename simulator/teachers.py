"""Teachers: trained or probed, then asked once for their outputs on the shared views."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import (
    Classified,
    ImageClassifier,
    Mirrored,
    PretrainedTeacher,
    PretrainedTeacherConfig,
    PretrainedTower,
    StudentConfig,
    WideResNetConfig,
)
from simulator.errors import UserError
from simulator.objectives import TeacherTargets
from simulator.stages import TeacherStage
from simulator.train import Epoch
from simulator.training_run import (
    TrainingRun,
    accuracy,
    cached,
    classifier,
    classifier_accuracy,
    in_chunks,
    over_views,
    pixels,
    train_part,
)


class Teacher(Protocol):
    """Any teacher: images [B, C, H, W] in [0, 1] to features [B, D] and scores.

    How images are resized and normalised is its own affair.
    """

    def __call__(self, images: Tensor) -> Classified:
        """Features and scores."""


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
    return {part: _train(run, part, stage) for part, stage in run.experiment.teachers.items()}


def teacher_views(run: TrainingRun, teachers: Mapping[str, Teacher]) -> Views:
    """What the teachers say of every shared view, cached; no later stage runs them.

    The features of several teachers are put side by side, each at unit variance; features of
    another length than the student's are projected on their principal components. Scores are
    averaged as log-probabilities.
    """
    width = run.experiment.student.model.feature_dim

    def compute() -> dict[str, Tensor]:
        outputs = [_outputs(run, part, teacher) for part, teacher in teachers.items()]
        features = [own["features"] for own in outputs]
        if len(outputs) > 1:
            features = [own / _scale(own) for own in features]
        joined = torch.cat([own.float() for own in features], dim=2)
        kept = {"explained": torch.ones(())}
        if joined.shape[2] != width:
            joined, kept["explained"] = principal_components(joined, width)
        mean, scale = joined.mean(dim=(0, 1)), _scale(joined)
        scores = torch.stack([own["scores"].float().log_softmax(dim=2) for own in outputs])
        normalised = ((joined - mean) / scale).half()
        return Views(normalised, scores.mean(dim=0).half(), mean, scale)._asdict() | kept

    tensors = cached(run, "teacher_views", made_from=tuple(teachers), compute=compute)
    tensors.pop("explained", None)  # kept in the cache for whoever wants to know
    return Views(**tensors)


def _outputs(run: TrainingRun, part: str, teacher: Teacher) -> dict[str, Tensor]:
    """One teacher's features [V, N, D] and scores [V, N, num_classes], float16, cached."""
    stage = run.experiment.teachers[part]

    shown = run.experiment.taught_views
    whole = Mirrored(teacher) if run.experiment.mirrored else teacher

    def look(images: Tensor) -> Tensor:
        return torch.cat(whole(images), dim=1)

    def compute() -> dict[str, Tensor]:
        precision = stage.training.precision
        outputs = over_views(run, look, precision, name=part, views=shown).half()
        features, scores = outputs.split([outputs.shape[2] - run.num_classes, run.num_classes], 2)
        return {"features": features.contiguous(), "scores": scores.contiguous()}

    return cached(run, f"{part}_outputs", made_from=(part,), compute=compute)


def _scale(features: Tensor) -> Tensor:
    """Root of the mean variance over dimensions of features [V, N, D]."""
    views = [view.float() for view in features]
    mean = torch.stack([view.mean(dim=0) for view in views]).mean(dim=0)
    squares = torch.stack([(view - mean).square().mean(dim=0) for view in views])
    return squares.mean().sqrt()


def principal_components(features: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Features [V, N, D] on their first `width` components, and the share of variance explained.

    Raises: UserError if the features have fewer dimensions.
    """
    if features.shape[2] < width:
        raise UserError(
            f"the student's feature_dim {width} must not exceed the teacher's {features.shape[2]}"
        )
    mean = features.mean(dim=(0, 1))
    second = sum((view - mean).T.double() @ (view - mean).double() for view in features)
    assert isinstance(second, Tensor)
    variances, directions = torch.linalg.eigh(second)
    directions = directions.flip(1)[:, :width].float()  # eigh sorts upwards
    projected = torch.stack([(view - mean) @ directions for view in features])
    return projected, (variances.flip(0)[:width].sum() / variances.sum()).float()


def _train(run: TrainingRun, part: str, stage: TeacherStage) -> Teacher:
    if isinstance(stage.model, PretrainedTeacherConfig):
        return _probe(run, part, stage, stage.model)
    return _train_offline(run, part, stage, stage.model)


def _train_offline(
    run: TrainingRun, part: str, stage: TeacherStage, config: StudentConfig | WideResNetConfig
) -> ImageClassifier:
    """Cross-entropy with fresh augmentation in every epoch."""
    labels = run.labels

    def epoch(model: ImageClassifier, index: int) -> Epoch:
        images = run.view(part, index)

        def loss(indices: Tensor) -> Tensor:
            scores = model(pixels(images, indices)).scores
            return functional.cross_entropy(
                scores, labels[indices], label_smoothing=stage.label_smoothing
            )

        return Epoch(loss)

    return train_part(
        run,
        part,
        build=lambda: classifier(run, config),
        config=stage.training,
        epoch=epoch,
        validate=lambda model: classifier_accuracy(run, model),
    )


def _probe(
    run: TrainingRun, part: str, stage: TeacherStage, config: PretrainedTeacherConfig
) -> PretrainedTeacher:
    """A linear head on a frozen tower, on the shared views; only the head is kept."""
    try:
        tower = config.build().to(run.device)
    except ValueError as error:
        raise UserError(str(error)) from None
    labels, features = run.labels, _tower_features(run, part, config, tower)
    validation = in_chunks(tower, run.validation.images.to(run.device), precision="fp32")

    def epoch(model: nn.Linear, index: int) -> Epoch:
        view = features[index % len(features)]

        def loss(indices: Tensor) -> Tensor:
            return functional.cross_entropy(model(view[indices].float()), labels[indices])

        return Epoch(loss)

    head = train_part(
        run,
        part,
        build=lambda: nn.Linear(tower.feature_dim, run.num_classes),
        config=stage.training,
        epoch=epoch,
        validate=lambda model: accuracy(model(validation), run.validation.labels),
    )
    return PretrainedTeacher(tower, head).eval()


def _tower_features(
    run: TrainingRun, part: str, config: PretrainedTeacherConfig, tower: PretrainedTower
) -> Tensor:
    """What a frozen tower says of every shared view, float16 [V, N, D]."""

    def compute() -> dict[str, Tensor]:
        views = run.experiment.views
        return {"features": over_views(run, tower, "fp32", name=part, views=views).half()}

    name = f"{part}_tower"
    return cached(run, name, made_from=(), about=(config,), compute=compute)["features"]
