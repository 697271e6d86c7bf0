"""95 % intervals of accuracies over images, over channel draws and over training runs."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from simulator.statistics.tally import Tally

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
BISECTIONS = 50  # an interval's end to 1e-15 of its range
_ROUNDING = 1e-9  # by which rounding may move a mean credit out of [0, 1]


class Interval(NamedTuple):
    """A 95 % confidence interval of a fraction."""

    low: float
    high: float


def wilson(p: float, n: float) -> Interval:
    """Wilson's score interval for a fraction `p` observed in `n` trials [1, eq. 4].

    It is the set of m with |p - m| <= Z sqrt(m (1 - m) / n), so it stays in [0, 1] and does not
    collapse at p = 0 or 1, where it is [0, Z^2 / (n + Z^2)] or its mirror image. `n` may be an
    effective number, which need not be an integer.

    Raises: ValueError if p is not in [0, 1] or n is not positive.

    [1] Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion, Stat. Sci. 16, 2001.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a fraction in [0, 1], got {p}")
    if not n > 0:
        raise ValueError(f"n must be a positive number of trials, got {n}")
    scale = 1 / (1 + Z**2 / n)
    centre = scale * (p + Z**2 / (2 * n))
    half = scale * Z * math.sqrt(p * (1 - p) / n + (Z / (2 * n)) ** 2)
    # Rounding must not move an end past p, nor away from 0 and 1.
    return Interval(
        low=min(float(p), max(0.0, centre - half)), high=max(float(p), min(1.0, centre + half))
    )


def accuracy_interval(image_credits: NDArray[np.floating], *, table_error: float = 0.0) -> Interval:
    """95 % interval for the mean credit of the population that the images were drawn from.

    The credit of an image is its mean over the realisations of the channel, because the images are
    independent draws from the population and the realisations are not. The hull of two intervals is
    returned.

    1. Wilson's with n_eff = p (1 - p) / Var(mean) in place of the N images, where Var(mean) is the
       sample variance of the credits over N. Credits of only 0 and 1 give n_eff = N. Other credits
       vary less, so n_eff is larger; it is at least N.
    2. The population may hold images unlike all those observed. Their share q is at most
       Z^2 / (N + Z^2), Wilson's bound for 0 in N, and their credit may be anything from 0 to 1, so
       the mean is in [p (1 - q), p + (1 - p) q].

    The second is inside the first for credits of 0 and 1. It is needed if nearly all credits are
    equal, because the sample variance then says little: in outage every credit is 1 / classes and
    n_eff is infinite. With credits of 0 and 1 the coverage is Wilson's own, which dips to 84 % if
    0.2 images of the rarer kind are expected [1].

    `table_error` is an additional standard error of the mean, from error rates that were measured
    beforehand: the squared distance of each end from p grows by (Z table_error)^2 [2].

    Shapes: image_credits [N], each in [0, 1].
    Raises: ValueError if the credits have another shape or leave [0, 1].

    [1] Brown, Cai and DasGupta, as for `wilson`.
    [2] Zou and Donner, Construction of Confidence Limits about Effect Measures, Stat. Med. 2008.
    """
    values = np.asarray(image_credits, dtype=np.float64)
    if values.ndim != 1 or values.size < 1:
        raise ValueError(
            f"image_credits must be [N] with at least one image, got {list(values.shape)}"
        )
    if not (values >= -_ROUNDING).all() or not (values <= 1 + _ROUNDING).all():
        raise ValueError(
            f"image_credits must be in [0, 1], got {values.min()} to {values.max()}; "
            "divide by the number of realisations"
        )
    p = float(values.mean().clip(0, 1))
    own = _hull(p, effective_images(values), values.size)
    return Interval(
        low=max(0.0, p - math.hypot(p - own.low, Z * table_error)),
        high=min(1.0, p + math.hypot(own.high - p, Z * table_error)),
    )


def channel_interval(tally: Tally) -> Interval:
    """95 % interval for the accuracy on these images over all draws of the channel.

    The credit of image i varies from draw to draw with variance s_i^2, independently of the other
    images. The interval is Wilson's with n_eff = p (1 - p) / (sum s_i^2 / (N^2 R)),
    widened for rare draws as in `accuracy_interval`. A single draw gives no estimate of s_i^2: then
    the largest possible value is used, and the interval is wider than necessary.
    """
    p = min(max(tally.correct / tally.transmissions, 0.0), 1.0)
    if tally.realizations == 1:
        return wilson(p, tally.transmissions)
    scale = tally.realizations / (tally.realizations - 1)
    own = scale * (tally.squared_credits - tally.credits_of_images**2).clip(min=0)
    variance = float(own.mean()) / tally.transmissions
    if p in (0.0, 1.0):
        effective = float(tally.transmissions)
    else:
        effective = p * (1 - p) / variance if variance > 0 else math.inf
    return _hull(p, max(effective, tally.transmissions), tally.transmissions)


def _hull(p: float, effective: float, number: int) -> Interval:
    """Hull of Wilson's interval with n_eff and the bound for what `number` trials did not show."""
    sampled = wilson(p, effective)
    unseen = Z**2 / (number + Z**2)
    return Interval(
        low=min(sampled.low, p * (1 - unseen)), high=max(sampled.high, p + (1 - p) * unseen)
    )


def effective_images(image_credits: NDArray[np.float64]) -> float:
    """n_eff = p (1 - p) / Var(mean): the number of 0-1 credits with the same variance of the mean.

    At least N; infinite if all credits are equal and neither 0 nor 1. Shapes: image_credits [N].
    """
    number, p = image_credits.size, float(image_credits.mean().clip(0, 1))
    if p in (0.0, 1.0) or number == 1:
        return float(number)
    variance_of_mean = float(image_credits.var(ddof=1)) / number
    if variance_of_mean == 0:
        return math.inf
    return max(float(number), p * (1 - p) / variance_of_mean)


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def mean_interval(values: NDArray[np.floating]) -> Interval:
    """Student's 95 % interval for the mean of a normal population, from two values or more.

    Shapes: values [S].
    Raises: ValueError if there are fewer.
    """
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"values must be [S] with S at least 2, got {list(values.shape)}")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    half = float(special.stdtrit(values.size - 1, 0.975)) * error
    return Interval(mean - half, mean + half)


def mean_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> Estimate:
    """Mean of a minus mean of b, with Student's 95 % interval for two samples.

    It assumes normal populations of equal variance, sampled independently.
    Shapes: a [S], b [T].
    Raises: ValueError if either has fewer than two values.
    """
    if a.ndim != 1 or b.ndim != 1 or min(a.size, b.size) < 2:
        raise ValueError(
            f"a and b must be [S] with S at least 2, got {list(a.shape)} and {list(b.shape)}"
        )
    value, freedom = float(a.mean() - b.mean()), a.size + b.size - 2
    variance = (a.size * a.var() + b.size * b.var()) / freedom
    error = math.sqrt(variance * (1 / a.size + 1 / b.size))
    half = float(special.stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - half, value + half)
