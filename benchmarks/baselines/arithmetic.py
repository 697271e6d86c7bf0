"""Arithmetic coding of short symbol sequences, to single bits.

The integer coder of Witten, Neal and Cleary [1]: the interval [low, high] of 32 bits is narrowed
symbol by symbol, and bits are sent as soon as both ends agree on them. The end costs at most two
bits more, and the receiver reads zeros behind it, so filling a payload with zeros is free.
Libraries send whole words of 16 or 32 bits, which would be a tenth of these payloads and more.

[1] Witten, Neal and Cleary, Arithmetic coding for data compression, Commun. ACM 30(6), 1987.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

TOTAL: Final = 1 << 16  # what the frequencies of a symbol add up to
HALF, QUARTER, ALL = 1 << 31, 1 << 30, (1 << 32) - 1
Ints = NDArray[np.int64]
Bits = NDArray[np.uint8]
Function = TypeVar("Function", bound=Callable[..., Any])


def frequencies(counts: NDArray[np.integer]) -> Ints:
    """Cumulative frequencies [S, L + 1] of a table of counts [S, L], each at least 1 of TOTAL.

    Every symbol keeps a chance: one is added to every count.
    """
    share = (counts + 1.0) / (counts + 1.0).sum(axis=1, keepdims=True)
    levels = counts.shape[1]
    inner = np.floor(np.cumsum(share, axis=1) * (TOTAL - levels)).astype(np.int64)
    edges = np.concatenate([np.zeros((len(counts), 1), np.int64), inner], axis=1)
    edges[:, -1] = TOTAL - levels
    return np.asarray(edges + np.arange(levels + 1))


def _compiled(function: Function) -> Function:
    """Compiled by numba, once for all processes where it finds a folder for that."""
    try:
        made: Function = numba.njit(cache=True)(function)
    except RuntimeError:  # neither the source's folder nor the home can be written to
        made = numba.njit(function)
    return made


@_compiled
def encode(symbols: Ints, cumulative: Ints) -> Bits:
    """Bits of symbols [S], the s-th with row s of `cumulative` [S, L + 1]."""
    bits = np.empty(20 * len(symbols) + 64, dtype=np.uint8)
    count, pending = 0, 0
    low, high = np.int64(0), np.int64(ALL)
    for place in range(len(symbols) + 1):
        last = place == len(symbols)
        if not last:
            row, symbol = cumulative[place], symbols[place]
            width = high - low + 1
            high = low + width * row[symbol + 1] // TOTAL - 1
            low = low + width * row[symbol] // TOTAL
        while True:
            if high < HALF:
                bit = 0
            elif low >= HALF:
                bit = 1
                low, high = low - HALF, high - HALF
            elif low >= QUARTER and high < HALF + QUARTER:
                pending += 1
                low, high = 2 * (low - QUARTER), 2 * (high - QUARTER) + 1
                continue
            else:
                break
            bits[count] = bit
            bits[count + 1 : count + 1 + pending] = 1 - bit
            count, pending = count + 1 + pending, 0
            low, high = 2 * low, 2 * high + 1
    if low > 0 or pending:  # zeros, which follow by themselves, would fall out of the interval
        first = 0 if low < QUARTER and not (pending == 0 and low > 0 and high < HALF) else 1
        bits[count] = first
        bits[count + 1 : count + 2 + pending] = 1 - first
        count += 2 + pending
    while count and bits[count - 1] == 0:
        count -= 1
    return bits[:count].copy()


@_compiled
def decode(bits: Bits, cumulative: Ints) -> Ints:
    """Symbols [S] of bits, which zeros follow."""
    symbols = np.empty(len(cumulative), dtype=np.int64)
    low, high, value, read = np.int64(0), np.int64(ALL), np.int64(0), 0
    for _ in range(32):
        value = 2 * value + (np.int64(bits[read]) if read < len(bits) else 0)
        read += 1
    for place in range(len(cumulative)):
        row = cumulative[place]
        width = high - low + 1
        target = ((value - low + 1) * TOTAL - 1) // width
        symbol = np.searchsorted(row, target, side="right") - 1
        symbols[place] = symbol
        high = low + width * row[symbol + 1] // TOTAL - 1
        low = low + width * row[symbol] // TOTAL
        while True:
            if high < HALF:
                shift = np.int64(0)
            elif low >= HALF:
                shift = np.int64(HALF)
            elif low >= QUARTER and high < HALF + QUARTER:
                shift = np.int64(QUARTER)
            else:
                break
            low, high, value = 2 * (low - shift), 2 * (high - shift) + 1, 2 * (value - shift)
            value += np.int64(bits[read]) if read < len(bits) else 0
            read += 1
    return symbols
