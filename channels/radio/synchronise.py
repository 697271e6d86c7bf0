"""Estimates of where a frame begins in a recording, and of the carrier frequency offset.

The two equal halves of the preamble give candidate positions and the fractional part of the offset
[1]. Correlation with the known preamble then gives the exact sample and the integer part of the
offset, and confirms that there is a frame.

[1] Schmidl and Cox, Robust frequency and timing synchronization for OFDM, IEEE Trans. Commun.
45(12), 1997.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from channels.radio.frame import Frame
from channels.radio.preamble import Complexes

MOST_OFFSET: Final = 4.0  # subcarrier spacings
CANDIDATES: Final = 16
APART: Final = 256  # samples between candidates, at most a quarter of the range searched at each
LEAST_CORRELATION: Final = 0.03  # at least 30 times the mean for white noise


class NoFrame(ValueError):
    """A recording contains no frame, or not the whole of it."""


class Sync(NamedTuple):
    """Start of the first half of the preamble, and the frequency offset."""

    start: int  # sample
    offset: float  # cycles per sample
    correlation: float  # fraction of the energy that is the known preamble, 0 to 1


class Halves(NamedTuple):
    """Similarity of two adjacent stretches, for every sample at which the first may begin."""

    metric: NDArray[np.float64]  # |P|^2 / R^2, 1 where they are equal
    angle: NDArray[np.float64]  # of P: 2 pi times the offset times the length


def halves(recording: Complexes, length: int) -> Halves:
    """Similarity by P = sum r*(n) r(n + length) over `length` samples and R, their mean energy."""
    first, second = recording[:-length], recording[length:]
    products = _sums(first.conj() * second, length)
    energy = _sums((np.abs(first) ** 2 + np.abs(second) ** 2) / 2, length)
    floor = 1e-12 * max(float(energy.max()), 1e-100)  # rounding of long sums
    return Halves(np.abs(products) ** 2 / np.maximum(energy, floor) ** 2, np.angle(products))


def _sums(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Sums over `length` neighbours."""
    total = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])
    return np.asarray(total[length:] - total[:-length])


def synchronise(recording: Complexes, frame: Frame) -> Sync:
    """Find the start and the offset at which the recording matches the preamble best.

    Raises: NoFrame if the recording is shorter than a preamble, or nothing in it matches.
    """
    length = frame.half_samples
    if len(recording) < 2 * length + 1:
        raise NoFrame(
            f"a recording must hold a preamble of {2 * length} samples, got {len(recording)} "
            "samples"
        )
    alike = halves(recording, length)
    best = _best(recording, frame, [(n, float(alike.angle[n])) for n in _candidates(alike)])
    if best.correlation < LEAST_CORRELATION:
        best = _everywhere(recording, frame, alike)
    if best.correlation < LEAST_CORRELATION:
        raise NoFrame(
            f"no frame was found: at most {best.correlation:.1%} of the energy is the known "
            f"preamble, and at least {LEAST_CORRELATION:.0%} must be"
        )
    return best


def _candidates(alike: Halves) -> list[int]:
    """Places where the halves are most similar, more than APART samples from each other."""
    metric = alike.metric.copy()
    places: list[int] = []
    while len(places) < CANDIDATES and metric.max() >= 0:
        place = int(metric.argmax())
        places.append(place)
        metric[max(0, place - APART) : place + APART + 1] = -1.0
    return places


def _best(recording: Complexes, frame: Frame, tried: list[tuple[int, float]]) -> Sync:
    """The best match of several places, each with the angle between its halves."""
    return max((_fine(recording, frame, *own) for own in tried), key=lambda sync: sync.correlation)


def _everywhere(recording: Complexes, frame: Frame, alike: Halves) -> Sync:
    """Search all places and angles by the known preamble only, for SNRs too low for the halves."""
    places = range(0, len(alike.angle), 2 * frame.half_samples)
    quarters = (0.0, np.pi / 2, np.pi, -np.pi / 2)
    found = _best(recording, frame, [(n, angle) for n in places for angle in quarters])
    return max(
        _fine(recording, frame, found.start, float(alike.angle[found.start])),
        found,
        key=lambda sync: sync.correlation,
    )


def _fine(recording: Complexes, frame: Frame, place: int, angle: float) -> Sync:
    """The best sample and integer offset around a candidate, by correlation with the preamble."""
    length, known = frame.half_samples, np.tile(frame.half, 2)
    first = max(0, place - length)
    piece = recording[first : place + 3 * length]
    time = np.arange(len(piece))
    energy = _sums(np.abs(piece) ** 2, 2 * length)
    step = 1.0 / length  # this offset rotates the second half by a full turn
    fraction = angle / (2 * np.pi * length)
    most = MOST_OFFSET / frame.fft_size
    whole = np.arange(np.ceil((-most - fraction) / step), np.floor((most - fraction) / step) + 1)
    best = Sync(place, fraction, 0.0)
    for offset in fraction + step * whole:
        turned = piece * np.exp(-2j * np.pi * offset * time)
        matched = np.abs(_correlated(turned, known)) ** 2
        share = matched / (np.maximum(energy, 1e-300) * np.vdot(known, known).real)
        at = int(matched.argmax())
        if share[at] > best.correlation:
            best = Sync(first + at, float(offset), float(share[at]))
    return best


def _correlated(piece: Complexes, known: Complexes) -> Complexes:
    """Sum of piece(n + m) known*(m) for every n at which `known` fits."""
    size = 1 << (len(piece) - 1).bit_length()
    spectrum = np.fft.fft(piece, size) * np.fft.fft(known, size).conj()
    return np.asarray(np.fft.ifft(spectrum)[: len(piece) - len(known) + 1])
