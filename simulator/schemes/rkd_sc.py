"""RKD-SC: a distilled student, one channel codec for every k, and a linear head.

Source: arXiv 2508.02148; a reconstruction from its abstract and related work (docs/method.md).
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final, NamedTuple

import torch
from torch import Tensor

from channels.base import Channel
from channels.streams import PointStreams
from models import ChannelCodec, FeatureDecoder, FeatureEncoder, Student
from models.blocks import SNR_RANGE_DB
from simulator.description.basis import Basis, Part, StudentParts
from simulator.description.stages import StudentStage
from simulator.errors import UserError
from simulator.scheme import Received, Scheme, Tensors, all_delivered, in_pieces, one_of
from simulator.schemes.codec import CodecLesson, CodecStage, LinkModel, codeword, receive_features
from simulator.schemes.contract import Label, SchemeConfig
from simulator.training.loop import train_part
from simulator.training.run import validation_outputs
from simulator.training.student import Session
from simulator.training.weights import Weights

KIND: Final = "rkd_sc"
_OFFSET = re.compile(r"([+-]\d+(?:\.\d+)?)dB")


class LinkError(NamedTuple):
    """An error of the SNR that both ends assume, and the label that stands for it."""

    label: str = ""
    snr_offset_db: float = 0.0  # assumed minus true average SNR

    @staticmethod
    def of(label: str) -> "LinkError | None":
        """The error that a label such as `+3dB` or `-6dB` stands for; None for other labels."""
        match = _OFFSET.fullmatch(label)
        return LinkError(label, snr_offset_db=float(match[1])) if match else None


KNOWN: Final = LinkError()  # no error: both ends know the true average SNR


@dataclass(kw_only=True, eq=False, repr=False)
class RkdScheme(Scheme):
    """RKD-SC: student, channel codec that is given k, and linear head."""

    student: FeatureEncoder
    codec: ChannelCodec
    head: FeatureDecoder
    name: str = KIND
    error: LinkError = KNOWN
    only: int | None = None  # the only k, if the codec was trained for a single one
    trained_snr_db: tuple[float, float] = SNR_RANGE_DB  # lowest and highest average in training
    version = 3

    @property
    def channel_uses(self) -> str:
        """The k that the codec serves, in words."""
        most = self.codec.config.max_uses
        served = [k for k in range(1, most + 1) if self.serves(k)]
        return f"k = 1 to {most}" if len(served) == most else one_of(served)

    def serves(self, k: int) -> bool:
        """Any k up to K, unless the codec has heads or training for certain k only."""
        if self.only is not None:
            return k == self.only
        return self.codec.config.serves(k)

    def settings(self, k: int) -> str:
        """The kind of codec, and what both ends know or wrongly assume."""
        known = "average SNR and k known to both ends"
        if offset_db := self.error.snr_offset_db:
            known = f"k known to both ends, average SNR believed {offset_db:+g} dB off"
        kind = self.codec.config.kind
        if self.only is not None:
            kind = f"{kind}, trained for k = {self.only} alone"
        return f"{kind}, {known}, no header"

    def objection(self, channel: Channel, k: int) -> str:
        """A wrong SNR needs a known gain: an estimated gain has errors of its own."""
        wrong = self.error.snr_offset_db and channel.law.knowledge != "perfect"
        return "needs a known gain" if wrong else ""

    def compile(self) -> None:
        """Compile the channel decoder for batches of a fixed size."""
        self.codec.decoder.compile(dynamic=False)

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Student features [B, D]."""
        return {"features": in_pieces(self.student, images)}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The codeword [B, k]."""
        uses = torch.full_like(snr_db, k, dtype=torch.int64)
        assumed = (snr_db + self.error.snr_offset_db).clamp(*self.trained_snr_db)
        return {"x": codeword(self.codec, prepared["features"], snr_db=assumed, uses=uses)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the codeword, decode its features and classify them."""
        features = self.features(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)
        return Received(self.scores(features), all_delivered(features), {"features": features})

    @torch.inference_mode()
    def features(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Tensor:
        """Send the codeword, and decode the receiver's features [B, D]."""
        x = encoded["x"]
        generator = streams("channel", device=x.device)
        received = channel(x, snr_db=snr_db, generator=generator)
        return receive_features(
            self.codec,
            received,
            uses=torch.full_like(snr_db, k, dtype=torch.int64),
            reported_snr_db=snr_db + self.error.snr_offset_db if self.error.snr_offset_db else None,
        )

    @torch.inference_mode()
    def scores(self, features: Tensor) -> Tensor:
        """Class scores of features [B, D]."""
        return self.head(features)


def _moved(label: str) -> str:
    """A hint for a label of earlier versions that a channel replaces; else empty."""
    pilots = label.removeprefix("pilot")
    if pilots == label or not pilots.isdecimal():
        return ""
    return f"; a gain estimated from pilots is a channel, such as rayleigh+ls:{pilots}"


@dataclass(frozen=True, kw_only=True)
class RkdScConfig(SchemeConfig):
    """RKD-SC as in the recipe, or an ablation; `student` None is the recipe's own."""

    codec: CodecStage
    student: StudentStage | None = None
    variant: str = ""  # name of an ablation, which is swept as rkd_sc:VARIANT
    student_of: str = ""  # another ablation, whose trained student is used
    error: LinkError = KNOWN

    labels: ClassVar = (
        Label("+XdB", "both ends assume an SNR that is X dB too high (-XdB: too low)"),
        Label("VARIANT", "an ablation that was trained with --variants VARIANT"),
    )

    @property
    def name(self) -> str:
        """rkd_sc, followed by the labels of the ablation and of the link error."""
        return ":".join(filter(None, (KIND, self.variant, self.error.label)))

    @property
    def ablation(self) -> str:
        """The ablation's name."""
        return self.variant

    def student_parts(self, recipe: Basis) -> StudentParts:
        """Its student and head: an ablation's own, or those of the recipe."""
        name = (self.student_of or self.variant) if self.student else ""
        return recipe.student_parts(name, self.student)

    def codec_part(self, recipe: Basis) -> Part:
        """Its codec."""
        end = f"_{self.variant}" if self.variant else ""
        made_from = (*recipe.teachers, *(part.name for part in self.student_parts(recipe)))
        cost = 0.2 if self.codec.student == "frozen" else 1.2
        return Part(f"codec{end}", (*recipe.seen, self.codec), made_from, "stage2", cost)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """Student, head and codec."""
        return (*self.student_parts(recipe), self.codec_part(recipe))

    def train(self, session: Session, stage: str) -> None:
        """Train the codec in stage 2, after its student and head if they are missing."""
        if stage != "stage2":
            return
        run, frozen = session.run, self.codec.student == "frozen"
        taught = session.taught(self.student_parts(run.recipe), self.student)
        lesson = CodecLesson(
            run=run,
            part=self.codec_part(run.recipe),
            config=self.codec.training,
            threads=1 if frozen else None,
            stage=self.codec,
            taught=taught,
            views=session.views if self.codec.loss.taught else None,
            validation=validation_outputs(run, taught.student.body) if frozen else None,
            channels=self.codec.conditions.channels,
            stream="codec",  # the same draws for ablations
        )
        train_part(lesson)

    def labelled(self, label: str) -> "RkdScConfig":
        """The scheme with a link error. Raises: UserError for any other label."""
        error = LinkError.of(label)
        if error is None or self.error.label:
            raise UserError(
                f"{self.name} takes labels such as +3dB, or an ablation of the recipe, got "
                f"{label!r}{_moved(label)}"
            )
        return replace(self, error=error)

    def modules(self, weights: Weights) -> tuple[Student, LinkModel]:
        """Encoder, and codec with head; the encoder is the link's own if stage 2 trained it."""
        trained = weights.student(self.student_parts(weights.recipe), self.student).body
        build = partial(LinkModel.of, self.codec, trained.config, **weights.dataset.sizes)
        link = weights.load(self.codec_part(weights.recipe), build)
        return link.body or trained, link

    def build(self, weights: Weights) -> RkdScheme:
        """The scheme; an ablation that was trained for a single k serves only that."""
        body, link = self.modules(weights)
        lengths = self.codec.conditions.uses
        return RkdScheme(
            student=body,
            codec=link.codec,
            head=link.head,
            name=self.name,
            error=self.error,
            only=lengths[0] if self.variant and len(lengths) == 1 else None,
            trained_snr_db=self.codec.conditions.snr_range,
        )
