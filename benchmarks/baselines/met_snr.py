"""The SNR that a block meets: its distribution over the fading, and its value for given gains.

Where the gain h is one for the whole block this is |h|^2 SNR. Where it changes within a block it is
the SNR of an AWGN channel of equal capacity, mean log2(1 + |h|^2 SNR) over the uses: exact for
links that reach capacity, an approximation for real codes, which serves to choose among them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.base import Channel
from channels.streams import Streams
from channels.units import db_to_linear, linear_to_db

QUANTILES = 4000
Floats = NDArray[np.float64]


def one_gain(channel: Channel, uses: int) -> bool:
    """Whether the gain is the same for all uses of a block: by the law, else in a few draws."""
    known = channel.law.one_gain(uses)
    if known is not None:
        return known
    h = _gains(channel, snr_db=0.0, blocks=8, uses=uses)
    return bool((h == h[:, :1]).all())


def distribution(channel: Channel, *, snr_db: float, uses: int) -> Floats:
    """Equally likely values in dB that stand for the distribution; one value without fading.

    By the law where the gain is one for a block and its law is known, else drawn.
    """
    quantile = channel.law.power_quantile
    if quantile is None or not one_gain(channel, uses):
        h = _gains(channel, snr_db=snr_db, blocks=QUANTILES, uses=uses)
        return np.asarray(met_by(h, snr_db=torch.full((QUANTILES, 1), snr_db)).numpy())
    if channel.law.power_variance == 0:
        return np.array([snr_db])
    power = quantile((np.arange(QUANTILES) + 0.5) / QUANTILES)
    return np.asarray(snr_db + 10 * np.log10(power))


def _gains(channel: Channel, *, snr_db: float, blocks: int, uses: int) -> Tensor:
    """Gains [blocks, uses] of a stream of their own."""
    ones = torch.ones((blocks, uses), dtype=torch.complex64)
    draws = Streams(seed=0)("gains of the choice", channel.name, snr_db, uses)
    return channel(ones, snr_db=torch.full((blocks, 1), snr_db), generator=draws).h


def met_by(h: Tensor, *, snr_db: Tensor) -> Tensor:
    """Shapes: gains h [B, k] and average SNR [B, 1] in dB -> dB, [B] in double precision."""
    snr = h.abs().double().square() * db_to_linear(snr_db.double())
    return linear_to_db(torch.expm1(torch.log1p(snr).mean(dim=1)))
