"""Code words for the label code: one word of `k` complex uses per class.

A word is a row of 2k real numbers; neighbours form a complex use, so Re<s_i, s_j> is the real inner
product, and one gain h for the whole word multiplies all inner products by |h|^2: the words keep
their distances on Rayleigh. The first of these that fits:

1. Simplex, where 2k >= classes - 1: all pairs have the correlation -1 / (classes - 1), the least
   that so many words can have. Use t of word m is e^(2 pi i m f_t / classes), all frequencies f_t
   from 1 to classes / 2 with equal energy, the real one at classes / 2 with half. All uses thus
   have nearly the same energy. One-hot words would put all energy of an image into one use, and a
   deep fade of that use would lose the image.
2. Spherical, for the sizes in `words.safetensors`: optimised by `benchmarks.tools.spherical_words`.
3. Regular: orthogonal words, where 2k >= classes: the rows e^(2 pi i m t / k) of a DFT matrix of
   size k, then i times these. Biorthogonal, where 4k >= classes: such rows and their negatives.
   Reed-Muller beyond: a subset of RM(2, m), signs (-1)^(Q(v) + a.v + b) over the 2^m points v,
   built of cosets of RM(1, m), one per quadratic form Q. Words of one coset have correlation 0 or
   -1; words of two cosets with forms Q and Q' at most 2^(-r/2) of the energy, r the (even) rank of
   the alternating matrix of Q + Q' [1, ch. 15 sec. 2]. So forms are chosen far apart in rank.

For comparison, `code` can also select the regular words at every size, or those of a short polar
code as Gray QPSK.

[1] MacWilliams and Sloane, The Theory of Error-Correcting Codes, North-Holland, 1977.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.baselines.spherical import spherical_words
from channels.digital.polar import LONGEST_POLAR, SHORTEST_POLAR, polar_words

Code = Literal["own", "regular", "polar"]  # own: the first that fits
MAX_RM_ORDER = 6  # 2^15 quadratic forms to choose from; order 8 would have 2^28


def code_family(num_classes: int, k: int, code: Code = "own") -> str | None:
    """The family with `num_classes` words over `k` uses, by its name; None if there is none."""
    if num_classes < 2:
        raise ValueError(f"a label code needs at least 2 classes, got {num_classes}")
    if code == "polar":
        enough = 2 * k >= SHORTEST_POLAR and (num_classes - 1).bit_length() <= _polar_length(k)
        return "polar" if enough else None
    if k < 1:
        return None
    if code == "own" and num_classes - 1 <= 2 * k:
        return "simplex"
    if code == "own" and spherical_words(num_classes, k) is not None:
        return "spherical"
    return _regular_family(num_classes, k)


def _regular_family(num_classes: int, k: int) -> str | None:
    if num_classes <= 2 * k:
        return "orthogonal"
    if num_classes <= 4 * k:
        return "biorthogonal"
    m = _rm_order(k)
    return "Reed-Muller" if num_classes <= 2 ** (1 + m + m * (m - 1) // 2) else None


@lru_cache(maxsize=64)
def label_codebook(num_classes: int, k: int, code: Code = "own") -> Tensor:
    """The words of all classes, every one of energy exactly `k` (unit power on average).

    The tensor is cached and shared: do not write into it.

    Shapes: [num_classes, k] complex64.
    Raises: ValueError if `k` uses have too few words for `num_classes`.
    """
    family = code_family(num_classes, k, code)
    if family is None:
        what = "polar words" if code == "polar" else "label code"
        raise ValueError(
            f"k = {k} channel uses carry no {what} for {num_classes} classes; use a larger k"
        )
    words = _FAMILIES[family](num_classes, k)
    words = words * (math.sqrt(k) / np.linalg.norm(words, axis=1, keepdims=True))
    pairs = torch.from_numpy(words).reshape(num_classes, k, 2)
    return torch.view_as_complex(pairs).to(torch.complex64)


@lru_cache(maxsize=64)
def sent_words(num_classes: int, k: int, code: Code = "own") -> Tensor:
    """The words of `label_codebook`, with use t turned by the angle pi t^2 / k in all words.

    These are the phases of a Zadoff-Chu sequence. Distances stay the same; but without them most
    words are sinusoids over the subcarriers of OFDM, and their power adds up at one instant. The
    tensor is cached and shared: do not write into it.

    Shapes: [num_classes, k] complex64.
    Raises: ValueError as `label_codebook`.
    """
    turns = torch.arange(k).square() % (2 * k) / (2 * k)
    phases = torch.polar(torch.ones_like(turns), 2 * math.pi * turns)
    return label_codebook(num_classes, k, code) * phases


def _simplex_rows(count: int, k: int) -> NDArray[np.float64]:
    """Words [count, 2k], all pairs of which have equal correlation, from rows of a DFT."""
    frequency, energy = _spread_frequencies(count, k)
    turns = np.arange(count)[:, None] * frequency % count / count  # [count, k]
    pairs = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=-1)
    words: NDArray[np.float64] = (np.sqrt(energy)[:, None] * pairs).reshape(count, 2 * k)
    return words


def _spread_frequencies(count: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The frequency of each of k uses, and its energy.

    Every frequency gets one use; each further use goes to the frequency with the most energy per
    use.
    """
    energy = np.full(count // 2, 2.0)
    energy[-1] -= count % 2 == 0  # cos(pi m) is real: one dimension
    uses, given = np.ones(count // 2), list(range(count // 2))
    while len(given) < k:
        given.append(int((energy / uses).argmax()))
        uses[given[-1]] += 1
    of = np.array(given)
    return of + 1, (energy / uses)[of]


def _spherical_rows(count: int, k: int) -> NDArray[np.float64]:
    words = spherical_words(count, k)
    assert words is not None  # else it is another family
    return words


def _biorthogonal_rows(count: int, k: int) -> NDArray[np.float64]:
    rows = _dft_rows((count + 1) // 2, k)
    return np.stack([rows, -rows], axis=1).reshape(-1, 2 * k)[:count]


def _dft_rows(count: int, k: int) -> NDArray[np.float64]:
    """First `count` of the k rows of the DFT matrix and i times these, as pairs (re, im)."""
    row = np.arange(count)[:, None]
    turns = (row % k) * np.arange(k) / k + 0.25 * (row >= k)  # [count, k]
    pairs = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=-1)
    return pairs.reshape(count, 2 * k)


def _rm_order(k: int) -> int:
    """The largest m with 2^m <= 2k, at most MAX_RM_ORDER."""
    return min((2 * k).bit_length() - 1, MAX_RM_ORDER)


def _reed_muller_rows(count: int, k: int) -> NDArray[np.float64]:
    """`count` words of RM(2, m) as signs [count, 2k], repeated as often as a whole word fits.

    The dimensions beyond the last whole word stay silent.
    """
    m = _rm_order(k)
    points = (np.arange(2**m)[:, None] >> np.arange(m)) & 1  # [2^m, m]
    linear = (points @ points.T) & 1  # row a: a.v at all points v
    first_order = np.stack([linear, 1 - linear], axis=1).reshape(-1, 2**m)  # RM(1, m)
    num_cosets = -(-count // len(first_order))
    bits = [first_order ^ _quadratic_values(form, points) for form in _spread_forms(m, num_cosets)]
    signs = 1.0 - 2.0 * np.concatenate(bits)[:count]
    repeated = np.tile(signs, 2 * k // 2**m)
    return np.pad(repeated, ((0, 0), (0, 2 * k - repeated.shape[1])))


def _quadratic_values(form: int, points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Q(v) = sum of v_i v_j over the pairs i < j whose bit is set in `form`, at all points."""
    pairs = itertools.combinations(range(points.shape[1]), 2)
    kept = [points[:, i] & points[:, j] for bit, (i, j) in enumerate(pairs) if form >> bit & 1]
    return np.bitwise_xor.reduce(kept, axis=0) if kept else np.zeros(len(points), np.int64)


def _spread_forms(m: int, count: int) -> list[int]:
    """`count` quadratic forms, each as far in rank from all earlier ones as any form can be.

    The sum of two forms is the XOR of their bits, so one table of ranks serves all pairs.
    """
    ranks = _form_ranks(m)
    forms = np.arange(len(ranks))
    chosen = [0]  # RM(1, m) itself
    smallest = ranks.copy()  # rank distance of every form to the nearest chosen one
    while len(chosen) < count:
        best = int(smallest.argmax())
        chosen.append(best)
        smallest = np.minimum(smallest, ranks[forms ^ best])
    return chosen


@lru_cache(maxsize=MAX_RM_ORDER)
def _form_ranks(m: int) -> NDArray[np.int64]:
    """Rank over GF(2) of the alternating matrix of every form: [2^(m(m-1)/2)].

    Elimination on all forms at once; a matrix row is an integer of m bits.
    """
    pairs = list(itertools.combinations(range(m), 2))
    forms = np.arange(2 ** len(pairs))
    rows = np.zeros((len(forms), m), np.int64)
    for bit, (i, j) in enumerate(pairs):
        present = forms >> bit & 1
        rows[:, i] |= present << j
        rows[:, j] |= present << i
    rank = np.zeros(len(forms), np.int64)
    for column in range(m):
        has_one = rows >> column & 1  # [forms, m]
        pivot = has_one.argmax(axis=1)[:, None]
        pivot_row = np.take_along_axis(rows, pivot, axis=1) * has_one.any(axis=1, keepdims=True)
        rows ^= pivot_row * has_one  # clears the column, and the pivot row with it
        rank += has_one.any(axis=1)
    return rank


def _polar_rows(count: int, k: int) -> NDArray[np.float64]:
    """`count` polar words as signs [count, 2k], repeated cyclically; pairs are Gray QPSK."""
    bits = polar_words(count, _polar_length(k))
    repeated = bits.repeat(1, -(-2 * k // bits.shape[1]))[:, : 2 * k]
    return 1.0 - 2.0 * repeated.double().numpy()


def _polar_length(k: int) -> int:
    """The largest power of two up to 2k, at most 1024."""
    return min(1 << ((2 * k).bit_length() - 1), LONGEST_POLAR)


_FAMILIES: Final[Mapping[str, Callable[[int, int], NDArray[np.float64]]]] = {
    "simplex": _simplex_rows,
    "spherical": _spherical_rows,
    "orthogonal": _dft_rows,
    "biorthogonal": _biorthogonal_rows,
    "Reed-Muller": _reed_muller_rows,
    "polar": _polar_rows,
}
