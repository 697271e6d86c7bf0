"""Additive white Gaussian noise, drawn by Sionna's AWGN block from one of our random streams."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from channels import theory
from channels.base import Channel, ChannelOutput, check_inputs
from channels.law import ChannelLaw
from channels.streams import sionna_device, sionna_phy, sionna_uses
from channels.units import noise_power_from_snr_db


@dataclass(frozen=True, kw_only=True)
class AwgnChannel(Channel):
    """Additive white Gaussian noise, y = x + w with w ~ CN(0, N0) per use and N0 = 10^(-snr_db/10).

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k] of ones, noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB; all else is linear.
    Raises: ValueError if a shape, a type or a device is wrong.
    """

    @property
    def name(self) -> str:
        """Canonical name."""
        return "awgn"

    @property
    def law(self) -> ChannelLaw:
        """The gain is 1."""
        return ChannelLaw(
            title="AWGN",
            uses_per_gain=math.inf,
            power_variance=0.0,
            power_quantile=np.ones_like,
            qam_bit_error_rate=theory.qam_bit_error_rate_awgn,
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        noise_power = noise_power_from_snr_db(snr_db).to(torch.float32)  # [B, 1]
        y = add_noise(x, noise_power=noise_power, generator=generator)
        return ChannelOutput(y=y, h=torch.ones_like(y), noise_power=noise_power)


def add_noise(signal: Tensor, *, noise_power: Tensor, generator: torch.Generator) -> Tensor:
    """Add w ~ CN(0, noise_power) to every symbol, in single precision.

    Shapes: signal [B, k] complex, noise_power [B, 1] -> [B, k] complex64.
    Units:  noise_power is E|w|^2 per complex use.
    """
    with sionna_uses(generator):
        noisy: Tensor = _awgn_block(sionna_device(signal.device))(signal, noise_power)
    return noisy


@functools.cache
def _awgn_block(device: str) -> Any:
    """Sionna's AWGN block for one device."""
    return sionna_phy().channel.AWGN(precision="single", device=device)
