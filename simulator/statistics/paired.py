"""Two schemes on the same images: intervals of differences and ratios, and paired tests."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.statistics.intervals import BISECTIONS, Estimate, Z


class _Pairs(NamedTuple):
    """Mean credits of two schemes: only the first, only the second, both at once."""

    only_a: float
    only_b: float
    both: float

    @property
    def swapped(self) -> "_Pairs":
        return _Pairs(self.only_b, self.only_a, self.both)


def paired_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> Estimate:
    """Mean of a - b over images, and its 95 % interval for the images' population.

    With credits of 0 and 1 it is Tango's score interval [1]: all D that a test of "p10 - p01 = D"
    does not reject, its variance taken under D; so many as p10 earn only a's credit. It does not
    collapse: when no image tells a from b it is -+Z^2 / (N + Z^2). Credits between 0 and 1 give p10
    as the mean of max(a - b, 0), p01 as that of max(b - a, 0), and an effective number of images
    (`_effective_pairs`). Simulated coverage is 95 to 98 %, and more (up to 99.7 %) where fewer than
    three images are expected to disagree, or few in single draws alone.

    Shapes: a, b [N], credits in [0, 1] of the same images in the same order.
    Raises: ValueError if they do not have one length.

    [1] Tango, Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, Statistics in Medicine 17, 1998.
    """
    pairs, value = _pairs(a, b), float(a.mean() - b.mean())
    number = _effective_pairs(a, b, pairs, ratio=1, shift=value)
    high = _end(lambda d: _excess_of_difference(pairs, number, d), value, 1)
    low = -_end(lambda d: _excess_of_difference(pairs.swapped, number, d), -value, 1)
    return Estimate(value, low, high)


def paired_ratio(a: NDArray[np.floating], b: NDArray[np.floating]) -> Estimate:
    """Mean of a over mean of b (retention), and its 95 % interval for the images' population.

    The score interval of the ratio of paired proportions [1], with an effective number as above.

    Shapes: a, b [N], credits in [0, 1] of the same images in the same order.
    Raises: ValueError if they do not have one length, or b earns nothing.

    [1] Nam and Blackwelder, Analysis of the ratio of marginal probabilities in a matched-pair
    setting, Statistics in Medicine 21, 2002.
    """
    pairs = _pairs(a, b)
    if not b.any():
        raise ValueError("b must have a credit above 0 for a ratio to it, but all are 0")
    value = float(a.mean() / b.mean())
    number = _effective_pairs(a, b, pairs, ratio=value, shift=0)
    high = _end_of_ratio(pairs, number, value)
    low = 1 / _end_of_ratio(pairs.swapped, number, 1 / value) if value > 0 else 0.0
    return Estimate(value, low, high)


def _pairs(a: NDArray[np.floating], b: NDArray[np.floating]) -> _Pairs:
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"a and b must be [N] with one length, got {a.shape} and {b.shape}")
    only_a, only_b = ((x - y).clip(min=0).mean() for x, y in ((a, b), (b, a)))
    return _Pairs(float(only_a), float(only_b), float(np.minimum(a, b).mean()))


def _effective_pairs(
    a: NDArray[np.floating], b: NDArray[np.floating], pairs: _Pairs, *, ratio: float, shift: float
) -> float:
    """How many images of credits 0 and 1 would say as much of a - ratio b, whose mean is `shift`.

    N times the variance that such images would have, over the variance of these. Half an image that
    only a has right and half a one that only b has right are counted with both, for images unlike
    those seen: else few that disagree in few draws would look like very many. Never below N.
    """
    unseen = ((1 - shift) ** 2 + (ratio + shift) ** 2) / 2
    squares = ((1 - shift) ** 2, (ratio + shift) ** 2, (1 - ratio - shift) ** 2)
    whole = float(np.dot(pairs, squares)) + (1 - sum(pairs)) * shift**2
    seen = float(np.square(a - ratio * b - shift).sum())
    return a.size * max(1.0, (a.size * whole + unseen) / (seen + unseen))


def _excess_of_difference(pairs: _Pairs, number: float, d: float) -> float:
    """By how much the squared error of a difference d exceeds what its own variance allows."""
    p10, p01, _ = pairs
    linear = (2 - p10 + p01) * d - p10 - p01  # of 2 q^2 + linear q - p01 d (1 - d) = 0
    q01 = (math.sqrt(max(linear**2 + 8 * p01 * d * (1 - d), 0.0)) - linear) / 4
    return number * (p10 - p01 - d) ** 2 - Z**2 * (2 * q01 + d * (1 - d))


def _excess_of_ratio(pairs: _Pairs, number: float, ratio: float) -> float:
    """The same for a ratio."""
    p10, p01, p11 = pairs
    a, b = p10 + p11, p01 + p11
    root = math.sqrt((a - ratio**2 * b) ** 2 + 4 * ratio**2 * p10 * p01)
    q10 = (ratio**2 * (b + 2 * p10) - a + root) / (2 * ratio * (ratio + 1))
    q01 = ratio * q10 - (ratio - 1) * (p10 + p01 + p11)
    return number * (a - ratio * b) ** 2 - Z**2 * ratio * (q10 + q01)


def _end_of_ratio(pairs: _Pairs, number: float, value: float) -> float:
    limit = 2 * value + 1
    while _excess_of_ratio(pairs, number, limit) <= 0:
        limit *= 2
    return _end(lambda ratio: _excess_of_ratio(pairs, number, ratio), value, limit)


def _end(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Where `excess` turns positive, by bisection."""
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside


def mcnemar(difference: NDArray[np.floating]) -> float:
    """Two-sided p-value for "neither scheme is better", from each image's mean difference.

    McNemar's test for several transmissions of each image [1]: (sum d)^2 / sum d^2 is about
    chi-squared with 1 degree of freedom. With one transmission it is McNemar's own statistic
    (b - c)^2 / (b + c), b and c the images that only one of the two schemes had right.

    Shapes: difference [N]. 1 if all are zero.

    [1] Obuchowski, On the comparison of correlated proportions for clustered data, 1998.
    """
    squares = float(np.square(difference).sum())
    if squares == 0:
        return 1.0
    return math.erfc(math.sqrt(float(difference.sum()) ** 2 / squares / 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several [Holm 1979]: rejecting at 5 % errs in 5 % of families."""
    p = np.array(p_values, dtype=np.float64)
    order, times = np.argsort(p, kind="stable"), len(p) - np.arange(len(p))
    p[order] = np.maximum.accumulate(np.minimum(1.0, times * p[order]))
    return [float(value) for value in p]
