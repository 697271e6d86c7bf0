"""Features sent by a channel codec, and stage 2: the training of codec and head.

The target of the received features is the teacher's clean feature, not the student's.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse, receive_snr_db, reliability
from channels.mixture import ChannelMixture
from channels.names import channel_from_name, check_name
from channels.symbols import from_symbols, to_symbols
from channels.units import db_to_linear, noise_power_from_snr_db
from models import ChannelCodec, CodecConfig, JointModel, Student, StudentConfig
from simulator.data.dataset import to_float
from simulator.description.stages import LossWeights, TrainConfig
from simulator.parse import check_pilots_named
from simulator.training.loop import Epoch, Lesson
from simulator.training.losses import distillation_loss, softened_divergence
from simulator.training.run import accuracy, validation_outputs
from simulator.training.student import TrainedStudent
from simulator.training.teachers import Views

VALIDATION_SNR_DB = (-4.0, 4.0, 12.0)
VALIDATION_SHARES = (4, 1)  # k = K/4 and k = K, if the codec is trained for them
NOISELESS_SNR_DB = 20.0  # the SNR given to codecs that are trained without noise


@cache
def mixture_of(channels: tuple[str, ...]) -> ChannelMixture:
    """The channels of these names, in equal shares of a batch.

    Raises: UserError if a channel leaves the number of pilots open.
    """
    made = tuple(map(channel_from_name, channels))
    for channel in made:
        check_pilots_named(channel)
    return ChannelMixture(channels=made)


def send_features(
    codec: ChannelCodec,
    features: Tensor,
    *,
    channel: Channel,
    snr_db: Tensor,
    uses: Tensor,
    generator: torch.Generator,
    reported_snr_db: Tensor | None = None,
) -> Tensor:
    """Features through the channel codec and the channel.

    The transmitter knows the average SNR and k. The receiver knows k, and the gain and the noise
    power as the channel returns them. It equalises by MMSE, and its decoder gets the received SNR.

    `reported_snr_db` is the average SNR that both ends assume, if it is not the true one, `snr_db`.

    Shapes: features [B, D], snr_db and reported_snr_db [B, 1], uses [B, 1] integers in 1..K ->
    features [B, D].
    """
    assumed = snr_db if reported_snr_db is None else reported_snr_db
    x = codeword(codec, features, snr_db=assumed, uses=uses)
    received = channel(x, snr_db=snr_db, generator=generator)
    return receive_features(codec, received, uses=uses, reported_snr_db=reported_snr_db)


def receive_features(
    codec: ChannelCodec,
    received: ChannelOutput,
    *,
    uses: Tensor,
    reported_snr_db: Tensor | None = None,
) -> Tensor:
    """The receiver's half of `send_features`: a received codeword [B, w] -> [B, D]."""
    if reported_snr_db is not None:
        believed = noise_power_from_snr_db(reported_snr_db).to(received.noise_power)
        received = received._replace(noise_power=believed)
    gamma = receive_snr_db(received, used=_used(uses, width=received.y.shape[1]))
    more = {"reliability": reliability(received)} if codec.reliability else {}
    features: Tensor = codec.decoder(from_symbols(mmse(received)), snr_db=gamma, uses=uses, **more)
    return features.float()


def clean_estimate(
    codec: ChannelCodec, features: Tensor, *, snr_db: Tensor, uses: Tensor
) -> Tensor:
    """The decoder's output without a channel; shapes as in `send_features`."""
    x = codeword(codec, features, snr_db=snr_db, uses=uses)
    more = {"reliability": torch.ones_like(x.real)} if codec.reliability else {}
    estimate: Tensor = codec.decoder(from_symbols(x), snr_db=snr_db, uses=uses, **more)
    return estimate.float()


def codeword(codec: ChannelCodec, features: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
    """Symbols of unit average power over the first `uses`, and zero beyond.

    `snr_db` is the average SNR that the transmitter assumes.
    Shapes: features [B, D], snr_db [B, 1], uses [B, 1] -> [B, w] complex64, w the largest of uses.
    """
    width = int(uses.max())
    values = codec.encoder(features, snr_db=snr_db, uses=uses)[:, : 2 * width].float()
    return to_symbols(values, used=_used(uses, width=width))


def _used(uses: Tensor, *, width: int) -> Tensor:
    """Mask of the symbols that each image uses, [B, width] bool."""
    return torch.arange(width, device=uses.device) < uses


@dataclass(frozen=True, kw_only=True)
class LinkConditions:
    """The distribution of channel conditions in training; drawn independently for every image."""

    channels: tuple[str, ...]  # equal shares of every batch
    snr_db: tuple[float, float]  # (low, high), uniform
    uses: tuple[int, ...]  # channel uses, drawn uniformly
    full_share: float  # share of the images that get the largest of `uses` in any case
    noiseless: bool = False  # True: fading without noise; both ends assume 20 dB
    snr_list: tuple[float, ...] = ()  # replaces the range: one SNR per equal share of the epochs

    def __post_init__(self) -> None:
        """Raises: ValueError if a value is missing, unknown or out of range."""
        for name in ("channels", "uses"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one value, got none")
        for channel in self.channels:
            check_name(channel)
        if min(self.uses) < 1:
            raise ValueError(f"uses must be at least 1, got {self.uses}")
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db must be (low, high) in dB, got {self.snr_db}")
        if not 0 <= self.full_share <= 1:
            raise ValueError(f"full_share must be from 0 to 1, got {self.full_share}")

    @property
    def snr_range(self) -> tuple[float, float]:
        """Lowest and highest SNR of the training in dB."""
        return (min(self.snr_list), max(self.snr_list)) if self.snr_list else self.snr_db

    def at(self, progress: float) -> "LinkConditions":
        """The conditions after this share of the training; they change only with `snr_list`."""
        if not self.snr_list:
            return self
        snr_db = self.snr_list[int(progress * len(self.snr_list))]
        return replace(self, snr_db=(snr_db, snr_db))

    def draw(self, batch: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """SNR in dB and channel uses for every image of a batch, both [batch, 1]."""
        low, high = self.snr_db
        snr_db = low + (high - low) * torch.rand((batch, 1), generator=generator)
        choices = torch.tensor(sorted(self.uses))
        drawn = choices[torch.randint(len(choices), (batch, 1), generator=generator)]
        full = torch.rand((batch, 1), generator=generator) < self.full_share
        return snr_db, torch.where(full, choices[-1], drawn)


@dataclass(frozen=True, kw_only=True)
class CodecStage:
    """Stage 2: the channel codec and its head, trained through the channel.

    `student` is how the image encoder is trained: "frozen" (F0: not at all), "last" (F1: last stage
    and projection are fine-tuned), "all" (F2: fine-tuned), or "scratch" (one-stage control: from
    random weights). Its learning rate is `student_rate` times that of the codec.
    """

    model: CodecConfig
    training: TrainConfig
    loss: LossWeights
    conditions: LinkConditions
    student: Literal["frozen", "last", "all", "scratch"] = "frozen"
    student_rate: float = 0.1

    def __post_init__(self) -> None:
        """Raises: ValueError if training uses numbers of channel uses that the model has not."""
        if not all(map(self.model.serves, self.conditions.uses)):
            raise ValueError(
                f"conditions.uses must be k that the model serves, at most {self.model.max_uses}, "
                f"got {self.conditions.uses}"
            )


def validated_uses(config: CodecConfig, learnt: Sequence[int]) -> list[int]:
    """Channel uses for validation: K/4 and K if it is trained for them, else the largest k."""
    served = [k for k in learnt if config.serves(k)]
    usual = [config.max_uses // share for share in VALIDATION_SHARES]
    return [k for k in usual if k in served] or [max(served)]


class LinkModel(nn.Module):
    """The model of stage 2: channel codec, head, and the student unless that is frozen.

    Shapes: the body takes images [B, C, H, W], the head gives scores [B, num_classes].
    """

    def __init__(
        self, config: CodecConfig, *, num_classes: int, body: Student | None = None
    ) -> None:
        super().__init__()
        self.codec: ChannelCodec = config.build()
        self.head = nn.Linear(config.feature_dim, num_classes)
        self.body = body  # None: the student is frozen, and has a separate file

    @classmethod
    def of(
        cls, stage: CodecStage, student: StudentConfig, *, image_channels: int, num_classes: int
    ) -> "LinkModel":
        """The model that a stage trains; it includes the student unless that is frozen."""
        body = None if stage.student == "frozen" else student.build(image_channels=image_channels)
        return cls(stage.model, num_classes=num_classes, body=body)

    def train(self, mode: bool = True) -> "LinkModel":
        """As `nn.Module.train`, but frozen batch normalisation keeps its statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self


class EpochContext(NamedTuple):
    """What all batches of an epoch share."""

    view: int
    images: Tensor | None  # of the view, uint8 [N, C, H, W]; None: the student is frozen
    progress: float  # share of the training that is done
    draws: torch.Generator
    noise: torch.Generator


LinkedModel = TypeVar("LinkedModel", "LinkModel", JointModel)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelLesson(Lesson[LinkedModel]):
    """Training through the channel on the shared views, with a trainable or frozen student."""

    taught: TrainedStudent | None  # the student and head to start from; None: all weights are fresh
    validation: Tensor | None  # features [M, D] of a frozen student; None: it is trained
    channels: tuple[str, ...]  # equal shares of every batch
    stream: str  # part of the names of its random streams

    @abstractmethod
    def loss(self, model: LinkedModel, context: EpochContext, indices: Tensor) -> Tensor:
        """The loss of the training images with these indices."""

    def epoch(self, model: LinkedModel, index: int) -> Epoch:
        """The loss through the channel, on one shared view."""
        run = self.run
        context = EpochContext(
            view=index % run.recipe.views,
            images=None if self.validation is not None else run.shared_view(index),
            progress=index / self.epochs,
            draws=run.streams("conditions", self.stream, index),
            noise=run.streams("channel", self.stream, index, device=run.device),
        )
        return Epoch(partial(self.loss, model, context), (context.draws, context.noise))

    def features(self, model: LinkedModel, context: EpochContext, indices: Tensor) -> Tensor:
        """Features [b, D] of training images: cached, or computed by the student in training."""
        if context.images is not None:
            assert model.body is not None
            features: Tensor = model.body(to_float(context.images[indices]))
            return features
        assert self.taught is not None
        return self.taught.features[context.view, indices].float()

    def seen(self, model: LinkedModel) -> Tensor:
        """Features [M, D] of the validation images."""
        if self.validation is not None:
            return self.validation
        assert model.body is not None
        return validation_outputs(self.run, model.body)


@dataclass(frozen=True, kw_only=True, eq=False)
class CodecLesson(ChannelLesson[LinkModel]):
    """Training of codec and head in stage 2; SNR, k and channel vary from image to image."""

    stage: CodecStage
    taught: TrainedStudent
    views: Views | None  # teacher outputs; None if no term of the loss uses them

    @property
    def rates(self) -> Mapping[str, float]:
        """A student that is fine-tuned has a lower learning rate."""
        return {} if self.stage.student == "frozen" else {"body.": self.stage.student_rate}

    def build(self) -> LinkModel:
        """The codec with fresh weights; head and student as trained, except with "scratch"."""
        body = self.taught.student.body
        model = LinkModel.of(self.stage, body.config, **self.run.dataset.sizes)
        if self.stage.student != "scratch":
            model.head.load_state_dict(self.taught.head.state_dict())
            if model.body is not None:
                model.body.load_state_dict(body.state_dict())
        if model.body is not None and self.stage.student == "last":
            model.body.freeze_all_but_last_stage()
        return model

    def loss(self, model: LinkModel, context: EpochContext, indices: Tensor) -> Tensor:
        """The distillation loss of the received features, plus the consistency term."""
        conditions = self.stage.conditions.at(context.progress)
        drawn = conditions.draw(len(indices), generator=context.draws)
        snr_db, uses = (own.to(self.run.device) for own in drawn)
        met, believed = snr_db, None
        if conditions.noiseless:
            met, believed = (torch.full_like(snr_db, at) for at in (math.inf, NOISELESS_SNR_DB))
        z = self.features(model, context, indices)
        estimate = send_features(
            model.codec,
            z,
            channel=mixture_of(self.channels),
            snr_db=met,
            uses=uses,
            generator=context.noise,
            reported_snr_db=believed,
        )
        scores = model.head(estimate)
        loss = distillation_loss(
            estimate,
            scores,
            self.labels[indices],
            self.views and self.views.targets(context.view, indices),
            self.stage.loss,
            bits=uses * torch.log2(1 + db_to_linear(snr_db)),
        )
        return loss + self._inconsistency(model, z, scores, snr_db, uses)

    def _inconsistency(
        self, model: LinkModel, z: Tensor, scores: Tensor, snr_db: Tensor, uses: Tensor
    ) -> Tensor | float:
        """The weighted divergence of the scores from those without a channel; 0 if unused."""
        weights = self.stage.loss
        if not weights.consistency:
            return 0.0
        with torch.no_grad():
            clean = model.head(clean_estimate(model.codec, z, snr_db=snr_db, uses=uses))
        return weights.consistency * softened_divergence(clean, scores, weights.temperature)

    def validate(self, model: LinkModel) -> float:
        """Mean accuracy over a few SNRs and k; every call uses the same noise."""
        config, features = model.codec.config, self.seen(model)
        accuracies = []
        for snr_db in VALIDATION_SNR_DB:
            for k in validated_uses(config, self.stage.conditions.uses):
                share = config.max_uses // k  # part of the noise stream's name
                snr = torch.full((len(features), 1), snr_db, device=self.run.device)
                estimate = send_features(
                    model.codec,
                    features,
                    channel=mixture_of(self.channels),
                    snr_db=snr,
                    uses=torch.full_like(snr, k, dtype=torch.int64),
                    generator=self.run.streams("validation", snr_db, share, device=self.run.device),
                )
                accuracies.append(accuracy(model.head(estimate), self.run.validation.labels))
        return sum(accuracies) / len(accuracies)
