"""Coverage of the interval of a paired difference, simulated anew and as committed."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies.coverage import (
    DRAWS,
    IMAGES,
    POPULATIONS,
    coverage_at,
    differences_of,
    johnson,
    student,
    true_mean,
)
from benchmarks.studies.coverage import RUNS as STUDY_RUNS
from simulator.storage.environment import ROOT

RUNS = 1000
ERROR = (0.07 * 0.93 / RUNS) ** 0.5  # standard error of a coverage of 93 %
UPPER_ERROR = (0.01 * 0.99 / RUNS) ** 0.5  # and of 99 %
MANY = 500  # from this many images on, coverage also has an upper limit


@pytest.mark.slow
@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_interval_coverage_and_false_rejection_rate_are_nominal(
    name: str, images: int, draws: int
) -> None:
    """Coverage of 93 to 99 %, from 500 images on, within two standard errors."""
    found = coverage_at(name, images, draws, runs=RUNS, methods=["score"])
    assert found["score"] > 0.93 - 2 * ERROR
    if images >= MANY:
        assert found["score"] < 0.99 + 2 * UPPER_ERROR
    assert found.get("rejected", 0.0) < 0.07 + 2 * ERROR


def test_committed_coverage_is_within_the_stated_range() -> None:
    table = pd.read_csv(ROOT / "results/reference/coverage/coverage.csv")
    assert len(table) == len(POPULATIONS) * len(IMAGES) * len(DRAWS)
    assert table["runs"].eq(STUDY_RUNS).all()
    assert table["score"].min() >= 0.93
    assert table.loc[table["images"] >= MANY, "score"].max() <= 0.99
    assert table["rejected"].max() <= 0.07
    assert table["student"].min() < 0.6


@pytest.mark.parametrize(
    ("name", "images", "draws"), [("a in outage", 30, 1), ("2 % favour a by 0.9", 100, 20)]
)
def test_committed_table_is_reproduced(name: str, images: int, draws: int) -> None:
    table = pd.read_csv(ROOT / "results/reference/coverage/coverage.csv")
    rows = table.set_index(["population", "images", "draws"])
    anew = coverage_at(name, images, draws, runs=STUDY_RUNS)
    assert rows.loc[(name, images, draws), list(anew)].to_dict() == pytest.approx(anew)


@pytest.mark.parametrize("name", POPULATIONS)
def test_drawn_differences_have_the_mean_of_their_population(name: str) -> None:
    population, generator = POPULATIONS[name], np.random.default_rng(3)
    difference = differences_of(population, generator, 40_000, 5)
    error = difference.std() / 200
    assert abs(difference.mean() - true_mean(population)) < 4 * error


def test_student_and_johnson_intervals_match_hand_computed_values() -> None:
    seen = np.array([0.0, 0.0, 0.0, 1.0])  # mean 1/4, standard error 1/4, third moment 3/32
    half = 3.182446 * 0.25
    assert student(seen) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-6)
    shift = (3 / 32) / (6 * 4 * 3 / 16)
    assert johnson(seen) == pytest.approx((0.25 + shift - half, 0.25 + shift + half), abs=1e-6)
