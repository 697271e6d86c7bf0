"""Mutual information of bit-interleaved coded QAM, and the effective SNR of a fading block.

Sources: Caire, Taricco and Biglieri, Bit-interleaved coded modulation, IEEE Trans. Inf. Theory
44(3), 1998 (the mutual information); Brueninghaus et al., Link performance models for system level
simulations of broadband radio access systems, PIMRC 2005 (the effective SNR, MIESM).
"""

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GRID_DB: Final = np.linspace(-40.0, 50.0, 361)
LEAST: Final = 1e-9  # floor of the missing bits, for large SNRs


def bicm_bits(snr_db: Floats, *, bits_per_symbol: int) -> Floats:
    """Mutual information of Gray QAM with bitwise decoding (BICM), in bits per use.

    It is interpolated from -40 to 50 dB, and constant outside this range.
    """
    missing = np.interp(snr_db, GRID_DB, _log_equivocation(bits_per_symbol))
    return np.asarray(bits_per_symbol - np.exp(missing))


def bicm_effective_snr_db(snr_db: Floats, *, bits_per_symbol: int) -> Floats:
    """SNR at which the mutual information equals its mean over the uses of a block.

    Shapes: snr_db [B, k] in dB -> [B] in dB, from -40 to where only 1e-9 bits are missing.
    """
    log_missing = _log_equivocation(bits_per_symbol)
    missing = np.exp(np.interp(snr_db, GRID_DB, log_missing)).mean(axis=1)
    return np.asarray(np.interp(-np.log(missing), -log_missing, GRID_DB))


@functools.cache
def _log_equivocation(bits_per_symbol: int) -> Floats:
    """Logarithm of `bits_per_symbol` minus the mutual information, at every SNR of GRID_DB."""
    half = bits_per_symbol // 2  # of one real dimension
    found = np.array([_equivocation(half, 10 ** (snr_db / 10)) for snr_db in GRID_DB])
    return np.asarray(np.log(np.maximum(2 * found, LEAST)))


def _equivocation(bits: int, snr: float) -> float:
    """`bits` minus the mutual information of one real dimension.

    The sum over the bits of E log2(sum p(y|x) / sum p(y|x) over levels x with the same bit).
    """
    count = 2**bits
    levels = np.arange(1 - count, count, 2) * np.sqrt(1.5 / (count**2 - 1))  # power 1/2
    labels = np.arange(count) ^ np.arange(count) >> 1  # Gray
    nodes, weights = _quadrature()
    received = levels[:, None] + nodes / np.sqrt(snr)  # [sent, node]; noise power 1/(2 SNR)
    metric = -snr * (received[..., None] - levels) ** 2  # [sent, node, level]
    likelihood = np.exp(metric - metric.max(axis=2, keepdims=True))
    lost = np.zeros(len(nodes))
    for place in range(bits):
        bit = labels >> place & 1
        equal = (bit[:, None] == bit).astype(float)  # [sent, level]
        right = np.einsum("snl,sl->sn", likelihood, equal)
        wrong = np.einsum("snl,sl->sn", likelihood, 1.0 - equal)
        lost += np.log1p(wrong / right).mean(axis=0)
    return float(lost @ weights) / math.sqrt(math.pi) / math.log(2.0)


@functools.cache
def _quadrature() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Hermite quadrature."""
    return np.polynomial.hermite.hermgauss(64)
