"""Pilots before a codeword, and the gain that a receiver reads from them.

For channels with one gain per image; where the gain changes from use to use the estimate is stale.
"""

import torch
from torch import Tensor

from channels.base import ChannelOutput

__all__ = ["add_pilots", "estimate_gain"]


def add_pilots(x: Tensor, pilots: int) -> Tensor:
    """Put `pilots` symbols of value 1 before every codeword: [B, k] -> [B, pilots + k]."""
    if pilots == 0:
        return x
    return torch.cat([x.new_ones((x.shape[0], pilots)), x], dim=1)


def estimate_gain(received: ChannelOutput, pilots: int) -> ChannelOutput:
    """The codeword with the least-squares gain in place of the true one.

    h_est = mean of the pilots as received = h + e with e ~ CN(0, N0 / pilots).

    Shapes: y, h [B, pilots + k] -> y, h [B, k].
    """
    y = received.y[:, pilots:]
    gain = received.y[:, :pilots].mean(dim=1, keepdim=True)
    return ChannelOutput(y=y, h=gain.expand_as(y), noise_power=received.noise_power)
