"""Two schemes on the same images: intervals of differences and ratios, and paired tests.

The interval and the p-value of a difference follow from one score test: a mean m is rejected if N
(mean of d - m)^2 > Z^2 V(m), where V(m) is the variance of the most likely distribution with mean
m. This distribution puts weights on the observed differences [1]. If these would have to be tilted
too far, it also puts weight on an image that only one scheme classifies correctly, as such images
may exist in the population. V(m) therefore increases in the direction in which few images with
large differences determine the mean, as the error of the mean does.

[1] Owen, Empirical likelihood ratio confidence intervals for a single functional, Biometrika 75,
    1988.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from simulator.statistics.intervals import BISECTIONS, Estimate, Z

_LEAST = 1e-12  # smaller mean differences are 0; keeps the weight of a difference of 1 finite


class _Pairs(NamedTuple):
    """Mean credit that only scheme a has, that only scheme b has, and that both have."""

    only_a: float
    only_b: float
    both: float

    @property
    def swapped(self) -> "_Pairs":
        return _Pairs(self.only_b, self.only_a, self.both)


class _Differences(NamedTuple):
    """Distinct differences, in [-1, 1], their shares of the images, and the number of images."""

    values: NDArray[np.float64]
    shares: NDArray[np.float64]
    images: int

    @property
    def mean(self) -> float:
        return float(self.values @ self.shares)

    @property
    def turned(self) -> "_Differences":
        return self._replace(values=-self.values)


def paired_difference(
    a: NDArray[np.floating], b: NDArray[np.floating], *, table_error: float = 0.0
) -> Estimate:
    """Mean of a - b over images, and its 95 % interval for the images' population.

    The interval holds all means that the score test of this module does not reject. With credits of
    0 and 1 it is Tango's interval [1]. It does not collapse: if a and b are equal on all images, it
    is +-Z^2 / (N + Z^2), which is wide for few images.

    `table_error` is an additional standard error of the mean, from error rates that were measured
    beforehand: V(m) grows by N times its square.

    Shapes: a, b [N], credits in [0, 1] of the same images in the same order.
    Raises: ValueError if they do not have one length.

    [1] Tango, Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, Statistics in Medicine 17, 1998.
    """
    _check_pairs(a, b)
    seen = _differences(a - b)
    low, high = (_highest(own, table_error) for own in (seen.turned, seen))
    return Estimate(float(a.mean() - b.mean()), -low, high)


def paired_p_value(difference: NDArray[np.floating], *, table_error: float = 0.0) -> float:
    """Two-sided p-value for "neither scheme is better", from each image's mean difference.

    The score test of this module at m = 0, so it is below 5 % if the interval excludes 0. With one
    transmission of each image it is McNemar's test, (b - c)^2 / (b + c), where b and c count the
    images that only one scheme classifies correctly. `table_error` is as in `paired_difference`.

    Shapes: difference [N]. The p-value is 1 if the mean is 0.
    """
    seen = _differences(difference)
    seen = seen.turned if seen.mean > 0 else seen
    if abs(seen.mean) < _LEAST:
        return 1.0
    _, variance = _tilted(seen, brentq(lambda tilt: _tilted(seen, tilt)[0], 0, 2, xtol=_LEAST))
    variance += seen.images * table_error**2
    return math.erfc(math.sqrt(seen.images * seen.mean**2 / variance / 2))


def _differences(difference: NDArray[np.floating]) -> _Differences:
    rounded = difference.astype(np.float64).round(12)  # 0.95 - 0.9 is 0.1 - 0.05
    values, counts = np.unique(rounded, return_counts=True)
    return _Differences(values, counts / difference.size, difference.size)


def _highest(seen: _Differences, table_error: float) -> float:
    """The highest mean that the score test does not reject."""

    def excess(tilt: float) -> float:
        mean, variance = _tilted(seen, tilt)
        variance += seen.images * table_error**2
        return seen.images * (mean - seen.mean) ** 2 - Z**2 * variance

    if excess(2) <= 0:
        return 1.0
    least = 0 if seen.values.size > 1 else 1 + _LEAST  # a single value cannot be tilted
    return _tilted(seen, brentq(excess, least, 2, xtol=_LEAST))[0]


def _tilted(seen: _Differences, tilt: float) -> tuple[float, float]:
    """Mean and variance of the most likely distribution with a mean above the observed one.

    A tilt from 0 to 1 weights an observed difference d by 1 / (1 - tilt d). Above 1, the share
    tilt - 1 falls on an unobserved difference of 1.
    """
    weights = seen.shares / (1 - min(tilt, 1) * seen.values).clip(min=_LEAST)
    weights /= weights.sum()
    unseen = max(tilt - 1, 0.0)
    mean = float(weights @ seen.values)
    within = float(weights @ (seen.values - mean) ** 2)
    between = unseen * (1 - mean) ** 2
    return mean + unseen * (1 - mean), (1 - unseen) * (within + between)


def paired_ratio(a: NDArray[np.floating], b: NDArray[np.floating]) -> Estimate:
    """Mean of a over mean of b (retention), and its 95 % interval for the images' population.

    The score interval of the ratio of paired proportions [1], with an effective number of images
    for credits between 0 and 1.

    Shapes: a, b [N], credits in [0, 1] of the same images in the same order.
    Raises: ValueError if they do not have one length, or all credits of b are 0.

    [1] Nam and Blackwelder, Analysis of the ratio of marginal probabilities in a matched-pair
    setting, Statistics in Medicine 21, 2002.
    """
    pairs = _pairs(a, b)
    if not b.any():
        raise ValueError("b must have a credit above 0 for a ratio to it, but all are 0")
    value = float(a.mean() / b.mean())
    number = _effective_pairs(a, b, pairs, value)
    high = _end_of_ratio(pairs, number, value)
    low = 1 / _end_of_ratio(pairs.swapped, number, 1 / value) if value > 0 else 0.0
    return Estimate(value, low, high)


def _check_pairs(a: NDArray[np.floating], b: NDArray[np.floating]) -> None:
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"a and b must be [N] with one length, got {a.shape} and {b.shape}")


def _pairs(a: NDArray[np.floating], b: NDArray[np.floating]) -> _Pairs:
    _check_pairs(a, b)
    only_a, only_b = ((x - y).clip(min=0).mean() for x, y in ((a, b), (b, a)))
    return _Pairs(float(only_a), float(only_b), float(np.minimum(a, b).mean()))


def _effective_pairs(
    a: NDArray[np.floating], b: NDArray[np.floating], pairs: _Pairs, ratio: float
) -> float:
    """The number of images with credits 0 and 1 that would estimate a - ratio b as precisely.

    N times the variance that such images would have, over the observed variance; at least N. Half
    an image that only a classifies correctly and half an image that only b does are added to both
    variances, for images unlike those observed: otherwise a few images that disagree in a few draws
    would count as very many.
    """
    unseen = (1 + ratio**2) / 2
    whole = float(np.dot(pairs, (1, ratio**2, (1 - ratio) ** 2)))
    seen = float(np.square(a - ratio * b).sum())
    return a.size * max(1.0, (a.size * whole + unseen) / (seen + unseen))


def _excess_of_ratio(pairs: _Pairs, number: float, ratio: float) -> float:
    """The squared error of a ratio minus its limit; the score test rejects if it is positive."""
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
    """The value between two others at which `excess` turns positive, by bisection."""
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's method [1979]: 5 % is then the family-wise error rate."""
    p = np.array(p_values, dtype=np.float64)
    order, times = np.argsort(p, kind="stable"), len(p) - np.arange(len(p))
    p[order] = np.maximum.accumulate(np.minimum(1.0, times * p[order]))
    return [float(value) for value in p]
