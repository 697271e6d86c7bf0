"""The contract of every scheme, and RKD-SC: encode, power, channel, equalise, decode.

A scheme works in three steps, and this is what makes sweeps cheap: `prepare` does once what depends
on no channel, `encode` once for a point what depends on no draw, `transmit` the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from channels.base import Channel
from channels.streams import PointStreams
from models import FeatureQuantiser
from simulator.data.dataset import Split

PIECE_PIXELS = 250 * 64 * 64  # pixels encoded at a time: about 3 GB in a student of width 24


class Received(NamedTuple):
    """What a receiver hands over: class scores [B, num_classes] and delivered [B] bool."""

    scores: Tensor
    delivered: Tensor


Tensors = Mapping[str, Tensor]  # each [B, ...]: what is kept of a batch between two steps


class Scheme(Protocol):
    """A way to send images over k complex channel uses each and to classify what arrives.

    In a sweep B is 250, the last block filled up with black images, whose answers are dropped, and
    `snr_db` is equal in all rows. All tensors have B first.

    `version` goes up whenever the same weights would give other numbers.
    """

    version: int

    @property
    def name(self) -> str:
        """Name in tables and on the command line."""

    @property
    def channel_uses(self) -> str:
        """The range of k that it serves, in words."""

    def serves(self, k: int) -> bool:
        """Whether it can use exactly k channel uses per image."""

    def settings(self, k: int) -> str:
        """Modulation, rate, codec; what is charged; what is taken as known beforehand."""

    def prepare(self, images: Tensor) -> Tensors:
        """Everything that depends on no channel. Shapes: images [B, C, H, W] in [0, 1]."""

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """What every realisation of a point sends. Shapes: snr_db [B, 1], the average SNR."""

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """One transmission of every encoded image. Shapes: snr_db [B, 1].

        Calls `channel(x, ..., generator=streams("channel", device=x.device))` once, so that all
        schemes of equal k meet the same draws; others are from `streams("scrambling")` or
        `streams("decoding")`.
        """


@runtime_checkable
class Particular(Protocol):
    """A scheme that cannot use some channels."""

    def objection(self, channel: Channel, k: int) -> str:
        """Why it cannot be sent over this channel with k uses; empty where it can."""


@runtime_checkable
class Compilable(Protocol):
    """A scheme whose receiver `torch.compile` makes faster."""

    def compile(self) -> None:
        """Compile what every realisation runs; takes a while, at the first transmission."""


def in_pieces(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of images [B, C, H, W], at most 250 of 64x64 at a time and fewer of larger ones.

    The pieces depend on H and W alone, so results do not depend on the batch.
    """
    size = max(1, PIECE_PIXELS // (images.shape[2] * images.shape[3]))
    return torch.cat([function(piece) for piece in images.split(size)])


def all_delivered(batch: Tensor) -> Tensor:
    """No outage: [B, ...] -> [B] bool."""
    return torch.ones(len(batch), dtype=torch.bool, device=batch.device)


Classify = Callable[[Tensor], Tensor]  # images [B, C, H, W] in [0, 1] to scores [B, num_classes]


class BaselineConfig(Protocol):
    """A scheme without weights of its own; it is given the noiseless student chain."""

    @property
    def name(self) -> str:
        """The scheme's name in tables and on the command line."""

    def needs(self) -> dict[str, str]:
        """What its numbers depend on besides settings and weights: versions, hashes of tables."""

    def decoding_all(self) -> "BaselineConfig":
        """The same with every block of bits decoded, not drawn from a table of error rates."""

    def labelled(self, label: str) -> "BaselineConfig":
        """The variant behind NAME:LABEL. Raises: UserError if there is no such label."""

    def build(
        self,
        *,
        classify: Classify,
        num_classes: int,
        image_shape: tuple[int, int, int],
        supplies: "Supplies",
    ) -> Scheme:
        """The scheme, ready to transmit."""


class Quantised(NamedTuple):
    """Features of images [B, C, H, W] in [0, 1], what quantises them, and a key of the weights."""

    features: Callable[[Tensor], Tensor]
    quantiser: FeatureQuantiser
    key: str


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """What a training and its data lend besides the classifier of the noiseless chain."""

    key: str  # of that classifier: equal for equal weights
    validation: Split | None
    device: torch.device
    teacher: Callable[[], tuple[Classify, str]]  # it and its key; UserError if it is not there
    quantised: Callable[[], Quantised]  # likewise
    retrained: Callable[[str], tuple[Classify, str]]  # "student" or "teacher" on decoded images


@runtime_checkable
class Adapted(Protocol):
    """A scheme that chooses what it sends, for every channel, SNR and k, on validation images."""

    @property
    def choices_key(self) -> str:
        """Equal where all choices are the same."""

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices at some points (channel, SNR in dB, k), as rows of a table."""
