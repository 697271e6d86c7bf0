"""A simulated radio link between two devices: gain, delay, offsets, and noise around the frame."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from channels.radio.preamble import Complexes
from channels.units import db_to_linear

TAPS: Final = 32  # of the interpolation filter
PIECE: Final = 1 << 16  # samples interpolated at a time


@dataclass(frozen=True, kw_only=True)
class SimulatedRadio:
    """A radio link with gain, delay, carrier and clock offsets, and white noise.

    y(n) = g e^{j 2 pi f n} x(n (1 + c) - d) + w(n), with x interpolated by a Blackman-windowed
    sinc. The recording begins `delay` samples before the frame and ends `trail` after it.

    Units:  snr_db is |g|^2 Es/N0 in dB for unit power on a subcarrier; f in cycles per sample; d in
            samples, at least 0; c in parts per million.
    """

    snr_db: float
    delay: float = 0.0  # samples, whole and fractional
    trail: int = 0  # samples of noise after the frame
    offset: float = 0.0  # of the carrier, cycles per sample
    gain: complex = 1.0
    clock_ppm: float = 0.0

    def __call__(self, signal: Complexes, *, generator: torch.Generator) -> Complexes:
        """Send a signal and return the recording: [samples] -> [more samples]."""
        count = math.ceil(self.delay) + len(signal) + self.trail
        time = np.arange(count, dtype=np.float64)
        heard = interpolated(signal, (1 + 1e-6 * self.clock_ppm) * time - self.delay)
        heard *= self.gain * np.exp(2j * np.pi * self.offset * time)
        deviation = abs(self.gain) * math.sqrt(db_to_linear(-self.snr_db) / 2)
        noise = torch.randn((count, 2), dtype=torch.float64, generator=generator)
        return np.asarray(heard + deviation * torch.view_as_complex(noise).numpy())


def interpolated(signal: Complexes, times: NDArray[np.float64]) -> Complexes:
    """Interpolate a band-limited signal at any times, in samples; it is 0 before and after."""
    reach = np.arange(1 - TAPS // 2, TAPS // 2 + 1)
    padded = np.pad(signal, TAPS)
    found = np.empty(len(times), dtype=np.complex128)
    for first in range(0, len(times), PIECE):
        own = times[first : first + PIECE]
        base = np.floor(own).astype(np.int64)
        away = (own - base)[:, None] - reach  # [n, TAPS]
        turn = 2 * np.pi / TAPS * away
        weights = np.sinc(away) * (0.42 + 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn))
        at = np.clip(base[:, None] + reach + TAPS, 0, len(padded) - 1)
        found[first : first + PIECE] = (weights * padded[at]).sum(axis=1)
    return found


def drawn_radio(
    snr_db: float, *, fft_size: int, spacing_khz: float, generator: torch.Generator
) -> SimulatedRadio:
    """A link between two ordinary devices: every value is drawn uniformly.

    A delay of 100 to 2000 samples, 100 to 2000 samples of noise after the frame, a carrier offset
    within 2 ppm of 3.5 GHz, a gain of -60 to 0 dB with any phase, a clock offset within 0.2 ppm.
    """
    u = torch.rand(6, dtype=torch.float64, generator=generator).tolist()
    sample_rate = 1e3 * spacing_khz * fft_size
    phase = 2 * math.pi * u[4]
    return SimulatedRadio(
        snr_db=snr_db,
        delay=100 + 1900 * u[0],
        trail=100 + int(1900 * u[1]),
        offset=(2 * u[2] - 1) * 2e-6 * 3.5e9 / sample_rate,
        gain=math.sqrt(db_to_linear(-60 * u[3])) * complex(math.cos(phase), math.sin(phase)),
        clock_ppm=0.2 * (2 * u[5] - 1),
    )
