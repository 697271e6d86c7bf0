"""RKD-SC: a distilled student, a channel codec with a granted k, a linear head.

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
from simulator.scheme import Received, Scheme, Tensors, all_delivered, in_pieces
from simulator.schemes.codec import CodecLesson, CodecStage, LinkModel, codeword, receive_features
from simulator.schemes.contract import Label, SchemeConfig
from simulator.training.loop import train_part
from simulator.training.run import validation_outputs
from simulator.training.student import Session
from simulator.training.weights import Weights

KIND: Final = "rkd_sc"
_OFFSET = re.compile(r"([+-]\d+(?:\.\d+)?)dB")


class LinkError(NamedTuple):
    """A wrong report of the SNR, and the label that asks for it."""

    label: str = ""
    snr_offset_db: float = 0.0  # by how much the SNR that both ends believe in is too high

    @staticmethod
    def of(label: str) -> "LinkError | None":
        """`+3dB` or `-6dB`: the reported SNR is off; else None."""
        match = _OFFSET.fullmatch(label)
        return LinkError(label, snr_offset_db=float(match[1])) if match else None


KNOWN: Final = LinkError()  # both ends know the channel as they should


@dataclass(kw_only=True, eq=False, repr=False)
class RkdScheme(Scheme):
    """RKD-SC: frozen student, channel codec with a granted k, linear head."""

    student: FeatureEncoder
    codec: ChannelCodec
    head: FeatureDecoder
    name: str = KIND
    error: LinkError = KNOWN
    only: int | None = None  # the one k that the codec was trained for, where it was for one
    trained_snr_db: tuple[float, float] = SNR_RANGE_DB  # lowest and highest average of the training
    version = 2

    @property
    def channel_uses(self) -> str:
        """The budgets that the codec serves."""
        if self.only is not None:
            return f"k = {self.only}"
        return f"k = 1 to {self.codec.config.max_uses}"

    def serves(self, k: int) -> bool:
        """Any k up to K, or the lengths that the codec has heads or training for."""
        if self.only is not None:
            return k == self.only
        return self.codec.config.serves(k)

    def settings(self, k: int) -> str:
        """The codec, for every k or for one; what is charged or wrongly known."""
        known = "average SNR and k known to both ends"
        if offset_db := self.error.snr_offset_db:
            known = f"k known to both ends, average SNR believed {offset_db:+g} dB off"
        kind = self.codec.config.kind
        if self.only is not None:
            kind = f"trained for k = {self.only} alone"
        return f"{kind}, {known}, no header"

    def objection(self, channel: Channel, k: int) -> str:
        """A wrong SNR is not the only thing wrong where the gain is estimated."""
        wrong = self.error.snr_offset_db and channel.law.knowledge != "perfect"
        return "needs a known gain" if wrong else ""

    def compile(self) -> None:
        """Compile the channel decoder for batches of one size."""
        self.codec.decoder.compile(dynamic=False)

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Student features [B, D]."""
        return {"features": in_pieces(self.student, images)}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The codeword [B, k]."""
        uses = torch.full_like(snr_db, k, dtype=torch.int64)
        told = snr_db.clamp(*self.trained_snr_db) + self.error.snr_offset_db
        return {"x": codeword(self.codec, prepared["features"], snr_db=told, uses=uses)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The codeword through the channel to scores."""
        features = self.features(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)
        return Received(self.scores(features), all_delivered(features), {"features": features})

    @torch.inference_mode()
    def features(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Tensor:
        """The codeword through the channel to the receiver's features [B, D]."""
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
    """Where a label of former versions is now."""
    pilots = label.removeprefix("pilot")
    if pilots == label or not pilots.isdecimal():
        return ""
    return f"; a gain estimated from pilots is a channel, such as rayleigh+ls:{pilots}"


@dataclass(frozen=True, kw_only=True)
class RkdScConfig(SchemeConfig):
    """RKD-SC as the recipe has it, or an ablation: what is None is the recipe's own part."""

    codec: CodecStage
    student: StudentStage | None = None
    variant: str = ""  # of an ablation, which is swept as rkd_sc:VARIANT
    student_of: str = ""  # another ablation with the same student, which is trained once
    error: LinkError = KNOWN

    labels: ClassVar = (
        Label("+XdB", "both ends assume an SNR that is X dB too high (-XdB: too low)"),
        Label("VARIANT", "an ablation that was trained with --variants VARIANT"),
    )

    @property
    def name(self) -> str:
        """rkd_sc, with the ablation and the link error behind it."""
        return ":".join(filter(None, (KIND, self.variant, self.error.label)))

    @property
    def ablation(self) -> str:
        """The ablation's name."""
        return self.variant

    def student_parts(self, recipe: Basis) -> StudentParts:
        """Where its student and head are kept: under an ablation's name, or as the recipe's."""
        name = (self.student_of or self.variant) if self.student else ""
        return recipe.student_parts(name, self.student)

    def codec_part(self, recipe: Basis) -> Part:
        """Where its codec is kept."""
        end = f"_{self.variant}" if self.variant else ""
        made_from = (*recipe.teachers, *(part.name for part in self.student_parts(recipe)))
        cost = 0.2 if self.codec.student == "frozen" else 1.2
        return Part(f"codec{end}", (*recipe.seen, self.codec), made_from, "stage2", cost)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """Student and head of its own, if any, and the codec."""
        return (*self.student_parts(recipe), self.codec_part(recipe))

    def train(self, session: Session, stage: str) -> None:
        """Stage 2, after a student and head of its own."""
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
            views=session.views,
            validation=validation_outputs(run, taught.student.body) if frozen else None,
            channels=self.codec.conditions.channels,
            stream="codec",  # of ablations too
        )
        train_part(lesson)

    def labelled(self, label: str) -> "RkdScConfig":
        """Under a link error. Raises: UserError for any other label."""
        error = LinkError.of(label)
        if error is None or self.error.label:
            raise UserError(
                f"{self.name} takes labels such as +3dB, or an ablation of the recipe, got "
                f"{label!r}{_moved(label)}"
            )
        return replace(self, error=error)

    def modules(self, weights: Weights) -> tuple[Student, LinkModel]:
        """Encoder, and codec with its head; the encoder is the link's own if it learnt along."""
        trained = weights.student(self.student_parts(weights.recipe), self.student).body
        build = partial(LinkModel.of, self.codec, trained.config, **weights.dataset.sizes)
        link = weights.load(self.codec_part(weights.recipe), build)
        return link.body or trained, link

    def build(self, weights: Weights) -> RkdScheme:
        """The scheme; an ablation that was trained for one k serves that alone."""
        body, link = self.modules(weights)
        lengths = self.codec.conditions.uses
        return RkdScheme(
            student=body,
            codec=link.codec,
            head=link.head,
            name=self.name,
            error=self.error,
            only=lengths[0] if self.variant and len(lengths) == 1 else None,
            trained_snr_db=self.codec.conditions.snr_db,
        )
