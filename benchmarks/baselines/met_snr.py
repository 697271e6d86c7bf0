"""The SNR that a block meets: its distribution over the fading, and its value for given gains.

Where the gain h is one for the whole block this is |h|^2 SNR. Where it changes within a block it is
the SNR of an AWGN channel of equal capacity, mean log2(1 + |h|^2 SNR) over the uses: exact for
links that reach capacity, an approximation for real codes, which serves to choose among them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel, RicianChannel
from channels.names import channel_from_name
from channels.streams import Streams
from channels.theory import rayleigh_power_quantile, rician_power_quantile
from channels.units import db_to_linear, linear_to_db

QUANTILES = 4000


Floats = NDArray[np.float64]


def one_gain(channel: Channel, uses: int) -> bool:
    """Whether the gain is the same for all uses of a block."""
    channel = _known(channel)
    if isinstance(channel, RayleighChannel):
        return channel.coherence is None or channel.coherence >= uses
    if isinstance(channel, AwgnChannel | RicianChannel):
        return True
    h = _gains(channel, snr_db=0.0, blocks=8, uses=uses)
    return bool((h == h[:, :1]).all())


def distribution(channel: Channel, *, snr_db: float, uses: int) -> Floats:
    """Equally likely values in dB that stand for the distribution; one value without fading.

    In closed form where the gain is one for a block, else drawn.
    """
    channel = _known(channel)
    if isinstance(channel, AwgnChannel):
        return np.array([snr_db])
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    if isinstance(channel, RicianChannel):
        power = rician_power_quantile(levels, k_factor=channel.k_factor)
    elif isinstance(channel, RayleighChannel) and one_gain(channel, uses):
        power = rayleigh_power_quantile(levels)
    else:
        h = _gains(channel, snr_db=snr_db, blocks=QUANTILES, uses=uses)
        return np.asarray(met_by(h, snr_db=torch.full((QUANTILES, 1), snr_db)).numpy())
    return np.asarray(snr_db + 10 * np.log10(power))


def _known(channel: Channel) -> Channel:
    """The channel of this name, so that one in a wrapper is known for what it is; else itself."""
    try:
        return channel_from_name(channel.name)
    except ValueError:
        return channel


def _gains(channel: Channel, *, snr_db: float, blocks: int, uses: int) -> Tensor:
    """Gains [blocks, uses] of a stream of their own."""
    ones = torch.ones((blocks, uses), dtype=torch.complex64)
    draws = Streams(seed=0)("gains of the choice", channel.name, snr_db, uses)
    return channel(ones, snr_db=torch.full((blocks, 1), snr_db), generator=draws).h


def met_by(h: Tensor, *, snr_db: Tensor) -> Tensor:
    """Shapes: gains h [B, k] and average SNR [B, 1] in dB -> dB, [B] in double precision."""
    snr = h.abs().double().square() * db_to_linear(snr_db.double())
    return linear_to_db(torch.expm1(torch.log1p(snr).mean(dim=1)))
