"""Joint source-channel coding: one network for each k, trained through the channel.

`deep_jscc` and `adjscc` send real values; `dt_jscc` and `vl_vfe` use the channel differently, and
have separate files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse, receive_snr_db
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from channels.units import db_to_linear
from models import FeatureEncoder, JointConfig, JointModel
from simulator.description.basis import Basis, Part, StudentParts
from simulator.description.stages import LossWeights, StudentStage, TrainConfig
from simulator.scheme import Received, Scheme, Tensors, all_delivered, in_pieces, one_of
from simulator.schemes.codec import VALIDATION_SNR_DB, ChannelLesson, EpochContext, mixture_of
from simulator.schemes.contract import ImageShape, SchemeConfig
from simulator.training.loop import train_part
from simulator.training.losses import TeacherTargets, distillation_loss
from simulator.training.run import accuracy, validation_outputs
from simulator.training.student import Session
from simulator.training.teachers import Views
from simulator.training.weights import Weights

LABELS_ALONE: Final = LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0)


class BatchTargets(NamedTuple):
    """Training targets of a batch: labels [B], and teacher outputs for the same view."""

    labels: Tensor
    teacher: TeacherTargets | None = None


class TrainingLink(NamedTuple):
    """The channel conditions of a training batch."""

    channel: Channel
    snr_db: Tensor  # [B, 1]
    generator: torch.Generator
    progress: float  # share of the training that is done

    def send(self, x: Tensor) -> ChannelOutput:
        """Send symbols [B, k] through the channel."""
        return self.channel(x, snr_db=self.snr_db, generator=self.generator)


@dataclass(frozen=True, kw_only=True)
class JointSchemeConfig(SchemeConfig):
    """A joint source-channel coding baseline: one model for each entry of `uses`.

    `backbone` is the source of the features: "scratch" (trained end to end with the codec, as
    published), or "frozen": the recipe's own student, or that of the ablation `backbone_of`, which
    `backbone_stage` trains. With a frozen backbone the codec is trained on cached features, and its
    head starts as that of the backbone.

    `losses` are those of the recipe's own codec, on received features and scores. They need the
    recipe's own student as backbone. Without `losses`, training uses labels only.
    """

    called: str  # the scheme's name, with a label behind a colon if there are several of a kind
    model: JointConfig
    training: TrainConfig
    channels: tuple[str, ...]
    snr_db: float | tuple[float, float]  # one, or (low, high), drawn uniformly once per image
    uses: tuple[int, ...]
    backbone: Literal["scratch", "frozen"] = "scratch"
    backbone_of: str = ""
    backbone_stage: StudentStage | None = None
    losses: LossWeights | None = None  # None: labels only
    shares: int = 1  # the number of epochs is divided by it

    def __post_init__(self) -> None:
        if self.backbone == "scratch" and self.backbone_of:
            raise ValueError(
                f"{self.called}: backbone_of goes with backbone 'frozen', got backbone 'scratch'"
            )
        if bool(self.backbone_of) != (self.backbone_stage is not None):
            raise ValueError(
                f"{self.called}: backbone_of and backbone_stage go together, got only one of them"
            )
        if self.losses and (not self.frozen or self.backbone_of):
            raise ValueError(
                f"{self.called}: losses need the recipe's own student, backbone 'frozen' without "
                f"backbone_of, got backbone {self.backbone!r}, backbone_of {self.backbone_of!r}"
            )
        if self.losses and self.losses.consistency:
            raise ValueError(
                f"{self.called}: losses of a joint codec must have consistency 0, got "
                f"{self.losses.consistency}"
            )

    @property
    def name(self) -> str:
        """The name, as in `called`."""
        return self.called

    @property
    def frozen(self) -> bool:
        """Whether the features are those of a student that is not trained along."""
        return self.backbone == "frozen"

    @property
    def passes(self) -> TrainConfig:
        """The training, with the epochs divided by `shares`."""
        whole = self.training
        epochs, steps = (own // self.shares for own in (whole.epochs, whole.least_steps))
        return replace(whole, epochs=max(1, epochs), least_steps=steps)

    @property
    def snr_range_db(self) -> tuple[float, float]:
        """Lowest and highest SNR in training."""
        return self.snr_db if isinstance(self.snr_db, tuple) else (self.snr_db, self.snr_db)

    def reported_snr_db(self, snr_db: Tensor) -> Tensor:
        """The average SNR that both ends are given: clamped to the range of the training."""
        return snr_db.clamp(*self.snr_range_db)

    # Transmission through the channel, and the training loss

    def symbols(self, model: JointModel, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """Symbols to send. Shapes: features [B, D], average snr_db [B, 1] -> [B, k] complex64."""
        return to_symbols(model.encode(features, snr_db=self.reported_snr_db(snr_db)))

    def estimate(self, model: JointModel, received: ChannelOutput, *, snr_db: Tensor) -> Tensor:
        """Features [B, D] decoded from the received symbols, equalised by MMSE.

        The receiver knows the average SNR, the gain and the noise power.
        """
        reported, gamma_db = self.reported_snr_db(snr_db), receive_snr_db(received)
        return model.decode(from_symbols(mmse(received)), snr_db=reported, gamma_db=gamma_db)

    def loss(
        self, model: JointModel, features: Tensor, targets: BatchTargets, link: TrainingLink
    ) -> Tensor:
        """The losses through the channel. Shapes: features [B, D] -> scalar."""
        received = link.send(self.symbols(model, features, snr_db=link.snr_db))
        estimate = self.estimate(model, received, snr_db=link.snr_db)
        return self.taught_loss(model, estimate, targets, link)

    def taught_loss(
        self, model: JointModel, estimate: Tensor, targets: BatchTargets, link: TrainingLink
    ) -> Tensor:
        """The distillation loss of received features [B, D], as in stage 2: scalar."""
        return distillation_loss(
            estimate,
            model.scores(estimate),
            targets.labels,
            targets.teacher,
            self.losses or LABELS_ALONE,
            bits=model.uses * torch.log2(1 + db_to_linear(link.snr_db)),
        )

    def settings_text(self, model: JointModel) -> str:
        """What is special about this kind, for tables and legends."""
        return ", average SNR known to both ends" if self.model.knows_snr else ""

    # Parts, training, loading

    def _backbone(self, recipe: Basis) -> StudentParts | None:
        """A frozen backbone and its head; None if the backbone is not frozen."""
        if not self.frozen:
            return None
        return recipe.student_parts(self.backbone_of, self.backbone_stage)

    def part(self, recipe: Basis, uses: int) -> Part:
        """The model for `uses` channel uses."""
        shape = (*recipe.seen, self.model, self.passes, self.channels, self.snr_db, uses)
        teachers = tuple(recipe.teachers) if self.losses else ()
        return Part(
            f"{self.name}_k{uses}".replace(":", "_"),
            (*shape, *(["frozen"] if self.frozen else []), *filter(None, [self.losses])),
            (*teachers, *(part.name for part in self._backbone(recipe) or ())),
            "baselines",
            0.1 if self.frozen else 1.1,
        )

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """The frozen backbone and its head, if any, then a model for each k."""
        return (*(self._backbone(recipe) or ()), *(self.part(recipe, k) for k in self.uses))

    def trained(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The models; the backbone is only trained if it is missing."""
        return tuple(self.part(recipe, k) for k in self.uses)

    def needed(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """All models, and the backbone without its head."""
        backbone = self._backbone(recipe)
        return (*(self.part(recipe, k) for k in self.uses), *((backbone or ())[:1]))

    def train(self, session: Session, stage: str) -> None:
        """Train every model, after its backbone."""
        if stage != "baselines":
            return
        run, taught, validation = session.run, None, None
        if self.frozen:
            taught = session.taught(self._backbone(run.recipe), self.backbone_stage)
            validation = validation_outputs(run, taught.student.body)
        for uses in self.uses:
            part = self.part(run.recipe, uses)
            lesson = JointLesson(
                run=run,
                part=part,
                config=self.passes,
                threads=1 if self.frozen else None,
                scheme=self,
                uses=uses,
                taught=taught,
                views=session.views if self.losses else None,
                validation=validation,
                channels=self.channels,
                stream=part.name,
            )
            train_part(lesson)

    def fresh(self, *, uses: int, image_channels: int, num_classes: int) -> JointModel:
        """The model for `uses` channel uses with fresh weights; without a frozen backbone."""
        channels = None if self.frozen else image_channels
        return self.model.build(image_channels=channels, num_classes=num_classes, uses=uses)

    def build(self, weights: Weights) -> "JointScheme":
        """The scheme, from its models and its backbone if that is frozen."""
        begin = partial(self.fresh, **weights.dataset.sizes)
        models = {
            k: weights.load(self.part(weights.recipe, k), partial(begin, uses=k)) for k in self.uses
        }
        parts = self._backbone(weights.recipe)
        backbone = weights.student(parts, self.backbone_stage).body if parts else None
        return JointScheme(self.name, models, self, backbone)


Model = TypeVar("Model", bound=nn.Module)


@dataclass(eq=False, repr=False)
class ModelForEach(Scheme, Generic[Model]):
    """A scheme of one trained model for each k."""

    name: str
    models: Mapping[int, Model]

    @property
    def channel_uses(self) -> str:
        """The k with a trained model, in words."""
        return one_of(self.models)

    def serves(self, k: int) -> bool:
        """Whether a model was trained for this k."""
        return k in self.models


@dataclass(eq=False, repr=False)
class JointScheme(ModelForEach[JointModel]):
    """One trained model for each k; a frozen `backbone` computes the features for all."""

    config: JointSchemeConfig
    backbone: FeatureEncoder | None = None
    version = 2

    def settings(self, k: int) -> str:
        """How the model for k was trained, and what both ends know."""
        low, high = self.config.snr_range_db
        trained = f"trained at {low:g} dB" if low == high else f"trained at {low:g} to {high:g} dB"
        special = self.config.settings_text(self.models[k])
        backbone = ""
        if self.config.frozen:
            whose = "backbone" if self.config.backbone_of else "the backbone of rkd_sc"
            backbone = f", {whose} frozen"
        losses = ", losses of rkd_sc" if self.config.losses else ""
        shares = self.config.shares
        passes = f", 1/{shares} of the passes of rkd_sc" if shares > 1 else ""
        return f"one model for k = {k}{special}, {trained}, no header{backbone}{losses}{passes}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Features [B, D] of the backbone, or of every model; they do not depend on the channel."""
        if self.backbone is not None:
            return {"features": in_pieces(self.backbone, images)}
        return {
            str(k): in_pieces(model.body, images)
            for k, model in self.models.items()
            if model.body is not None
        }

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The symbols [B, k] of the model for k."""
        features = prepared["features" if self.backbone is not None else str(k)]
        return {"x": self.config.symbols(self.models[k], features, snr_db=snr_db)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the symbols, decode and classify."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        model = self.models[k]
        estimate = self.config.estimate(model, received, snr_db=snr_db)
        return Received(model.scores(estimate), all_delivered(x), {"features": estimate})


def snr_drawn(range_db: tuple[float, float], count: int, *, generator: torch.Generator) -> Tensor:
    """A random SNR for every image, [count, 1]; nothing is drawn if the range is one SNR."""
    low, high = range_db
    if low == high:
        return torch.full((count, 1), low)
    return low + (high - low) * torch.rand((count, 1), generator=generator)


@dataclass(frozen=True, kw_only=True, eq=False)
class JointLesson(ChannelLesson[JointModel]):
    """Training of one model, on the student's views."""

    scheme: JointSchemeConfig
    uses: int
    views: Views | None = None  # teacher outputs; None: training by labels only

    def build(self) -> JointModel:
        """Fresh weights, except for the head behind a frozen backbone."""
        model = self.scheme.fresh(uses=self.uses, **self.run.dataset.sizes)
        if self.taught:
            model.head.load_state_dict(self.taught.head.state_dict())
        return model

    def loss(self, model: JointModel, context: EpochContext, indices: Tensor) -> Tensor:
        """The scheme's loss, at random SNRs of the training range."""
        link = TrainingLink(
            channel=mixture_of(self.channels),
            snr_db=snr_drawn(self.scheme.snr_range_db, len(indices), generator=context.draws).to(
                self.run.device
            ),
            generator=context.noise,
            progress=context.progress,
        )
        features = self.features(model, context, indices)
        targets = self.views and self.views.targets(context.view, indices)
        return self.scheme.loss(model, features, BatchTargets(self.labels[indices], targets), link)

    def validate(self, model: JointModel) -> float:
        """Accuracy at the training SNR, or its mean over a few; every call uses the same noise."""
        run, scheme, features = self.run, self.scheme, self.seen(model)
        low, high = scheme.snr_range_db
        found = []
        for snr in {low} if low == high else VALIDATION_SNR_DB:
            snr_db = torch.full((len(features), 1), snr, device=run.device)
            generator = run.streams("validation", scheme.name, model.uses, snr, device=run.device)
            x = scheme.symbols(model, features, snr_db=snr_db)
            received = mixture_of(self.channels)(x, snr_db=snr_db, generator=generator)
            scores = model.scores(scheme.estimate(model, received, snr_db=snr_db))
            found.append(accuracy(scores, run.validation.labels))
        return sum(found) / len(found)
