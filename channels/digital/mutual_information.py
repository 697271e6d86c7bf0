"""Mutual information of bit-interleaved coded QAM, and the SNR that a block of many SNRs is worth.

Sources: Caire, Taricco and Biglieri, Bit-interleaved coded modulation, IEEE Trans. Inf. Theory
44(3), 1998 (the mutual information); Brueninghaus et al., Link performance models for system level
simulations of broadband radio access systems, PIMRC 2005 (its mean over a block, MIESM).
"""

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["bicm_bits", "bicm_effective_snr_db"]

Floats = NDArray[np.float64]
GRID_DB: Final = np.linspace(-40.0, 50.0, 361)
LEAST: Final = 1e-9  # bits that are missing where more SNR no longer counts


def bicm_bits(snr_db: Floats, *, bits_per_symbol: int) -> Floats:
    """Bits per use of Gray QAM with one decoder input per bit; constant below -40 dB."""
    missing = np.interp(snr_db, GRID_DB, _log_missing(bits_per_symbol))
    return np.asarray(bits_per_symbol - np.exp(missing))


def bicm_effective_snr_db(snr_db: Floats, *, bits_per_symbol: int) -> Floats:
    """The SNR at which every use has the mean mutual information of a block's uses.

    Shapes: snr_db [B, k] in dB -> [B]; between -40 dB and where all but 1e-9 bits arrive.
    """
    log_missing = _log_missing(bits_per_symbol)
    missing = np.exp(np.interp(snr_db, GRID_DB, log_missing)).mean(axis=1)
    return np.asarray(np.interp(-np.log(missing), -log_missing, GRID_DB))


@functools.cache
def _log_missing(bits_per_symbol: int) -> Floats:
    """Logarithm of the bits per use that are missing to `bits_per_symbol`, over GRID_DB."""
    half = bits_per_symbol // 2  # of one real dimension
    found = np.array([_missing(half, 10 ** (snr_db / 10)) for snr_db in GRID_DB])
    return np.asarray(np.log(np.maximum(2 * found, LEAST)))


def _missing(bits: int, snr: float) -> float:
    """Bits that are missing in one real dimension: E log2(sum p(y|x) / sum of equal bit p(y|x))."""
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
    """Nodes and weights of Gauss and Hermite."""
    return np.polynomial.hermite.hermgauss(64)
