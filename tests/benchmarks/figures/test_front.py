"""The figure of the front."""

import numpy as np
import pytest

from benchmarks.figures.front import apart


def test_near_values_are_moved_apart_and_far_ones_stay() -> None:
    values = np.array([3.0, 1.0, 1.0, 0.0, 1.001, 10.0])
    moved = apart(values, share=0.02)
    assert moved[[3, 0, 5]] == pytest.approx([0.0, 3.0, 10.0])  # nobody is near
    assert moved[[1, 2, 4]] == pytest.approx(np.array([-0.2, 0.0, 0.2]) + 3.001 / 3)
    assert np.diff(moved[[3, 1, 2, 4, 0, 5]]).min() >= 0.2 - 1e-12


def test_equal_values_have_no_range_to_be_moved_in() -> None:
    assert apart(np.array([2.0, 2.0])) == pytest.approx([2.0, 2.0])
