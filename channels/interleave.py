"""Symbols spread over the grid, so that neighbours meet gains far from each other."""

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel, check_inputs
from channels.law import ChannelLaw

__all__ = ["InterleavedChannel"]


@dataclass(frozen=True, kw_only=True)
class InterleavedChannel(WrappedChannel):
    """A channel whose data symbols are permuted before it and put back behind it.

    The permutation is fixed, known to both ends, and charged nothing.

    Shapes: as those of the channel.
    Units:  as those of the channel.
    Raises: as the channel.
    """

    channel: Channel

    @property
    def name(self) -> str:
        """The channel's name, interleaved."""
        return f"{self.channel.name}+interleaved"

    def with_pilots(self, pilots: int) -> "InterleavedChannel":
        """The channel with so many pilots, interleaved."""
        return replace(self, channel=self.channel.with_pilots(pilots))

    @property
    def law(self) -> ChannelLaw:
        """What is known of a use still is; the covariance of two of them is another one."""
        own = self.channel.law
        return ChannelLaw(
            title=f"{own.title or self.channel.name}, interleaved",
            uses_per_gain=math.inf if own.uses_per_gain == math.inf else None,
            qam_bit_error_rate=own.qam_bit_error_rate,
            knowledge=own.knowledge,
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
    """A permutation of so many uses, drawn once and for all, and its inverse."""
    generator = torch.Generator().manual_seed(uses)
    with torch.inference_mode(mode=False):
        there = torch.randperm(uses, generator=generator).to(device)
        return there, there.argsort()
