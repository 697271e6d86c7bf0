"""
Your own scheme
===============

Pulse-position modulation of the class label, as a full scheme beside those of the recipe.
"""

# %%
# A `Scheme` works in three steps. `prepare` does what does not depend on the channel, `encode` what
# does not depend on the channel draws, `transmit` the rest. `settings` states what is charged and
# what is known in advance.
import torch

import semlink
from channels.base import Channel
from channels.equalize import mmse
from channels.streams import PointStreams
from simulator.scheme import Received, Scheme, Tensors, all_delivered

link = semlink.load("digits")
classify = link.weights.classifier().classify


class Ppm(Scheme):
    """One position per class carries all the energy (pulse-position modulation)."""

    name = "ppm"
    channel_uses = "k >= 10"

    def serves(self, k: int) -> bool:
        return k >= 10

    def settings(self, k: int) -> str:
        return "class decided at the transmitter, 10 positions, no header"

    def prepare(self, images: torch.Tensor) -> Tensors:
        return {"classes": classify(images).argmax(dim=1)}

    def encode(
        self, prepared: Tensors, *, channel: Channel, snr_db: torch.Tensor, k: int
    ) -> Tensors:
        positions = torch.nn.functional.one_hot(prepared["classes"], k)
        return {"x": positions * torch.tensor(k, dtype=torch.complex64).sqrt()}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: torch.Tensor, k: int,
        streams: PointStreams,
    ) -> Received:  # fmt: skip
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        return Received(mmse(received).real[:, :10], all_delivered(x))


# %%
# It takes part in a sweep beside the schemes of the recipe.
grid = semlink.Grid(snr_db=(-10, -5, 0, 5), channel_uses=(16,), channels=("awgn", "rayleigh"))
table = semlink.sweep(link, ["rkd_sc", "label_code", Ppm()], grid, images=250).table
print(table.pivot_table("accuracy", ["channel", "snr_db"], "scheme").round(3))
