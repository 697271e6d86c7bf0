"""Stage 2: the channel codec and its head, trained through the channel; and what variants train."""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.units import db_to_linear
from models import ChannelCodec, CodecConfig, ImageClassifier, Student
from simulator.description.experiment import Variant
from simulator.description.parts import OWN, variant_parts
from simulator.description.stages import CodecStage, LinkConditions
from simulator.schemes.rkd_sc import clean_estimate, send_features
from simulator.training.loop import Epoch
from simulator.training.losses import distillation_loss, softened_divergence
from simulator.training.run import SHARED, TrainingRun, accuracy, pixels, train_part
from simulator.training.student import (
    student_features,
    train_head,
    train_student,
    validation_features,
)
from simulator.training.teachers import Views


def conditions_at(conditions: LinkConditions, progress: float) -> LinkConditions:
    """The conditions at this share of the training, if they change from epoch to epoch."""
    if not conditions.snr_list:
        return conditions
    snr_db = conditions.snr_list[int(progress * len(conditions.snr_list))]
    return replace(conditions, snr_db=(snr_db, snr_db))


def draw_conditions(
    batch: int, conditions: LinkConditions, *, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """SNR in dB and channel uses for every image of a batch, both [batch, 1]."""
    low, high = conditions.snr_db
    snr_db = low + (high - low) * torch.rand((batch, 1), generator=generator)
    choices = torch.tensor(sorted(conditions.uses))
    drawn = choices[torch.randint(len(choices), (batch, 1), generator=generator)]
    full = torch.rand((batch, 1), generator=generator) < conditions.full_share
    return snr_db, torch.where(full, choices[-1], drawn)


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


class Taught(NamedTuple):
    """A trained student, its cached features of the shared views [V, N, D], and its head."""

    student: ImageClassifier
    features: Tensor
    head: nn.Linear


def train_variant(run: TrainingRun, variant: Variant, views: Views) -> LinkModel:
    """A variant's parts, those of the recipe being there: own student and head if any, codec."""
    student, features, head = train_taught(run, variant, views)
    part = variant_parts(variant).codec
    return train_codec(run, student, head, features, views, part=part, stage=variant.codec)


def train_taught(run: TrainingRun, variant: Variant | None, views: Views) -> Taught:
    """A variant's student, its features and its head, its own or those of the recipe.

    None stands for the recipe itself.
    """
    parts, stage = (variant_parts(variant), variant.student) if variant else (OWN, None)
    student = train_student(run, views, part=parts.student, stage=stage)
    features = student_features(run, student, part=parts.student)
    return Taught(
        student, features, train_head(run, student, features, part=parts.head, stage=stage)
    )
