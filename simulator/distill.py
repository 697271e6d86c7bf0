"""Two-stage robust knowledge distillation: teacher, clean student, its head, codec under noise.

The stages follow METHOD section 3. Each one is a `train_part` with its own loss, reads only what
earlier ones left, and can be taken up again after an interruption.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.units import db_to_linear
from models import ChannelCodec, CodecConfig, ImageClassifier, Student
from simulator.conditions import conditions_at, draw_conditions
from simulator.link import clean_estimate, send_features
from simulator.objectives import distillation_loss, softened_divergence
from simulator.stages import CodecStage, StudentStage
from simulator.teachers import Views
from simulator.train import Epoch
from simulator.training_run import (
    SHARED,
    TrainingRun,
    accuracy,
    classifier,
    classifier_accuracy,
    in_chunks,
    pixels,
    train_part,
)
from simulator.view_cache import cached_views

VALIDATION_SNR_DB = (-4.0, 4.0, 12.0)
VALIDATION_SHARES = (4, 1)  # k = K/4 and K, where the codec serves them
NOISELESS_SNR_DB = 20.0  # what codecs are told when they are trained without noise


class LinkModel(nn.Module):
    """What stage 2 trains: the channel codec, the head behind it, and at times the student.

    Shapes: the body takes images [B, C, H, W], the head gives scores [B, num_classes].
    """

    def __init__(
        self, config: CodecConfig, *, num_classes: int, body: Student | None = None
    ) -> None:
        super().__init__()
        self.codec: ChannelCodec = config.build()
        self.head = nn.Linear(config.feature_dim, num_classes)
        self.body = body  # None: the student is frozen, and lies in a file of its own

    def train(self, mode: bool = True) -> "LinkModel":
        """As usual, but frozen batch normalisation goes on with the statistics that it has."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self


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


def train_codec(
    run: TrainingRun,
    student: ImageClassifier,
    head: nn.Linear,
    features: Tensor,
    views: Views,
    *,
    part: str = "codec",
    stage: CodecStage | None = None,
) -> LinkModel:
    """Stage 2: codec and head through the channel; SNR, k and channel differ from image to image.

    The noisy estimate is pulled to the teacher's clean feature, not to the student's. The link's
    head starts from the head of stage 1b. A student that learns too sees the images of the views.
    """
    stage = stage or run.experiment.codec
    labels, conditions, loss_weights = run.labels, stage.conditions, stage.loss
    mixture = ChannelMixture(channels=tuple(map(channel_from_name, conditions.channels)))
    frozen = stage.student == "frozen"
    validation = validation_features(run, student.body) if frozen else None

    def epoch(model: LinkModel, index: int) -> Epoch:
        view = index % len(features)
        images = None if frozen else run.view(SHARED, view)
        draws = run.streams("conditions", "codec", index)
        noise = run.streams("channel", "codec", index, device=run.device)
        now = conditions_at(conditions, index / stage.training.epochs_on(len(labels)))

        def loss(indices: Tensor) -> Tensor:
            snr_db, uses = draw_conditions(len(indices), now, generator=draws)
            snr_db, uses = snr_db.to(run.device), uses.to(run.device)
            if model.body is None or images is None:
                z = features[view, indices].float()
            else:
                z = model.body(pixels(images, indices))
            told = torch.full_like(snr_db, NOISELESS_SNR_DB) if now.noiseless else None
            estimate = send_features(
                model.codec,
                z,
                channel=mixture,
                snr_db=torch.full_like(snr_db, math.inf) if now.noiseless else snr_db,
                uses=uses,
                generator=noise,
                reported_snr_db=told,
            )
            targets = views.targets(view, indices)
            scores = model.head(estimate)
            total = distillation_loss(
                estimate,
                scores,
                labels[indices],
                targets,
                loss_weights,
                bits=uses * torch.log2(1 + db_to_linear(snr_db)),
            )
            if loss_weights.consistency:
                with torch.no_grad():
                    clean = model.head(clean_estimate(model.codec, z, snr_db=snr_db, uses=uses))
                divergence = softened_divergence(clean, scores, loss_weights.temperature)
                total = total + loss_weights.consistency * divergence
            return total

        return Epoch(loss, (draws, noise))

    return train_part(
        run,
        part,
        build=lambda: _link_model(run, stage, student, head),
        config=stage.training,
        epoch=epoch,
        validate=lambda model: _link_accuracy(run, model, mixture, validation),
        rates={} if frozen else {"body.": stage.student_rate},
        threads=1 if frozen else None,
    )


def _link_model(
    run: TrainingRun, stage: CodecStage, student: ImageClassifier, head: nn.Linear
) -> LinkModel:
    """The model of stage 2 as its training begins."""
    config = student.body.config
    body = None
    if stage.student != "frozen":
        body = config.build(image_channels=run.image_channels)
    model = LinkModel(stage.model, num_classes=run.num_classes, body=body)
    if body is not None and stage.student != "scratch":
        body.load_state_dict(student.body.state_dict())
    if stage.student != "scratch":
        model.head.load_state_dict(head.state_dict())
    if body is not None and stage.student == "last":
        body.freeze_all_but_last_stage()
    return model


def _link_accuracy(
    run: TrainingRun, model: LinkModel, channel: ChannelMixture, features: Tensor | None
) -> float:
    """Mean validation accuracy over a few SNRs and lengths; the noise is the same every time.

    `features` [N, D] are those of a frozen student, None if the model has a body of its own.
    """
    config = model.codec.config
    if features is None:
        assert model.body is not None
        features = validation_features(run, model.body)
    accuracies = []
    for snr_db in VALIDATION_SNR_DB:
        for share in VALIDATION_SHARES:
            if not config.serves(config.max_uses // share):
                continue
            snr = torch.full((len(features), 1), snr_db, device=run.device)
            uses = torch.full_like(snr, config.max_uses // share, dtype=torch.int64)
            generator = run.streams("validation", snr_db, share, device=run.device)
            estimate = send_features(
                model.codec, features, channel=channel, snr_db=snr, uses=uses, generator=generator
            )
            accuracies.append(accuracy(model.head(estimate), run.validation.labels))
    return sum(accuracies) / len(accuracies)


def validation_features(run: TrainingRun, body: Student) -> Tensor:
    """Features [N, D] of the validation images."""
    return in_chunks(body, run.validation.images.to(run.device), precision="fp32")
