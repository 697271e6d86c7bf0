"""Impairments of OFDM in the time domain: a power amplifier and a carrier frequency offset."""

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from channels.awgn import add_noise
from channels.base import ChannelOutput, WrappedChannel, check_inputs, in_full
from channels.law import ChannelLaw
from channels.ofdm.multipath import PREFIX
from channels.ofdm.tdl import TdlChannel, covariance
from channels.units import db_to_linear, noise_power_from_snr_db

OVERSAMPLING: Final = 4
SMOOTHNESS: Final = 3.0  # of the amplifier's saturation
TRIED: Final = 4096  # Gaussian OFDM symbols from which an amplifier is characterised


def time_signal(grid: Tensor) -> Tensor:
    """OFDM symbols without prefix, oversampled four times: [..., S] -> [..., 4 S] complex.

    Unit power on every subcarrier gives unit mean power over time.
    """
    width = grid.shape[-1]
    rest = (OVERSAMPLING - 1) * width
    padded = functional.pad(grid, (0, rest)).roll(-(width // 2), dims=-1)  # centred
    signal: Tensor = torch.fft.ifft(padded, dim=-1) * (padded.shape[-1] / math.sqrt(width))
    return signal


def subcarriers_of(signal: Tensor) -> Tensor:
    """The inverse of `time_signal`, without the out-of-band part: [..., 4 S] -> [..., S]."""
    width = signal.shape[-1] // OVERSAMPLING
    bins: Tensor = torch.fft.fft(signal, dim=-1) * (math.sqrt(width) / signal.shape[-1])
    return bins.roll(width // 2, dims=-1)[..., :width]


def rapp(signal: Tensor, *, saturation: float) -> Tensor:
    """A solid-state amplifier with linear gain 1 and no phase distortion [1].

    Shapes: any. Units: saturation is the largest output amplitude.

    [1] Rapp, Effects of HPA-nonlinearity on a 4-DPSK/OFDM-signal, Proc. 2nd European Conf.
    Satellite Communications, 1991.
    """
    compression = (signal.abs().square() / saturation**2).pow(SMOOTHNESS)
    return signal / (1.0 + compression).pow(1.0 / (2.0 * SMOOTHNESS))


class Amplified(NamedTuple):
    """Bussgang decomposition of an amplifier: output = gain input + uncorrelated distortion."""

    gain: float
    distortion: float  # power per subcarrier, uncorrelated with the input


@dataclass(frozen=True, kw_only=True)
class ImpairedChannel(WrappedChannel):
    """OFDM over a tapped delay line with an amplifier, a frequency offset, or both.

    The amplifier is Rapp's with smoothness 3; it saturates `backoff_db` above the mean power of an
    OFDM symbol. The offset rotates the phase of the received signal by 2 pi f_o t and is not
    corrected. The receiver knows the factor of each symbol: h times the amplifier's mean gain times
    the common factor of the offset. `noise_power` includes the mean power of the rest, which is
    in-band distortion and interference between subcarriers.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1].
    Units:  snr_db is Es/N0 in dB for the symbols at the amplifier's input; offset_ppm is relative
            to the carrier.
    Raises: ValueError if a shape, a type or a device is wrong.
    """

    version = 2  # gain and noise power of codewords shorter than the subcarriers changed

    channel: TdlChannel
    backoff_db: float | None = None  # None: a linear amplifier
    offset_ppm: float | None = None  # None: no offset

    @property
    def name(self) -> str:
        """The channel's name and its impairments."""
        words = [self.channel.name]
        if self.offset_ppm is not None:
            words.append(f"cfo:{in_full(self.offset_ppm)}")
        if self.backoff_db is not None:
            words.append(f"pa:{in_full(self.backoff_db)}")
        return "+".join(words)

    @property
    def subcarriers(self) -> int:
        """Number of subcarriers of the channel."""
        return self.channel.subcarriers

    @property
    def offset(self) -> float:
        """Frequency offset in subcarrier spacings."""
        link = self.channel.link
        return (self.offset_ppm or 0.0) * 1e-6 * (1e6 * link.carrier_ghz) / link.spacing_khz

    @property
    def law(self) -> ChannelLaw:
        """Title and covariance of the known gains; there is no closed-form error rate."""
        words = [self.channel.law.title or ""]
        if self.offset_ppm is not None:
            words.append(f"{self.offset_ppm:g} ppm offset")
        if self.backoff_db is not None:
            words.append(f"amplifier at {self.backoff_db:g} dB back-off")
        return ChannelLaw(title=", ".join(words), covariance_of_uses=partial(_covariance, self))

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        uses, width = x.shape[1], self.subcarriers
        h = self.channel.gains(*x.shape, generator=generator)
        sent = self._amplified(x)
        met = self._turned(h * sent)
        noise_power = noise_power_from_snr_db(snr_db).to(torch.float32)  # [B, 1]
        y = add_noise(met, noise_power=noise_power, generator=generator)
        rotation = torch.from_numpy(self.rotation(np.arange(uses))).to(x.device, h.dtype)
        loaded = min(uses, width)
        amplifier = amplified(self.backoff_db, width, loaded)
        _, leaked = turned(self.offset, width, loaded)
        lost = amplifier.distortion + (amplifier.gain**2 + amplifier.distortion) * leaked
        return ChannelOutput(y, h * (amplifier.gain * rotation), noise_power + lost)

    def rotation(self, places: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Factor of the offset on every use; it is constant within an OFDM symbol."""
        common, _ = turned(self.offset, self.subcarriers, self.subcarriers)
        turns = self.offset * (1 + PREFIX) * (places // self.subcarriers)
        return np.asarray(common * np.exp(2j * np.pi * turns))

    def _amplified(self, x: Tensor) -> Tensor:
        """Symbols [B, k] at the output of the amplifier, band-limited."""
        if self.backoff_db is None:
            return x
        uses, width = x.shape[1], self.subcarriers
        power = min(uses, width) / width  # mean, over time
        if uses > width:  # other data fills the last OFDM symbol, so that all have equal power
            x = torch.cat([x, other_data(len(x), -uses % width).to(x.device, x.dtype)], dim=1)
        saturation = math.sqrt(db_to_linear(self.backoff_db) * power)
        signal = rapp(time_signal(rows_of(x, width)), saturation=saturation)
        return subcarriers_of(signal).flatten(start_dim=1)[:, :uses]

    def _turned(self, received: Tensor) -> Tensor:
        """Received symbols [B, k] with the rotation and the interference that the offset causes."""
        if self.offset_ppm is None:
            return received
        grid = rows_of(received, self.subcarriers)
        samples = OVERSAMPLING * self.subcarriers
        within = torch.arange(samples, device=received.device) / samples  # of the useful symbol
        begun = (1 + PREFIX) * torch.arange(grid.shape[1], device=received.device)
        phase = 2 * math.pi * self.offset * (begun[:, None] + within)
        signal = time_signal(grid) * torch.polar(torch.ones_like(phase), phase)
        return subcarriers_of(signal).flatten(start_dim=1)[:, : received.shape[1]]


@cache
def other_data(images: int, uses: int) -> Tensor:
    """QPSK symbols [images, uses] that fill the last OFDM symbol; always the same."""
    turns = torch.randint(4, (images, uses), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(mode=False):
        return torch.polar(torch.ones(images, uses), turns * (math.pi / 2))


def rows_of(x: Tensor, width: int) -> Tensor:
    """Arrange symbols [B, k] in rows, with zeros at the end of the last: [B, rows, width]."""
    grid: Tensor = functional.pad(x, (0, -x.shape[1] % width)).unflatten(1, (-1, width))
    return grid


def _covariance(
    channel: ImpairedChannel, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.complex128]:
    """E[g_i g_j*] of the gains g that the receiver knows."""
    own = covariance(channel.channel.link, a, b)
    gain = amplified(channel.backoff_db, channel.subcarriers, channel.subcarriers).gain
    return np.asarray(gain**2 * own * np.outer(channel.rotation(a), channel.rotation(b).conj()))


@cache
def amplified(backoff_db: float | None, width: int, loaded: int) -> Amplified:
    """The Bussgang decomposition of an amplifier, measured with Gaussian symbols.

    Gain and distortion are averaged over the first `loaded` of `width` subcarriers, which carry
    symbols. If loaded < width, the codeword fits into one OFDM symbol, so each drawn OFDM symbol is
    scaled to unit power; otherwise the power varies between OFDM symbols.
    """
    if backoff_db is None:
        return Amplified(1.0, 0.0)
    generator = torch.Generator().manual_seed(0)
    tried = TRIED * min(width // loaded, 4)  # bounded, for the memory at few uses
    x = torch.randn((tried, loaded), dtype=torch.complex128, generator=generator)
    if loaded < width:
        x /= x.abs().square().mean(dim=1, keepdim=True).sqrt()
    saturation = math.sqrt(db_to_linear(backoff_db) * loaded / width)
    signal = rapp(time_signal(rows_of(x, width)), saturation=saturation)
    sent = subcarriers_of(signal).flatten(start_dim=1)[:, :loaded]
    power = x.abs().square().mean()
    gain = (sent * x.conj()).real.mean() / power
    return Amplified(float(gain), float((sent - gain * x).abs().square().mean() / power))


@cache
def turned(offset: float, width: int, loaded: int) -> tuple[complex, float]:
    """Factor of an offset on a subcarrier, and the mean interference power from the others.

    The first `loaded` of `width` subcarriers carry symbols, and the mean is over these.

    Both follow from the Dirichlet kernel sum_n e^{j 2 pi (d + offset) n / N} / N at a distance
    of d subcarriers.
    """
    samples = OVERSAMPLING * width
    distances = np.arange(1 - loaded, loaded)
    phases = np.outer(distances + offset, np.arange(samples)) / samples
    kernel = np.exp(2j * np.pi * phases).mean(axis=1)
    pairs = loaded - np.abs(distances)  # of subcarriers at each distance
    power = pairs * np.abs(kernel) ** 2
    return complex(kernel[loaded - 1]), float((power.sum() - power[loaded - 1]) / loaded)
