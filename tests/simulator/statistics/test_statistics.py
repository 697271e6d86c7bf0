"""Confidence intervals: hand-calculated values, limiting cases and coverage."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, minimize
from scipy.stats import betabinom, chi2, dirichlet_multinomial, poisson

from simulator.statistics.intervals import (
    Interval,
    Z,
    accuracy_interval,
    channel_interval,
    effective_images,
    wilson,
)
from simulator.statistics.paired import (
    holm,
    paired_difference,
    paired_p_value,
    paired_ratio,
)
from simulator.statistics.tally import Tally

Z2 = 1.959963984540054**2
RUNS = 2000
Credits = NDArray[np.float64]
Outcomes = tuple[NDArray[np.int64], Credits]


def test_wilson_by_hand() -> None:
    # p = 0.5, n = 100: centre 0.5, half = 1.96 / (1 + 0.0384146) * sqrt(0.0025 + 0.00009603652)
    assert wilson(0.5, 100) == pytest.approx(Interval(0.4038315, 0.5961685), abs=1e-7)
    # p = 0.9, n = 10: centre (0.9 + 0.19207) / 1.38415, half = 1.96 / 1.38415 sqrt(0.009 + 0.0096)
    assert wilson(0.9, 10) == pytest.approx(Interval(0.5958500, 0.9821238), abs=1e-6)


def test_wilson_bounds_solve_the_wilson_equation() -> None:
    for p, n in ((0.01, 500.0), (0.3, 77.7), (0.999, 5000.0)):
        for m in wilson(p, n):
            assert (p - m) ** 2 == pytest.approx(Z2 * m * (1 - m) / n)


@pytest.mark.parametrize("n", [1, 10, 500, 5000, 10**9])
def test_intervals_with_none_or_all_correct(n: int) -> None:
    end = Z2 / (n + Z2)
    assert wilson(0, n) == pytest.approx(Interval(0, end))
    assert wilson(1, n) == pytest.approx(Interval(1 - end, 1))
    assert wilson(0, n).low == 0
    assert wilson(1, n).high == 1
    if n <= 5000:
        assert accuracy_interval(np.zeros(n)) == pytest.approx(wilson(0, n))
        assert accuracy_interval(np.ones(n)) == pytest.approx(wilson(1, n))


@pytest.mark.parametrize("correct", [1, 7, 250, 493, 499])
def test_binary_credits_give_the_wilson_interval(correct: int) -> None:
    credits_seen = np.arange(500) < correct
    assert effective_images(credits_seen.astype(float)) == 500
    assert accuracy_interval(credits_seen.astype(float)) == pytest.approx(
        wilson(correct / 500, 500)
    )


def test_effective_images_by_hand() -> None:
    # mean 0.5; squared deviations 4 * 0.0625, sample variance 0.25 / 3, of the mean 0.25 / 12
    assert effective_images(np.array([0.25, 0.25, 0.75, 0.75])) == pytest.approx(12)
    # mean 0.5, deviations 0.5: 0.25 / (1 / 3 / 4) = 3, raised to the number of images, 4
    assert effective_images(np.array([0.0, 0.0, 1.0, 1.0])) == 4
    assert effective_images(np.full(8, 0.25)) == math.inf
    assert effective_images(np.array([0.25])) == 1


def test_equal_credits_allow_for_unseen_images() -> None:
    # In outage every image has credit 1 / 10. A share of up to q may be unseen, with credit 0 or 1.
    q = Z2 / (500 + Z2)
    assert accuracy_interval(np.full(500, 0.1)) == pytest.approx(
        Interval(0.1 * (1 - q), 0.1 + 0.9 * q)
    )
    nearly = np.full(500, 0.1)
    nearly[3] += 1e-12  # as from another order of summation
    assert accuracy_interval(nearly) == pytest.approx(accuracy_interval(np.full(500, 0.1)))


def test_only_independent_realisations_narrow_the_interval() -> None:
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
def test_accuracy_interval_coverage(
    images: int, low: float, high: float, p: float, realizations: int, spread: float
) -> None:
    """The true value is p, the mean over the population from which each run draws its images.

    Image i succeeds with probability p_i ~ Beta(p * spread, (1 - p) * spread), independently in
    each realisation, so its number of successes is beta-binomial, and the counts of images by
    number of successes are multinomial. Over 2,000 runs a coverage of 95 % has a standard error
    of 0.5 %.
    """
    rng = np.random.default_rng(11)
    successes = np.arange(realizations + 1)
    chances = betabinom.pmf(successes, realizations, p * spread, (1 - p) * spread)
    counts = rng.multinomial(images, chances / chances.sum(), size=RUNS)
    runs = (np.repeat(successes / realizations, number) for number in counts)
    covered = sum(found.low <= p <= found.high for found in map(accuracy_interval, runs))
    assert low <= covered / RUNS <= high


def test_nearly_equal_credits_are_covered_where_plain_n_eff_fails() -> None:
    rng = np.random.default_rng(12)
    chances = betabinom.pmf(np.arange(21), 20, 0.001, 0.999)
    counts = rng.multinomial(500, chances / chances.sum(), size=RUNS)
    runs = [np.repeat(np.arange(21) / 20, number) for number in counts]
    plain = [wilson(float(run.mean()), effective_images(run)) for run in runs]
    hull = [accuracy_interval(run) for run in runs]
    assert sum(found.low <= 0.001 <= found.high for found in plain) < 0.90 * RUNS
    assert sum(found.low <= 0.001 <= found.high for found in hull) > 0.93 * RUNS


def test_table_error_widens_an_interval_in_quadrature() -> None:
    seen = (np.arange(500) < 300).astype(float)
    plain, wide = accuracy_interval(seen), accuracy_interval(seen, table_error=0.02)
    for before, after in zip(plain, wide, strict=True):
        assert abs(after - 0.6) == pytest.approx(math.hypot(before - 0.6, 1.959964 * 0.02))
    assert accuracy_interval(np.ones(500), table_error=0.02).high == 1


@pytest.mark.parametrize("images", [500, 5000])
def test_interval_coverage_with_a_measured_block_error_rate(images: int) -> None:
    """The rate, measured on 1,000 blocks, determines how many images of the sweep arrive."""
    rng, rate = np.random.default_rng(14), 0.2
    covered = {0.0: 0, 1.0: 0}
    for _ in range(RUNS):
        measured = rng.binomial(1000, rate) / 1000
        seen = (rng.random(images) >= measured).astype(float)
        error = math.sqrt(measured * (1 - measured) / 1000)
        for factor in covered:
            low, high = accuracy_interval(seen, table_error=factor * error)
            covered[factor] += low <= 1 - rate <= high
    assert 0.935 < covered[1.0] / RUNS < 0.965
    assert covered[0.0] / RUNS < (0.92 if images == 500 else 0.65)


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
def test_invalid_credits_raise_an_error(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_interval(np.array(values))


@pytest.mark.parametrize(
    ("p", "n"), [(-0.1, 5), (1.1, 5), (math.nan, 5), (0.5, 0), (0.5, math.nan)]
)
def test_invalid_wilson_arguments_raise_an_error(p: float, n: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        wilson(p, n)


def pairs_of(only_a: int, only_b: int, both: int, neither: int) -> tuple[Credits, Credits]:
    """Credits of 0 and 1 for these numbers of images."""
    counts = (only_a, only_b, both, neither)
    return np.repeat([1.0, 0.0, 1.0, 0.0], counts), np.repeat([0.0, 1.0, 1.0, 0.0], counts)


def test_paired_difference_uses_the_pairing() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(2000) < 0.5
    better = np.where(rng.random(2000) < 0.02, 1.0, hard.astype(float))
    found = paired_difference(better, hard.astype(float))
    assert found.value == pytest.approx(better.mean() - hard.mean())
    assert 0 < found.low < found.value < found.high < 0.02  # unpaired: +- 0.03
    shuffled = paired_difference(rng.permutation(better), hard.astype(float))
    assert shuffled.low < 0 < shuffled.high


def constrained_variance(counts: Sequence[int], weights: Sequence[float], mean: float) -> float:
    """Variance of sum(weights * cells) for the most likely cells that give mean `mean`."""
    seen, of = np.array(counts) / sum(counts), np.array(weights)
    limits = LinearConstraint(np.array([np.ones(4), of]), [1, mean], [1, mean])

    def unlikeliness(cells: Credits, *_: object) -> float:
        return float(-seen @ np.log(cells))

    start, bounds = np.full(4, 0.25), Bounds(1e-9, 1.0)
    found = minimize(unlikeliness, start, bounds=bounds, constraints=limits, tol=1e-13)
    return float(found.x @ of**2 - mean**2)


@pytest.mark.parametrize("counts", [(3, 7, 30, 10), (12, 2, 5, 31), (1, 1, 40, 8)])
def test_paired_interval_bounds_are_where_the_score_test_rejects(
    counts: tuple[int, int, int, int],
) -> None:
    a, b = pairs_of(*counts)
    found = paired_difference(a, b)
    for end in (found.low, found.high):
        variance = constrained_variance(counts, (1, -1, 0, 0), end)
        assert (found.value - end) ** 2 == pytest.approx(Z2 * variance / 50, rel=1e-4)
    ratio = paired_ratio(a, b)
    for end in (ratio.low, ratio.high):
        variance = constrained_variance(counts, (1, -end, 1 - end, 0), 0)
        assert (a.mean() - end * b.mean()) ** 2 == pytest.approx(Z2 * variance / 50, rel=1e-4)


@pytest.mark.parametrize("n", [1, 500, 5000])
def test_paired_intervals_of_identical_results_do_not_collapse(n: int) -> None:
    end = Z2 / (n + Z2)
    assert paired_difference(np.zeros(n), np.zeros(n)) == pytest.approx((0, -end, end))
    assert paired_difference(np.full(n, 0.1), np.full(n, 0.1)) == pytest.approx((0, -end, end))
    assert paired_ratio(np.ones(n), np.ones(n)) == pytest.approx((1, 1 - end, 1 / (1 - end)))


def test_paired_intervals_match_wald_if_many_images_disagree() -> None:
    rng = np.random.default_rng(3)
    chance = rng.beta(2, 1, size=5000)
    a, b = rng.binomial(5, chance) / 5, rng.binomial(5, 0.9 * chance) / 5
    found, ratio = paired_difference(a, b), paired_ratio(a, b)
    half = math.sqrt(Z2 * float((a - b).var()) / 5000)
    assert found == pytest.approx((found.value, found.value - half, found.value + half), abs=1e-4)
    half = math.sqrt(Z2 * float((a - ratio.value * b).var()) / 5000) / float(b.mean())
    assert ratio == pytest.approx((ratio.value, ratio.value - half, ratio.value + half), abs=1e-3)


def test_swapping_schemes_mirrors_difference_and_ratio() -> None:
    a, b = np.array([1.0, 0.6, 0.2, 1.0] * 5), np.array([1.0, 0.4, 0.4, 0.2] * 5)
    found, back = paired_difference(a, b), paired_difference(b, a)
    assert back == pytest.approx((-found.value, -found.high, -found.low))
    ratio, other = paired_ratio(a, b), paired_ratio(b, a)
    assert other == pytest.approx((1 / ratio.value, 1 / ratio.high, 1 / ratio.low))
    assert paired_ratio(np.zeros(20), b)[:2] == (0, 0)
    assert 0 < paired_ratio(np.zeros(20), b).high < 1


def disagreements(only_a: float, only_b: float, realizations: int, spread: float) -> Outcomes:
    """Numbers of draws of an image that only a, and only b, gets right, and their probabilities.

    The probabilities of an image are Dirichlet with these means; otherwise both are right.
    """
    draws = [
        (i, j, realizations - i - j)
        for i in range(realizations + 1)
        for j in range(realizations + 1 - i)
    ]
    means = np.array([only_a, only_b, 1 - only_a - only_b])
    law = dirichlet_multinomial(means * spread, np.array(realizations))
    return np.array(draws), np.array([law.pmf(draw) for draw in draws])


@pytest.mark.parametrize("realizations", [1, 5])
@pytest.mark.parametrize(
    ("images", "only_a", "only_b", "low", "high"),
    [
        (5000, 0.001, 0.0005, 0.93, 0.975),
        (5000, 0.0001, 0.001, 0.93, 0.975),
        (500, 0.004, 0.002, 0.92, 0.995),
        (500, 0.01, 0.005, 0.92, 0.985),
    ],
)
def test_paired_coverage_where_few_images_disagree(
    images: int, only_a: float, only_b: float, low: float, high: float, realizations: int
) -> None:
    """Runs with equal counts of outcomes have equal intervals, so each is computed once."""
    rng = np.random.default_rng(15)
    draws, chances = disagreements(only_a, only_b, realizations, 0.5)
    counts = rng.multinomial(images, chances / chances.sum(), size=RUNS)
    difference, ratio = only_a - only_b, (1 - only_b) / (1 - only_a)
    covered = np.zeros(2)
    for number, times in zip(*np.unique(counts, axis=0, return_counts=True), strict=True):
        i, j, both = np.repeat(draws, number, axis=0).T / realizations
        found = paired_difference(i + both, j + both)
        covered[0] += times * (found.low <= difference <= found.high)
        found = paired_ratio(i + both, j + both)
        covered[1] += times * (found.low <= ratio <= found.high)
    assert (low <= covered / RUNS).all()
    assert (covered / RUNS <= high).all()


@pytest.mark.parametrize("expected", [1.8, 2.7, 4.3, 5.9])
def test_paired_coverage_with_a_few_outlier_images(expected: float) -> None:
    """One scheme is always in outage, the other seldom wrong: nearly all differences are 0.9."""
    chances = poisson.pmf(np.arange(40), expected)
    outage, covered = np.full(500, 0.1), 0.0
    for wrong, chance in enumerate(chances):
        found = paired_difference(np.repeat([0.0, 1.0], [wrong, 500 - wrong]), outage)
        covered += chance * (found.low <= 0.9 - expected / 500 <= found.high)
    assert covered > 0.92


UNEVEN = [
    [1.0] * 3 + [-0.05] * 90,  # few images favour a strongly, all others b slightly
    [0.3, 0.1, -0.2, 0.0, 0.6, -0.1] * 7,
    [-0.02] * 40,
    [0.9] * 38 + [-0.1] * 2,
]


@pytest.mark.parametrize("seen", UNEVEN)
def test_bounds_for_any_credits_are_where_the_score_test_rejects(seen: list[float]) -> None:
    """The most likely distribution on the values seen, -1 and 1, by a general optimiser."""
    difference = np.array(seen)
    found = paired_difference(difference.clip(min=0), (-difference).clip(min=0))
    values = np.unique([*seen, -1, 1])
    shares = np.array([(difference == value).mean() for value in values])
    for end in (found.low, found.high):
        cells = likeliest(shares, values, end)
        variance = cells @ values**2 - end**2
        error = (found.value - end) ** 2
        assert error == pytest.approx(Z2 * variance / len(seen), rel=1e-3)


def likeliest(shares: Credits, values: Credits, mean: float) -> Credits:
    """The most likely shares for which the values have this mean."""
    limits = LinearConstraint(np.array([np.ones(len(values)), values]), [1, mean], [1, mean])
    own = shares > 0

    def unlikeliness(cells: Credits, *_: object) -> float:
        return float(-shares[own] @ np.log(cells[own]))

    start = np.full(len(values), 1 / len(values))
    bounds = Bounds(np.where(own, 1e-9, 0.0), np.ones(len(values)))
    found = minimize(unlikeliness, start, bounds=bounds, constraints=limits, tol=1e-14)
    return np.asarray(found.x)


@pytest.mark.parametrize("seen", [*UNEVEN, [0.02] * 200, [0.05] * 9 + [-1.0]])
def test_p_value_is_below_5_percent_where_the_interval_excludes_0(seen: list[float]) -> None:
    difference = np.array(seen)
    for shift in np.linspace(-0.2, 0.2, 21):
        moved = (difference + shift).clip(-1, 1)
        found = paired_difference(moved.clip(min=0), (-moved).clip(min=0))
        assert (paired_p_value(moved) < 0.05) == (found.low > 0 or found.high < 0)


def test_table_error_widens_a_paired_interval() -> None:
    rng = np.random.default_rng(15)
    a, b = ((rng.random(2000) < chance).astype(float) for chance in (0.6, 0.55))
    plain, wide = (paired_difference(a, b, table_error=error) for error in (0.0, 0.02))
    for before, after in zip(plain[1:], wide[1:], strict=True):
        moved = math.hypot(before - plain.value, 1.959964 * 0.02)
        assert abs(after - plain.value) == pytest.approx(moved, rel=0.01)
    at_the_end = plain.value / 1.959964  # puts 0 at the bound even without sampling error
    assert paired_p_value(a - b, table_error=at_the_end) > 0.05
    assert paired_difference(a, b, table_error=1.0)[1:] == (-1, 1)


def test_equal_differences_are_significant_only_with_many_images() -> None:
    """All differences are 0.02; unseen images of -1 could make the mean 0."""
    few, many = np.full(20, 0.02), np.full(5000, 0.02)
    assert paired_p_value(few) > 0.5
    assert paired_p_value(many) < 1e-20
    assert paired_difference(few, np.zeros(20)).low < -0.1
    assert 0.015 < paired_difference(many, np.zeros(5000)).low < 0.02
    one = paired_difference(np.array([0.6]), np.array([0.1]))
    assert one.low < -0.5
    assert one.high > 0.85
    assert paired_difference(np.ones(3), np.zeros(3)).high == 1
    assert paired_p_value(np.array([1e-17])) == 1
    rounded = paired_difference(np.array([0.95, 0.1]), np.array([0.9, 0.05]))
    assert rounded == pytest.approx(paired_difference(np.full(2, 0.05), np.zeros(2)))


def test_paired_ratio_has_nominal_coverage() -> None:
    rng = np.random.default_rng(2)
    teacher = rng.random((RUNS, 500)) < 0.8
    same, guess = rng.random((RUNS, 500)) < 0.9, rng.random((RUNS, 500)) < 0.5
    student = np.where(same, teacher, guess)
    truth = (0.9 * 0.8 + 0.1 * 0.5) / 0.8
    found = [
        paired_ratio(*pair)
        for pair in zip(student.astype(float), teacher.astype(float), strict=True)
    ]
    inside = sum(ratio.low <= truth <= ratio.high for ratio in found)
    assert 0.93 <= inside / RUNS <= 0.97


def test_mismatched_pairs_and_zero_reference_raise_an_error() -> None:
    with pytest.raises(ValueError, match="one length"):
        paired_difference(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="b must have a credit above 0"):
        paired_ratio(np.ones(3), np.zeros(3))


@pytest.mark.parametrize("realizations", [2, 5, 20])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.99])
def test_channel_interval_covers_the_accuracy_on_fixed_images(p: float, realizations: int) -> None:
    """The images are fixed, each with its own probability; only the draws differ between runs."""
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


def test_channel_interval_of_one_draw_is_the_wilson_interval() -> None:
    tally = Tally(np.array([1, 1, 0, 0]), np.zeros(4, np.int64), 1, 10)
    assert channel_interval(tally) == wilson(0.5, 4)


def test_channel_interval_allows_for_unseen_draws() -> None:
    """All draws agree; the width allows for what 20,000 transmissions may not have shown."""
    right = np.array([20] * 600 + [0] * 400)
    found = channel_interval(Tally(right, np.zeros(1000, np.int64), 20, 10))
    unseen = Z**2 / (20_000 + Z**2)
    assert found == pytest.approx((0.6 * (1 - unseen), 0.6 + 0.4 * unseen))


def test_p_value_of_single_transmissions_matches_mcnemar() -> None:
    difference = np.array([1.0] * 30 + [-1.0] * 12 + [0.0] * 900)
    assert paired_p_value(difference) == pytest.approx(chi2.sf((30 - 12) ** 2 / 42, 1))
    assert paired_p_value(np.zeros(5)) == 1


def test_p_value_has_the_nominal_false_positive_rate() -> None:
    rng = np.random.default_rng(14)
    chance = rng.beta(1, 1, size=(RUNS, 300))
    a, b = (rng.binomial(5, chance) / 5 for _ in range(2))  # equal schemes, five draws of each
    rejected = [paired_p_value(difference) < 0.05 for difference in a - b]
    assert 0.035 < np.mean(rejected) < 0.065


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
