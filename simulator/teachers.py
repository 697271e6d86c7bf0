"""Teachers: trained or probed, then asked once for their outputs on the shared views."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import (
    Classified,
    ImageClassifier,
    PretrainedTeacher,
    PretrainedTeacherConfig,
    PretrainedTower,
    ResidualCnnConfig,
    WideResNetConfig,
)
from simulator.errors import UserError
from simulator.objectives import TeacherTargets
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
        """Targets of some images of one view, float32."""
        return TeacherTargets(
            self.features[view, indices].float(), self.scores[view, indices].float()
        )


def train_teacher(run: TrainingRun) -> Teacher:
    """The recipe's teacher: an offline one trained here, or a linear probe on a pretrained one."""
    model = run.experiment.teacher.model
    if isinstance(model, PretrainedTeacherConfig):
        return _probe(run, model)
    return _train_offline(run, model)


def teacher_views(run: TrainingRun, teacher: Teacher) -> Views:
    """The teacher's outputs on every shared view, cached; no later stage runs the teacher.

    Features of another length than the student's are projected on their principal components.
    """
    width = run.experiment.student.model.feature_dim

    def look(images: Tensor) -> Tensor:
        return torch.cat(teacher(images), dim=1)

    def compute() -> dict[str, Tensor]:
        outputs = over_views(run, look, run.experiment.teacher.training.precision)
        features, scores = outputs.split([outputs.shape[2] - run.num_classes, run.num_classes], 2)
        kept = {"explained": torch.ones(())}
        if features.shape[2] != width:
            features, kept["explained"] = principal_components(features, width)
        mean = features.mean(dim=(0, 1))
        scale = features.var(dim=(0, 1), correction=0).mean().sqrt()
        features = ((features - mean) / scale).half()
        return Views(features, scores.half().contiguous(), mean, scale)._asdict() | kept

    tensors = cached(run, "teacher_views", made_from=("teacher",), compute=compute)
    tensors.pop("explained", None)  # kept in the cache for whoever wants to know
    return Views(**tensors)


def principal_components(features: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Features [V, N, D] on their first `width` components, and the share of variance explained.

    Raises: UserError if the features have fewer dimensions.
    """
    if features.shape[2] < width:
        raise UserError(
            f"the student's feature_dim {width} must not exceed the teacher's {features.shape[2]}"
        )
    flat = features.flatten(0, 1)
    centred = (flat - flat.mean(dim=0)).double()
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    directions = directions.flip(1)[:, :width]  # eigh sorts upwards
    projected = (centred @ directions).float().unflatten(0, features.shape[:2])
    return projected, (variances.flip(0)[:width].sum() / variances.sum()).float()


def _train_offline(
    run: TrainingRun, config: ResidualCnnConfig | WideResNetConfig
) -> ImageClassifier:
    """Cross-entropy with fresh augmentation in every epoch."""
    stage = run.experiment.teacher
    labels = run.labels

    def epoch(model: ImageClassifier, index: int) -> Epoch:
        images = run.view("teacher", index)

        def loss(indices: Tensor) -> Tensor:
            scores = model(pixels(images, indices)).scores
            return functional.cross_entropy(
                scores, labels[indices], label_smoothing=stage.label_smoothing
            )

        return Epoch(loss)

    return train_part(
        run,
        "teacher",
        build=lambda: classifier(run, config),
        config=stage.training,
        epoch=epoch,
        validate=lambda model: classifier_accuracy(run, model),
    )


def _probe(run: TrainingRun, config: PretrainedTeacherConfig) -> PretrainedTeacher:
    """A linear head on a frozen tower, on the shared views; only the head is kept."""
    try:
        tower = config.build().to(run.device)
    except ValueError as error:
        raise UserError(str(error)) from None
    labels, features = run.labels, _tower_features(run, tower)
    validation = in_chunks(tower, run.validation.images.to(run.device), precision="fp32")

    def epoch(model: nn.Linear, index: int) -> Epoch:
        view = features[index % len(features)]

        def loss(indices: Tensor) -> Tensor:
            return functional.cross_entropy(model(view[indices].float()), labels[indices])

        return Epoch(loss)

    head = train_part(
        run,
        "teacher",
        build=lambda: nn.Linear(tower.feature_dim, run.num_classes),
        config=run.experiment.teacher.training,
        epoch=epoch,
        validate=lambda model: accuracy(model(validation), run.validation.labels),
    )
    return PretrainedTeacher(tower, head).eval()


def _tower_features(run: TrainingRun, tower: PretrainedTower) -> Tensor:
    """What a frozen tower says of every shared view, float16 [V, N, D]."""

    def compute() -> dict[str, Tensor]:
        return {"features": over_views(run, tower, "fp32").half()}

    about = run.experiment.teacher.model
    return cached(run, "tower_features", made_from=(), about=(about,), compute=compute)["features"]
