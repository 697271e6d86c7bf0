"""Interleaving: neighbouring data symbols are sent far apart, so that their gains differ."""

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel, check_inputs
from channels.law import ChannelLaw


@dataclass(frozen=True, kw_only=True)
class InterleavedChannel(WrappedChannel):
    """A channel with a permutation of the data symbols before it and the inverse after it.

    The permutation is fixed, known to both ends, and costs no channel uses.

    Shapes: as for the wrapped channel.
    Units:  as for the wrapped channel.
    Raises: as for the wrapped channel.
    """

    channel: Channel

    @property
    def name(self) -> str:
        """The wrapped channel's name and "+interleaved"."""
        return f"{self.channel.name}+interleaved"

    def with_pilots(self, pilots: int) -> "InterleavedChannel":
        """The interleaved channel with `pilots` pilots if their number is open, else unchanged."""
        return replace(self, channel=self.channel.with_pilots(pilots))

    @property
    def law(self) -> ChannelLaw:
        """The channel's law if one gain holds for an image; else only that of a single use."""
        own = self.channel.law
        title = f"{own.title or self.channel.name}, interleaved"
        if own.uses_per_gain == math.inf:
            return replace(own, title=title)
        return ChannelLaw(
            title=title, qam_bit_error_rate=own.qam_bit_error_rate, knowledge=own.knowledge
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        there, back = permutation(x.shape[1], x.device)
        y, h, noise_power = self.channel(x[:, there], snr_db=snr_db, generator=generator)
        if noise_power.shape[1] > 1:
            noise_power = noise_power[:, back]
        return ChannelOutput(y[:, back], h[:, back], noise_power)


@cache
def permutation(uses: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A fixed pseudo-random permutation of `uses` channel uses, and its inverse."""
    generator = torch.Generator().manual_seed(uses)
    with torch.inference_mode(mode=False):
        there = torch.randperm(uses, generator=generator).to(device)
        return there, there.argsort()
