"""Receiver of recordings: outputs y, h and the noise power of every channel use."""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from channels.base import ChannelOutput
from channels.radio.frame import Frame
from channels.radio.preamble import Complexes
from channels.radio.synchronise import NoFrame, Sync, synchronise
from channels.units import db_to_linear, linear_to_db

DOPPLER_HZ: Final = 10.0  # largest Doppler shift assumed by the estimator
WINDOW: Final = 64  # most rows of pilots that an estimate uses
NEGLIGIBLE: Final = 1e-9  # relative gain power in directions that measure noise
FINENESS: Final = 32  # oversampling of the periodogram
MAX_RESIDUAL_OFFSET: Final = (
    0.07  # largest remaining offset in cycles per row, less than half a cycle in seven rows
)


class FrameOutput(NamedTuple):
    """The received symbols of a frame, scaled to E|h|^2 = 1, and the estimated parameters."""

    received: ChannelOutput  # y, h, noise_power [images, uses]
    sync: Sync  # with the final frequency offset
    snr_db: float  # Es/N0 of a subcarrier
    gain_db: float  # power of a subcarrier in the recording


def receive_frame(
    recording: Complexes, frame: Frame, *, snr_db: float | None = None
) -> FrameOutput:
    """Find the frame, correct the frequency offset, estimate noise and gains from the pilots.

    The gains are the joint Wiener estimate from up to 64 rows of pilots for a robust prior: delays
    uniform within the cyclic prefix, Doppler shifts uniform within 10 Hz [1]. The noise power is
    measured in directions that no delay within the prefix reaches, or computed from `snr_db`.

    Units:  snr_db is Es/N0 in dB; offsets in cycles per sample.
    Raises: NoFrame if there is no frame, if it is cut off, or has no power above the noise.

    [1] Li, Cimini and Sollenberger, Robust channel estimation for OFDM systems with rapid
    dispersive fading channels, IEEE Trans. Commun. 46(7), 1998.
    """
    sync = synchronise(recording, frame)
    _check_whole(recording, frame, sync)
    pilots = _pilots(_grid(recording, frame, sync), frame)
    sync = sync._replace(offset=sync.offset + _residual_offset(pilots, frame) / frame.row_samples)
    grid = _grid(recording, frame, sync)
    pilots = _pilots(grid, frame)
    noise, power = _noise_power(pilots, frame), float((np.abs(pilots) ** 2).mean())
    if snr_db is not None:
        noise = power / (1.0 + db_to_linear(snr_db))
    gain = power - noise
    if gain <= 0:
        raise NoFrame("the pilots must have more power than the noise, but have none above it")
    h, error = _estimate(pilots / np.sqrt(gain), frame, noise / gain)
    at = frame.data_places
    received = ChannelOutput(
        y=_tensor(grid.reshape(-1)[at] / np.sqrt(gain), frame, torch.complex64),
        h=_tensor(h.reshape(-1)[at], frame, torch.complex64),
        noise_power=_tensor(noise / gain + error.reshape(-1)[at], frame, torch.float32),
    )
    snr = linear_to_db(gain / noise) if noise > 0 else np.inf
    return FrameOutput(received, sync, float(snr), linear_to_db(gain))


def _tensor(values: NDArray[np.generic], frame: Frame, kind: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(values.reshape(frame.images, frame.uses)).to(kind)


def _first_row(frame: Frame, sync: Sync) -> int:
    """First sample of the first row's FFT window, in the middle of the cyclic prefix."""
    return sync.start + 2 * frame.half_samples + frame.prefix - frame.prefix // 2


def _check_whole(recording: Complexes, frame: Frame, sync: Sync) -> None:
    needed = _first_row(frame, sync) + (frame.rows - 1) * frame.row_samples + frame.fft_size
    if needed > len(recording):
        whole = (len(recording) - _first_row(frame, sync) + frame.prefix) // frame.row_samples
        raise NoFrame(
            f"a recording must hold the whole frame of {frame.rows} OFDM symbols, got "
            f"{max(whole, 0)} of them before its end; it is cut off"
        )


def _grid(recording: Complexes, frame: Frame, sync: Sync) -> Complexes:
    """Received grid [rows, subcarriers], with the frequency offset corrected."""
    first = _first_row(frame, sync)
    starts = first + frame.row_samples * np.arange(frame.rows)
    at = starts[:, None] + np.arange(frame.fft_size)
    turned = recording[at] * np.exp(-2j * np.pi * sync.offset * (at - first))
    return np.asarray(np.fft.fft(turned, norm="ortho")[:, frame.columns])


def _pilots(grid: Complexes, frame: Frame) -> Complexes:
    """Received pilots divided by sent pilots, [rows of pilots, subcarriers]."""
    heard = grid.reshape(-1)[frame.pilot_places] * frame.pilot_symbols.conj()
    return np.asarray(heard.reshape(-1, frame.subcarriers))


def _pilot_rows(frame: Frame) -> NDArray[np.int64]:
    return frame.pilot_places[:: frame.subcarriers] // frame.subcarriers


@cache
def _over_frequency(frame: Frame) -> tuple[NDArray[np.float64], Complexes]:
    """Eigenvalues and eigenvectors of the gains' covariance over subcarriers.

    For a delay uniform between 0 and the prefix, P useful symbols long, the covariance over a
    distance of d subcarriers is e^{-j pi d P} sinc(d P).
    """
    apart = np.subtract.outer(frame.columns, frame.columns) * (frame.prefix / frame.fft_size)
    values, vectors = np.linalg.eigh(np.sinc(apart) * np.exp(-1j * np.pi * apart))
    return np.maximum(values, 0.0), vectors


def _directions(pilots: Complexes, frame: Frame) -> Complexes:
    """Coefficients of the pilots along the eigenvectors of `_over_frequency`."""
    return np.asarray(pilots @ _over_frequency(frame)[1].conj())


def _noise_power(pilots: Complexes, frame: Frame) -> float:
    """Mean power of a pilot in directions that no delay within the prefix reaches."""
    values, _ = _over_frequency(frame)
    empty = values < NEGLIGIBLE * values.max()
    return float((np.abs(_directions(pilots, frame)[:, empty]) ** 2).mean())


def _residual_offset(pilots: Complexes, frame: Frame) -> float:
    """Remaining frequency offset, in cycles per row, by the peak of a periodogram."""
    rows = _pilot_rows(frame)
    if len(rows) < 2:
        return 0.0
    values, _ = _over_frequency(frame)
    seen = _directions(pilots, frame)[:, values > 0.1 * values.max()]
    count = 2 * int(FINENESS * (1 + 2 * MAX_RESIDUAL_OFFSET * (rows[-1] - rows[0]))) + 1
    tried = np.linspace(-MAX_RESIDUAL_OFFSET, MAX_RESIDUAL_OFFSET, count)
    power = _periodogram(seen, rows, tried)
    best = int(power[1:-1].argmax()) + 1
    before, at, after = power[best - 1 : best + 2]
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(tried[best] + np.clip(shift, -1.0, 1.0) * (tried[1] - tried[0]))


def _periodogram(
    seen: Complexes, rows: NDArray[np.int64], tried: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Power at every offset in `tried`, computed in pieces of bounded size."""
    piece = max(1, (1 << 22) // len(rows))
    parts = [
        np.abs(np.exp(-2j * np.pi * np.outer(tried[n : n + piece], rows)) @ seen) ** 2
        for n in range(0, len(tried), piece)
    ]
    return np.asarray(np.concatenate(parts).sum(axis=1))


def _estimate(
    pilots: Complexes, frame: Frame, noise: float
) -> tuple[Complexes, NDArray[np.float64]]:
    """Gains of all rows and their mean squared error, [rows, subcarriers] each.

    Rows of pilots are split into windows of at most 64; each row uses the nearest window.
    """
    at = _pilot_rows(frame)
    parts = np.array_split(np.arange(len(at)), -(-len(at) // WINDOW))
    edges = [0, *(int(at[own[0]] + at[own[0] - 1] + 1) // 2 for own in parts[1:]), frame.rows]
    turns = 2 * DOPPLER_HZ * frame.row_samples / frame.sample_rate  # per row
    found = [
        _wiener(pilots[own], at[own], np.arange(first, last), turns, noise, frame)
        for own, first, last in zip(parts, edges[:-1], edges[1:], strict=True)
    ]
    return np.concatenate([h for h, _ in found]), np.concatenate([error for _, error in found])


def _wiener(
    pilots: Complexes,
    at: NDArray[np.int64],
    rows: NDArray[np.int64],
    turns: float,
    noise: float,
    frame: Frame,
) -> tuple[Complexes, NDArray[np.float64]]:
    """Joint Wiener estimate; the covariance is a product over rows and over subcarriers."""
    over_rows, turned = np.linalg.eigh(np.sinc(turns * np.subtract.outer(at, at)))
    crossed = np.sinc(turns * np.subtract.outer(rows, at)) @ turned  # [rows, P]
    values, vectors = _over_frequency(frame)
    seen = turned.T @ _directions(pilots, frame)  # [P, subcarriers]
    joint = np.outer(np.maximum(over_rows, 0.0), values) + max(noise, 1e-12)
    h = (crossed @ (seen * (values / joint))) @ vectors.T
    explained = (crossed**2 @ (values**2 / joint)) @ (np.abs(vectors) ** 2).T
    return h, np.maximum(1.0 - explained, 0.0)
