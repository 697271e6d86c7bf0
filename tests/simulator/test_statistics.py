"""Intervals: values by hand, the ends of the range, and how often they cover the truth."""

import math

import numpy as np
import pytest
from scipy.stats import betabinom, binomtest, chi2

from simulator.outcomes import Tally
from simulator.statistics import (
    Interval,
    accuracy_interval,
    channel_interval,
    effective_images,
    holm,
    mcnemar,
    paired_difference,
    paired_ratio,
    wilson,
)

Z2 = 1.959963984540054**2
RUNS = 2000


def test_wilson_by_hand() -> None:
    # p = 0.5, n = 100: centre 0.5, half = 1.96 / (1 + 0.0384146) * sqrt(0.0025 + 0.00009603652)
    assert wilson(0.5, 100) == pytest.approx(Interval(0.4038315, 0.5961685), abs=1e-7)
    # p = 0.9, n = 10: centre (0.9 + 0.19207) / 1.38415, half = 1.96 / 1.38415 sqrt(0.009 + 0.0096)
    assert wilson(0.9, 10) == pytest.approx(Interval(0.5958500, 0.9821238), abs=1e-6)


def test_wilson_ends_solve_its_equation() -> None:
    for p, n in ((0.01, 500.0), (0.3, 77.7), (0.999, 5000.0)):
        for m in wilson(p, n):
            assert (p - m) ** 2 == pytest.approx(Z2 * m * (1 - m) / n)


@pytest.mark.parametrize("n", [1, 10, 500, 5000, 10**9])
def test_intervals_of_none_and_of_all(n: int) -> None:
    end = Z2 / (n + Z2)
    assert wilson(0, n) == pytest.approx(Interval(0, end))
    assert wilson(1, n) == pytest.approx(Interval(1 - end, 1))
    assert wilson(0, n).low == 0
    assert wilson(1, n).high == 1
    if n <= 5000:
        assert accuracy_interval(np.zeros(n)) == pytest.approx(wilson(0, n))
        assert accuracy_interval(np.ones(n)) == pytest.approx(wilson(1, n))


@pytest.mark.parametrize("correct", [1, 7, 250, 493, 499])
def test_credits_of_0_and_1_give_wilson_with_all_images(correct: int) -> None:
    credits_seen = np.arange(500) < correct
    assert effective_images(credits_seen.astype(float)) == 500
    assert accuracy_interval(credits_seen.astype(float)) == pytest.approx(
        wilson(correct / 500, 500)
    )


def test_effective_images_by_hand() -> None:
    # mean 0.5; squared deviations 4 * 0.0625, sample variance 0.25 / 3, of the mean 0.25 / 12
    assert effective_images(np.array([0.25, 0.25, 0.75, 0.75])) == pytest.approx(12)
    # mean 0.5, deviations 0.5: 0.25 / (1 / 3 / 4) = 3, raised to the 4 images
    assert effective_images(np.array([0.0, 0.0, 1.0, 1.0])) == 4
    assert effective_images(np.full(8, 0.25)) == math.inf
    assert effective_images(np.array([0.25])) == 1


def test_equal_credits_allow_for_images_not_seen() -> None:
    # In outage every image earns 1 / 10. Up to q of the images may be others, of credit 0 or 1.
    q = Z2 / (500 + Z2)
    assert accuracy_interval(np.full(500, 0.1)) == pytest.approx(
        Interval(0.1 * (1 - q), 0.1 + 0.9 * q)
    )
    nearly = np.full(500, 0.1)
    nearly[3] += 1e-12  # as from another order of additions
    assert accuracy_interval(nearly) == pytest.approx(accuracy_interval(np.full(500, 0.1)))


def test_realisations_that_agree_add_nothing_and_others_narrow() -> None:
    rng = np.random.default_rng(5)
    same = np.repeat(rng.random((400, 1)) < 0.6, 10, axis=1).mean(axis=1)
    assert accuracy_interval(same) == pytest.approx(wilson(float(same.mean()), 400))
    independent = (rng.random((400, 10)) < 0.6).mean(axis=1)
    width = np.ptp(accuracy_interval(independent))
    # n_eff = 4000 with a relative deviation of sqrt(2 / 399), as of any sample variance
    assert width / np.ptp(wilson(0.6, 4000)) == pytest.approx(1, abs=4 * math.sqrt(0.5 / 399))


@pytest.mark.parametrize("spread", [0.5, 3.0])
@pytest.mark.parametrize("realizations", [1, 5])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.99])
@pytest.mark.parametrize(("images", "low", "high"), [(5000, 0.93, 0.97), (500, 0.92, 0.98)])
def test_coverage(
    images: int, low: float, high: float, p: float, realizations: int, spread: float
) -> None:
    """The truth is p, the mean over the population that the images of every run are drawn from.

    Image i succeeds with probability p_i ~ Beta(p * spread, (1 - p) * spread) in each realisation
    apart, so its number of successes is beta-binomial, and how many images have how many is
    multinomial. Over 2,000 runs a coverage of 95 % has a standard error of 0.5 %.
    """
    rng = np.random.default_rng(11)
    successes = np.arange(realizations + 1)
    chances = betabinom.pmf(successes, realizations, p * spread, (1 - p) * spread)
    counts = rng.multinomial(images, chances / chances.sum(), size=RUNS)
    runs = (np.repeat(successes / realizations, number) for number in counts)
    covered = sum(found.low <= p <= found.high for found in map(accuracy_interval, runs))
    assert low <= covered / RUNS <= high


def test_nearly_equal_credits_are_covered_where_n_eff_alone_would_fail() -> None:
    rng = np.random.default_rng(12)
    chances = betabinom.pmf(np.arange(21), 20, 0.001, 0.999)
    counts = rng.multinomial(500, chances / chances.sum(), size=RUNS)
    runs = [np.repeat(np.arange(21) / 20, number) for number in counts]
    plain = [wilson(float(run.mean()), effective_images(run)) for run in runs]
    hull = [accuracy_interval(run) for run in runs]
    assert sum(found.low <= 0.001 <= found.high for found in plain) < 0.90 * RUNS
    assert sum(found.low <= 0.001 <= found.high for found in hull) > 0.93 * RUNS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one image, got \\[0\\]"),
        ([[0.5]], "got \\[1, 1\\]"),
        ([0.5, 5.0], "got 0.5 to 5.0; divide by the number of realisations"),
        ([0.5, -0.1], "got -0.1 to 0.5"),
        ([0.5, math.nan], "must be in"),
    ],
)
def test_wrong_credits_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_interval(np.array(values))


@pytest.mark.parametrize(
    ("p", "n"), [(-0.1, 5), (1.1, 5), (math.nan, 5), (0.5, 0), (0.5, math.nan)]
)
def test_wrong_fractions_are_refused(p: float, n: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        wilson(p, n)


def test_paired_difference_uses_the_pairing() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(2000) < 0.5
    better = np.where(rng.random(2000) < 0.02, 1.0, hard.astype(float))
    found = paired_difference(better, hard.astype(float), seed=1)
    assert found.value == pytest.approx(better.mean() - hard.mean())
    assert 0 < found.low < found.value < found.high < 0.02  # unpaired: +- 0.03
    shuffled = paired_difference(rng.permutation(better), hard.astype(float), seed=1)
    assert shuffled.low < 0 < shuffled.high


def test_paired_bootstrap_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for run in range(400):
        teacher = rng.random(500) < 0.8
        student = np.where(rng.random(500) < 0.9, teacher, rng.random(500) < 0.5)
        ratio = paired_ratio(student.astype(float), teacher.astype(float), seed=run, resamples=1000)
        truth = (0.9 * 0.8 + 0.1 * 0.5) / 0.8
        inside += ratio.low <= truth <= ratio.high
    assert 0.92 <= inside / 400 <= 0.98


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError, match="one length"):
        paired_difference(np.zeros(3), np.zeros(4), seed=0)


@pytest.mark.parametrize("realizations", [2, 5, 20])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.99])
def test_channel_interval_covers_the_accuracy_on_these_images(p: float, realizations: int) -> None:
    """The images are fixed, each with a chance of its own; only the draws differ between runs."""
    rng = np.random.default_rng(13)
    chances = rng.beta(p, 1 - p, size=1000)
    truth, covered, narrower = chances.mean(), 0, 0
    for right in rng.binomial(realizations, chances, size=(RUNS // 2, 1000)):
        tally = Tally(right, np.zeros(1000, np.int64), realizations, 10)
        found = channel_interval(tally)
        covered += found.low <= truth <= found.high
        narrower += np.ptp(found) < np.ptp(accuracy_interval(tally.credits_of_images))
    assert 0.93 <= covered / (RUNS // 2) <= (0.985 if p != 0.5 else 0.97)
    assert narrower > 0.9 * (RUNS // 2)


def test_channel_interval_of_one_draw_is_wide_enough() -> None:
    tally = Tally(np.array([1, 1, 0, 0]), np.zeros(4, np.int64), 1, 10)
    assert channel_interval(tally) == wilson(0.5, 4)


def test_mcnemar_of_single_transmissions_is_the_textbook_one() -> None:
    difference = np.array([1.0] * 30 + [-1.0] * 12 + [0.0] * 900)
    assert mcnemar(difference) == pytest.approx(chi2.sf((30 - 12) ** 2 / 42, 1))
    assert mcnemar(difference) == pytest.approx(binomtest(30, 42).pvalue, rel=0.5)
    assert mcnemar(np.zeros(5)) == 1


def test_mcnemar_errs_as_often_as_it_says() -> None:
    rng = np.random.default_rng(14)
    chance = rng.beta(1, 1, size=(RUNS, 300))
    a, b = (rng.binomial(5, chance) / 5 for _ in range(2))  # equal schemes, five draws of each
    rejected = [mcnemar(difference) < 0.05 for difference in a - b]
    assert 0.035 < np.mean(rejected) < 0.065


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
