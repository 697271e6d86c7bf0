"""OFDM over a 3GPP tapped delay line: every symbol has the gain of its subcarrier and time.

Sionna's TDL provides the impulse responses. The frequency response is their product with a matrix
of exponentials.
"""

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import j0
from torch import Tensor

from channels import theory
from channels.awgn import add_noise
from channels.base import Channel, ChannelOutput, check_inputs, in_full
from channels.law import ChannelLaw
from channels.ofdm.multipath import Multipath
from channels.streams import sionna_device, sionna_phy, sionna_uses
from channels.units import noise_power_from_snr_db

SPECIFICATION: Final = "19.2"  # version of TR 38.901; Sionna has several
SINUSOIDS: Final = 20  # per tap, Sionna's default
LINE_OF_SIGHT_COSINE: Final = 0.7  # its Doppler shift over the maximum, TR 38.901 sec. 7.7.2
MOST_TERMS: Final = 2**22  # sinusoids computed at a time: bounds the memory of long codewords


class Taps(NamedTuple):
    """A power delay profile of unit total power; `line_of_sight` adds to the first tap's power."""

    delays: NDArray[np.float64]  # seconds
    powers: NDArray[np.float64]  # of the scattered paths
    line_of_sight: float


@dataclass(frozen=True, kw_only=True)
class TdlChannel(Channel):
    """OFDM over a tapped delay line of 3GPP TR 38.901, with an independent drop per image.

    The k symbols fill a grid row by row; a row is an OFDM symbol of `subcarriers` columns. All
    delays are within the cyclic prefix and gains are constant over an OFDM symbol, so y = h x + w,
    with h[t, f] = sum_l a_l(t) e^{-j 2 pi f tau_l}, E|h|^2 = 1 and w ~ CN(0, N0) per use [1, sec.
    7.7.2; 2]. The energy of the prefix is not counted.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB, averaged over the fading; for `link` see `Multipath`.
    Raises: ValueError if a shape, a type or a device is wrong.

    [1] 3GPP TR 38.901 V19.2. [2] Xiao, Zheng and Beaulieu, Novel sum-of-sinusoids simulation models
    for Rayleigh and Rician fading channels, IEEE Trans. Wireless Commun. 5(12), 2006.
    """

    link: Multipath

    @property
    def name(self) -> str:
        """Canonical name: the profile, and the options that differ from their defaults."""
        options = [f"{in_full(value)}{unit}" for value, unit in self.link.options]
        return ":".join(["tdl", self.link.profile, *options])

    @property
    def subcarriers(self) -> int:
        """Number of subcarriers, which is the number of symbols in a row of the grid."""
        return self.link.subcarriers

    @property
    def law(self) -> ChannelLaw:
        """Every gain is Rayleigh, or Rician if the profile has a line of sight."""
        own, share = self.link, taps_of(self.link).line_of_sight
        rate = partial(theory.qam_bit_error_rate_rician, k_factor=share / (1 - share))
        return ChannelLaw(
            title=f"TDL-{own.profile}, {own.delay_spread_ns:g} ns, {own.speed_kmh:g} km/h",
            qam_bit_error_rate=rate if share else theory.qam_bit_error_rate_rayleigh,
            covariance_of_uses=partial(covariance, own),
        )

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        h = self.gains(*x.shape, generator=generator)
        noise_power = noise_power_from_snr_db(snr_db).to(torch.float32)  # [B, 1]
        y = add_noise(h * x, noise_power=noise_power, generator=generator)
        return ChannelOutput(y=y, h=h, noise_power=noise_power)

    @torch.no_grad()
    def gains(self, batch: int, uses: int, *, generator: torch.Generator) -> Tensor:
        """Gains [batch, uses] complex64 of the first `uses` places of the grid."""
        rows, width = math.ceil(uses / self.subcarriers), min(uses, self.subcarriers)
        device = sionna_device(generator.device)
        model, steering = _model(self.link, device), _steering(self.link, width, device)
        piece = max(1, MOST_TERMS // (len(steering) * SINUSOIDS * rows))  # by shape only
        parts = []
        for first in range(0, batch, piece):
            with sionna_uses(generator):
                paths, _ = model(min(piece, batch - first), rows, 1 / self.link.symbol)
            of_rows = paths[:, 0, 0, 0, 0].transpose(1, 2).flatten(end_dim=1)  # [b rows, taps]
            parts.append((of_rows @ steering).view(len(paths), -1)[:, :uses])
        return torch.cat(parts) if len(parts) > 1 else parts[0]


@cache
def _model(link: Multipath, device: str) -> Any:
    """Sionna's TDL in seconds, Hz and m/s."""
    sionna_phy()
    from sionna.phy.channel import tr38901

    return tr38901.TDL(
        link.profile,
        1e-9 * link.delay_spread_ns,
        1e9 * link.carrier_ghz,
        num_sinusoids=SINUSOIDS,
        los_angle_of_arrival=math.acos(LINE_OF_SIGHT_COSINE),
        min_speed=link.speed_kmh / 3.6,
        precision="single",
        device=device,
        spec_version=SPECIFICATION,
    )


@cache
def taps_of(link: Multipath) -> Taps:
    """The power delay profile that Sionna uses."""
    model = _model(link, "cpu")
    powers = model.mean_powers.double().numpy().copy()
    line_of_sight = float(model.mean_power_los) if model.los else 0.0
    powers[0] -= line_of_sight
    return Taps(model.delays.double().numpy(), powers, line_of_sight)


@cache
def _steering(link: Multipath, width: int, device: str) -> Tensor:
    """Phase factor of every tap on every subcarrier, e^{-j 2 pi f tau}: [taps, width] complex64."""
    frequencies = 1e3 * link.spacing_khz * np.arange(width)
    turns = np.outer(taps_of(link).delays, frequencies)
    with torch.inference_mode(mode=False):
        return torch.from_numpy(np.exp(-2j * np.pi * turns)).to(device, torch.complex64)


def covariance(
    link: Multipath, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.complex128]:
    """E[h_i h_j*] of the uses i in a and j in b, [len(a), len(b)].

    The Fourier transform of the power delay profile over subcarriers, times J0(2 pi f_d t) over
    time; a line of sight has a constant amplitude and one Doppler shift.
    """
    rows = a[:, None] // link.subcarriers - b[None, :] // link.subcarriers
    columns = a[:, None] % link.subcarriers - b[None, :] % link.subcarriers
    taps, width = taps_of(link), link.subcarriers
    steps = 1e3 * link.spacing_khz * np.arange(1 - width, width)
    scattered = taps.powers @ np.exp(-2j * np.pi * np.outer(taps.delays, steps))  # by step
    turns = 2 * np.pi * link.doppler * link.symbol * rows  # phase of the largest Doppler shift
    specular = taps.line_of_sight * np.exp(1j * LINE_OF_SIGHT_COSINE * turns)
    return np.asarray(scattered[columns + width - 1] * j0(turns) + specular)
