"""Flat fading: Rayleigh, Rician and Nakagami gains, constant over an image, a block or one use.

Gaussian gains come from Sionna's GenerateFlatFadingChannel with one antenna at each end.
"""

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from channels import theory
from channels.awgn import add_noise
from channels.base import Channel, ChannelOutput, check_inputs, in_full
from channels.law import ChannelLaw
from channels.streams import sionna_device, sionna_phy, sionna_uses
from channels.units import noise_power_from_snr_db


@dataclass(frozen=True, kw_only=True)
class RayleighChannel(Channel):
    """Flat Rayleigh fading, constant over blocks of `coherence` channel uses of an image.

    y = h x + w with h ~ CN(0, 1) per block and w ~ CN(0, N0) per use [1, sec. 2.4.2]. If k is
    not a multiple of `coherence`, the last block is shorter.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB, averaged over the fading; all else is linear.
    Raises: ValueError if a shape, a type or a device is wrong; if coherence is below 1.

    [1] Tse and Viswanath, Fundamentals of Wireless Communication, 2005.
    """

    coherence: int | None  # channel uses per fading block; None: one gain per image

    def __post_init__(self) -> None:
        """Check the block length."""
        if self.coherence is not None and self.coherence < 1:
            raise ValueError(f"coherence must be at least 1 channel use, got {self.coherence}")

    @property
    def name(self) -> str:
        """Canonical name: rayleigh, rayleigh_fast (one gain per use) or rayleigh_block:L."""
        if self.coherence is None:
            return "rayleigh"
        return "rayleigh_fast" if self.coherence == 1 else f"rayleigh_block:{self.coherence}"

    @property
    def law(self) -> ChannelLaw:
        """|h|^2 is exponential."""
        holds = {None: "image", 1: "use"}.get(self.coherence, f"{self.coherence} uses")
        return ChannelLaw(
            title=f"Rayleigh, one gain per {holds}",
            uses_per_gain=math.inf if self.coherence is None else self.coherence,
            power_variance=1.0,
            power_quantile=theory.rayleigh_power_quantile,
            power_spread_db=theory.rayleigh_snr_spread_db(),
            qam_bit_error_rate=theory.qam_bit_error_rate_rayleigh,
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        batch, k = x.shape
        coherence = k if self.coherence is None else min(self.coherence, k)
        gains = _complex_normal(batch, math.ceil(k / coherence), generator=generator)  # [B, blocks]
        h = gains.repeat_interleave(coherence, dim=1)[:, :k]  # [B, k]
        return _fade(x, h, snr_db=snr_db, generator=generator)


@dataclass(frozen=True, kw_only=True)
class RicianChannel(Channel):
    """Flat Rician fading with one gain per image.

    y = h x + w, h = sqrt(K/(K+1)) e^{j phi} + sqrt(1/(K+1)) g with g ~ CN(0, 1) and phi uniform, so
    E|h|^2 = 1 for every K [1, sec. 2.4.2]. K = 0 is Rayleigh fading.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB, averaged over the fading; k_factor K is a linear power ratio.
    Raises: ValueError if a shape, a type or a device is wrong, or k_factor not finite or below 0.

    [1] Tse and Viswanath, Fundamentals of Wireless Communication, 2005.
    """

    k_factor: float  # power of the line of sight over that of the scattered paths

    def __post_init__(self) -> None:
        """Check the K factor."""
        if not (math.isfinite(self.k_factor) and self.k_factor >= 0):
            raise ValueError(
                f"k_factor must be a finite linear ratio of at least 0, got {self.k_factor}"
            )

    @property
    def name(self) -> str:
        """Canonical name, rician:K with K linear."""
        return f"rician:{in_full(self.k_factor)}"

    @property
    def law(self) -> ChannelLaw:
        """|h|^2 is noncentral chi-square."""
        return ChannelLaw(
            title=f"Rician K = {in_full(self.k_factor)}, one gain per image",
            uses_per_gain=math.inf,
            power_variance=theory.rician_power_variance(self.k_factor),
            power_quantile=partial(theory.rician_power_quantile, k_factor=self.k_factor),
            qam_bit_error_rate=partial(theory.qam_bit_error_rate_rician, k_factor=self.k_factor),
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        batch, k = x.shape
        turns = torch.rand((batch, 1), generator=generator, device=x.device)  # phase over 2 pi
        line_of_sight = torch.polar(torch.ones_like(turns), 2 * math.pi * turns)  # [B, 1]
        scattered = _complex_normal(batch, 1, generator=generator)  # [B, 1]
        share = self.k_factor / (self.k_factor + 1)  # of the power that is in the line of sight
        gain = math.sqrt(share) * line_of_sight + math.sqrt(1 - share) * scattered
        return _fade(x, gain.expand(batch, k), snr_db=snr_db, generator=generator)


@dataclass(frozen=True, kw_only=True)
class NakagamiChannel(Channel):
    """Flat Nakagami-m fading with one gain per image.

    y = h x + w, h = sqrt(g) e^{j phi} with g gamma of shape m and mean 1, and phi uniform [1, sec.
    2.2.1.4]. m = 1 is Rayleigh fading, and a larger m means less fading. g is the quantile function
    of a uniform variable, computed on the CPU in double precision. All m thus share the uniform
    variables of a stream.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB, averaged over the fading; m has no unit.
    Raises: ValueError if a shape, a type or a device is wrong, or m not finite or below 0.5.

    [1] Simon and Alouini, Digital Communication over Fading Channels, 2nd ed., 2005.
    """

    m: float  # shape of the gamma distribution, 1 / Var |h|^2

    def __post_init__(self) -> None:
        """Check the shape."""
        if not (math.isfinite(self.m) and self.m >= 0.5):
            raise ValueError(
                f"m of Nakagami fading must be a finite number of at least 0.5, got {self.m}"
            )

    @property
    def name(self) -> str:
        """Canonical name, nakagami:m."""
        return f"nakagami:{in_full(self.m)}"

    @property
    def law(self) -> ChannelLaw:
        """|h|^2 is gamma-distributed."""
        return ChannelLaw(
            title=f"Nakagami m = {in_full(self.m)}, one gain per image",
            uses_per_gain=math.inf,
            power_variance=1.0 / self.m,
            power_quantile=partial(theory.nakagami_power_quantile, m=self.m),
            power_spread_db=theory.nakagami_snr_spread_db(self.m),
            qam_bit_error_rate=partial(theory.qam_bit_error_rate_nakagami, m=self.m),
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        batch, k = x.shape
        uniform = torch.rand(
            (2, batch, 1), generator=generator, device=x.device, dtype=torch.double
        )
        turns, level = uniform.cpu()  # phase over 2 pi, level of the power: [B, 1] each
        power = torch.from_numpy(theory.nakagami_power_quantile(level.numpy(), m=self.m))
        gain = torch.polar(power.sqrt(), 2 * math.pi * turns).to(x.device, torch.complex64)
        return _fade(x, gain.expand(batch, k), snr_db=snr_db, generator=generator)


def _fade(x: Tensor, h: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
    """Apply given gains, then noise: y = h x + w."""
    noise_power = noise_power_from_snr_db(snr_db).to(torch.float32)  # [B, 1]
    y = add_noise(h * x, noise_power=noise_power, generator=generator)
    return ChannelOutput(y=y, h=h, noise_power=noise_power)


def _complex_normal(batch: int, blocks: int, *, generator: torch.Generator) -> Tensor:
    """Independent gains CN(0, 1), [batch, blocks] complex64."""
    with sionna_uses(generator):
        gains: Tensor = _gain_block(sionna_device(generator.device))(batch * blocks)
    return gains.reshape(batch, blocks)


@cache
def _gain_block(device: str) -> Any:
    """Sionna's generator of flat-fading gains for one device, one antenna at each end."""
    return sionna_phy().channel.GenerateFlatFadingChannel(1, 1, precision="single", device=device)
