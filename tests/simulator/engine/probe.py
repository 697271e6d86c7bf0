"""A scheme that records what it receives, and small sweeps to test the engine."""

from typing import Any

import torch
from torch import Tensor

from channels.base import Channel
from channels.equalize import mmse
from channels.names import channel_from_name
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from simulator.data.dataset import Split
from simulator.engine.evaluate import BLOCK
from simulator.engine.grid import Grid
from simulator.scheme import Received, Scheme, Tensors

CPU = torch.device("cpu")


class Probe(Scheme):
    """Sends k equal symbols, signed by the first pixel; classifies by the sign of their sum.

    `seen` holds the errors of the equalised values, [B, 2k] per transmission.
    """

    def __init__(self, name: str, *, outage: bool = False) -> None:
        self.name = name
        self.outage = outage
        self.seen: list[Tensor] = []
        self.encoded, self.prepared = 0, 0

    @property
    def channel_uses(self) -> str:
        return "k = 1 to 8"

    def serves(self, k: int) -> bool:
        return k <= 8

    def settings(self, k: int) -> str:
        return f"probe {k}"

    def prepare(self, images: Tensor) -> Tensors:
        self.prepared += 1
        assert len(images) == BLOCK
        return {"sign": 2 * images.flatten(1)[:, :1] - 1}  # [B, 1] in -1..1

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        self.encoded += 1
        return {"values": prepared["sign"].expand(-1, 2 * k).contiguous()}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        values = encoded["values"]
        received = channel(to_symbols(values), snr_db=snr_db, generator=streams("channel"))
        out = from_symbols(mmse(received))
        self.seen.append(out - values)
        score = out.sum(dim=1, keepdim=True)
        delivered = torch.full((len(out),), not self.outage)
        return Received(torch.cat([-score, score], dim=1), delivered)


def split(images: int) -> Split:
    """Alternating black and white images of one pixel; black has label 0, white 1."""
    labels = torch.arange(images) % 2
    return Split(images=(255 * labels).to(torch.uint8).view(-1, 1, 1, 1), labels=labels)


def grid(**changes: Any) -> Grid:
    settings: dict[str, Any] = {
        "channels": tuple(map(channel_from_name, ("awgn", "rayleigh"))),
        "snr_db": (-5.0, 0.0),
        "channel_uses": (2, 4),
        "realizations": 2,
        "seed": 1,
    }
    return Grid(**{**settings, **changes})
