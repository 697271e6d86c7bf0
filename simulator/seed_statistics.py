"""Statistics over trainings, each from a seed of its own: few values, normal ones."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simulator.statistics import Estimate, Interval


def mean_interval(values: NDArray[np.floating]) -> Interval:
    """Student's 95 % interval for the mean of a normal population, from two values or more.

    Shapes: values [S].
    Raises: ValueError if there are fewer.
    """
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"values must be [S] with S at least 2, got {list(values.shape)}")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    half = float(stats.t.ppf(0.975, values.size - 1)) * error
    return Interval(mean - half, mean + half)


def mean_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> Estimate:
    """Mean of a minus mean of b, with Student's 95 % interval for two samples.

    The populations are normal, have the same variance, and were sampled independently.
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
    half = float(stats.t.ppf(0.975, freedom)) * error
    return Estimate(value, value - half, value + half)
