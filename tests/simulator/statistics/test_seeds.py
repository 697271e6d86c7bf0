"""Student's t intervals over training runs."""

import numpy as np
import pytest
from scipy import stats

from simulator.statistics.intervals import mean_difference, mean_interval

A, B = np.array([0.720, 0.707, 0.712]), np.array([0.700, 0.714, 0.703, 0.706])


def test_difference_of_means_matches_scipy() -> None:
    expected = stats.ttest_ind(A, B).confidence_interval()
    assert mean_difference(A, B) == pytest.approx((A.mean() - B.mean(), *expected))


def test_mean_interval_matches_scipy() -> None:
    expected = stats.ttest_1samp(A, 0).confidence_interval()
    assert mean_interval(A) == pytest.approx(tuple(expected))


def test_identical_training_runs_have_zero_width_intervals() -> None:
    assert mean_difference(np.full(3, 0.75), np.full(3, 0.5)) == pytest.approx((0.25, 0.25, 0.25))


@pytest.mark.parametrize("few", [np.array([0.5]), np.ones((2, 2))])
def test_too_few_training_runs_raise_an_error(few: np.ndarray) -> None:
    with pytest.raises(ValueError, match="S at least 2"):
        mean_difference(A, few)
    with pytest.raises(ValueError, match="S at least 2"):
        mean_interval(few)
