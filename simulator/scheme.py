"""The contract of every scheme: images to symbols, symbols to class scores.

A scheme works in three steps, and this is what makes sweeps cheap: `prepare` does once what depends
on no channel, `encode` once for a point what depends on no draw, `transmit` the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from channels.base import Channel
from channels.streams import PointStreams

PIECE_PIXELS = 250 * 64 * 64  # pixels encoded at a time: about 3 GB in a student of width 24

Tensors = Mapping[str, Tensor]  # each [B, ...]: what is kept of a batch between two steps
Classify = Callable[[Tensor], Tensor]  # images [B, C, H, W] in [0, 1] to scores [B, num_classes]


class Classifier(NamedTuple):
    """Who names the class of an image, and a key that is equal for equal weights."""

    classify: Classify
    key: str


class Received(NamedTuple):
    """What a receiver hands over: class scores [B, num_classes] and delivered [B] bool.

    `seen` is what else was computed on the way, each [B, ...]: "features" of the receiver, rebuilt
    "images", the "bits" that were sent and "decoded_bits", or the "error_rate" of each block where
    none was decoded. A sweep has no use for it; `semlink.send` shows it.
    """

    scores: Tensor
    delivered: Tensor
    seen: Tensors = {}  # noqa: RUF012 - a mapping that nobody changes


class Scheme(ABC):
    """A way to send images over k complex channel uses each and to classify what arrives.

    In a sweep B is 250, the last block filled up with black images, whose answers are dropped, and
    `snr_db` is equal in all rows. All tensors have B first. An image's result depends on no other
    image: what is summed over many values is summed in double precision, which autocast (a sweep
    with `--precision bf16`) leaves alone too. Worker processes have validation and test images, but
    no training images.
    """

    name: str  # in tables and on the command line
    image_shape: tuple[int, int, int] | None = None  # (C, H, W) it was built for; None: any
    version = 1  # goes up whenever the same weights would give other numbers

    @property
    @abstractmethod
    def channel_uses(self) -> str:
        """The range of k that it serves, in words; begins with "k "."""

    @abstractmethod
    def serves(self, k: int) -> bool:
        """Whether it can use exactly k channel uses per image."""

    @abstractmethod
    def settings(self, k: int) -> str:
        """Modulation, rate, codec; what is charged; what is taken as known beforehand.

        It says what headers cost, also where there are none.
        """

    @abstractmethod
    def prepare(self, images: Tensor) -> Tensors:
        """Everything that depends on no channel. Shapes: images [B, C, H, W] in [0, 1]."""

    @abstractmethod
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """What every realisation of a point sends. Shapes: snr_db [B, 1], the average SNR."""

    @abstractmethod
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """One transmission of every encoded image. Shapes: snr_db [B, 1].

        The k symbols of every image have unit power, on average over them or over a constellation.

        Calls `channel(x, ..., generator=streams("channel", device=x.device))` once, so that all
        schemes of equal k meet the same draws; others are from `streams("scrambling")` or
        `streams("decoding")`.
        """

    def objection(self, channel: Channel, k: int) -> str:
        """Why it cannot be sent over this channel with k uses; empty where it can."""
        return ""

    def compile(self) -> None:
        """Compile what every realisation runs, where that pays; nothing here."""
        return

    @property
    def choices_key(self) -> str:
        """Equal where all choices made on validation images are the same; empty: none are made."""
        return ""

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices at some points (channel, SNR in dB, k), as rows of a table."""
        return []


def in_pieces(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of images [B, C, H, W], at most 250 of 64x64 at a time and fewer of larger ones.

    The pieces depend on H and W alone, so results do not depend on the batch.
    """
    return torch.cat([function(piece) for piece in images.split(piece_size(images))])


def piece_size(images: Tensor) -> int:
    """Images in a piece of `in_pieces`."""
    return max(1, PIECE_PIXELS // (images.shape[2] * images.shape[3]))


def all_delivered(batch: Tensor) -> Tensor:
    """No outage: [B, ...] -> [B] bool."""
    return torch.ones(len(batch), dtype=torch.bool, device=batch.device)
