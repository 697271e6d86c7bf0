"""Known sequences of a frame: pseudo-random QPSK, and a preamble of two equal halves."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]

HALF_SYMBOLS: Final = 4  # length of a half of the preamble, in useful OFDM symbols
PREAMBLE_SEED: Final = 1  # of the pseudo-random sequence
_SKIPPED: Final = 1600
_REGISTER: Final = 31


@cache
def pseudo_random_bits(length: int, seed: int) -> NDArray[np.uint8]:
    """The length-31 Gold sequence of 5G, [length] zeros and ones.

    c(n) = x1(n + 1600) + x2(n + 1600) mod 2; `seed` is c_init, the first state of x2 [1, sec.
    5.2.1].

    [1] 3GPP TS 38.211.
    """
    steps = length + _SKIPPED
    one, two = (np.zeros(steps + _REGISTER, dtype=np.uint8) for _ in range(2))
    one[0] = 1
    two[:_REGISTER] = [seed >> place & 1 for place in range(_REGISTER)]
    for n in range(steps):
        one[n + _REGISTER] = one[n + 3] ^ one[n]
        two[n + _REGISTER] = two[n + 3] ^ two[n + 2] ^ two[n + 1] ^ two[n]
    return np.asarray((one ^ two)[_SKIPPED : _SKIPPED + length])


@cache
def pseudo_random_qpsk(length: int, seed: int) -> Complexes:
    """QPSK of unit power from pairs of pseudo-random bits, [length]."""
    signs = 1.0 - 2.0 * pseudo_random_bits(2 * length, seed).reshape(-1, 2)
    return np.asarray((signs[:, 0] + 1j * signs[:, 1]) / np.sqrt(2))


def half(fft_size: int, subcarriers: int) -> Complexes:
    """One half of the preamble, [4 fft_size] samples with the mean power of an OFDM symbol.

    It fills the band of the frame with pseudo-random QPSK at a quarter of the subcarrier spacing.
    With a Zadoff-Chu chirp, a frequency offset would look like a delay.
    """
    length, side = HALF_SYMBOLS * fft_size, HALF_SYMBOLS * (subcarriers // 2)
    bins = np.zeros(length, dtype=np.complex128)
    bins[occupied(2 * side)] = pseudo_random_qpsk(2 * side, PREAMBLE_SEED)
    return np.asarray(np.fft.ifft(bins, norm="ortho"))


def occupied(count: int) -> NDArray[np.int64]:
    """FFT bins around the carrier, which stays empty, by increasing frequency: [count]."""
    side = count // 2
    return np.concatenate([np.arange(-side, 0), np.arange(1, side + 1)])
