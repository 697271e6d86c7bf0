"""The contract of every scheme: images to symbols, symbols to class scores.

A scheme works in three steps, which makes sweeps cheap. `prepare` runs once per image and does not
depend on the channel. `encode` runs once per point and does not depend on the channel draws.
`transmit` runs for every realisation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from channels.base import Channel
from channels.streams import PointStreams

PIECE_PIXELS = 250 * 64 * 64  # pixels encoded at a time: about 3 GB in a student of width 24

Tensors = Mapping[str, Tensor]  # each [B, ...]: what is kept of a batch between two steps
Classify = Callable[[Tensor], Tensor]  # images [B, C, H, W] in [0, 1] to scores [B, num_classes]


def one_of(uses: Iterable[int]) -> str:
    """Certain k, in words."""
    return "k in {" + ", ".join(map(str, sorted(uses))) + "}"


class Classifier(NamedTuple):
    """A classifier of images, and a key that is equal for equal weights."""

    classify: Classify
    key: str


class Received(NamedTuple):
    """The output of a receiver: class scores [B, num_classes] and delivered [B] bool.

    `seen` holds intermediate results, each [B, ...]: the receiver's "features", decoded "images",
    the transmitted "bits" and "decoded_bits", or the "error_rate" of each block if none was
    decoded. A sweep ignores it; `semlink.send` returns it.
    """

    scores: Tensor
    delivered: Tensor
    seen: Tensors = {}  # noqa: RUF012 - a mapping that nobody changes


class Scheme(ABC):
    """Transmission of images over k complex channel uses each, and their classification.

    All tensors have B first. In a sweep B is 250: the last block is padded with black images, whose
    results are dropped. `snr_db` is Es/N0 in dB and equal in all rows. An image's result must not
    depend on other images, so long sums are in double precision, which autocast (a sweep with
    `--precision bf16`) does not change. Worker processes have validation and test images, but no
    training images.
    """

    name: str  # in tables and on the command line
    image_shape: tuple[int, int, int] | None = None  # the (C, H, W) that it requires; None: any
    device = torch.device("cpu")  # where it computes
    version = 1  # increases whenever the same weights would give other results

    def __repr__(self) -> str:
        shape = "any size" if self.image_shape is None else str(list(self.image_shape))
        return f"<Scheme {self.name}: {self.channel_uses}; images {shape}>"

    @property
    @abstractmethod
    def channel_uses(self) -> str:
        """The range of k that it serves, in words; begins with "k "."""

    @abstractmethod
    def serves(self, k: int) -> bool:
        """Whether it can use exactly k channel uses per image."""

    @abstractmethod
    def settings(self, k: int) -> str:
        """Modulation, rate, codec; what is charged; what is assumed to be known in advance.

        It states the cost of headers, also if there are none.
        """

    @abstractmethod
    def prepare(self, images: Tensor) -> Tensors:
        """Channel-independent results. Shapes: images [B, C, H, W] in [0, 1] -> each [B, ...]."""

    @abstractmethod
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """What all realisations of a point send. Shapes: average snr_db [B, 1] -> [B, ...]."""

    @abstractmethod
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """One transmission of every encoded image. Shapes: average snr_db [B, 1].

        The k symbols of an image have unit power on average over the image or the constellation.

        Calls `channel(x, ..., generator=streams("channel", device=x.device))` exactly once, so that
        all schemes of equal k see the same gains and noise. Other draws come from streams of
        other purposes, all of which `simulator.engine.grid.PURPOSES` lists.
        """

    def rebuilt_images(
        self, prepared: Tensors, received: Received, *, channel: Channel, snr_db: Tensor, k: int
    ) -> Tensor | None:
        """Images [B, C, H, W] in [0, 1] that the receiver rebuilds; None if it rebuilds none.

        Undefined for images in outage.
        """
        return received.seen.get("images")

    def objection(self, channel: Channel, k: int) -> str:
        """Why this channel with k uses cannot be served; empty if it can."""
        return ""

    def compile(self) -> None:
        """Compile the networks that every realisation runs, if worthwhile; by default none."""
        return

    def table_error(self, channel: Channel, snr_db: float, k: int) -> float:
        """Standard error of the accuracy from tables measured beforehand; 0 without any."""
        return 0.0

    @property
    def choices_key(self) -> str:
        """A key that is equal for equal choices on validation images; empty if there are none."""
        return ""

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices at some points (channel, SNR in dB, k), as rows of a table."""
        return []


def in_pieces(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply `function` to images [B, C, H, W] in pieces of at most 250 x 64 x 64 pixels.

    The size of a piece depends only on H and W, so results do not depend on the batch. A piece that
    equals the one before, as black images at the end of a block do, is not computed again.
    """
    found: list[Tensor] = []
    before = None
    for piece in images.split(piece_size(images)):
        repeated = before is not None and torch.equal(piece, before)
        found.append(found[-1] if repeated else function(piece))
        before = piece
    return torch.cat(found)


def piece_size(images: Tensor) -> int:
    """Images in a piece of `in_pieces`."""
    return max(1, PIECE_PIXELS // (images.shape[2] * images.shape[3]))


def all_delivered(batch: Tensor) -> Tensor:
    """No outage: [B, ...] -> [B] bool."""
    return torch.ones(len(batch), dtype=torch.bool, device=batch.device)
