"""Coverage of the intervals of paired differences, and the error rate of their tests.

`python -m benchmarks.studies.coverage` draws test sets of 30 to 5,000 images from populations in
which each image has its own probability of being correct under each of two schemes. It sends each
image once or 20 times, and counts how often 95 % intervals contain the true mean difference: that
of `semlink compare` (`score`), Student's, and Johnson's correction of it for skewness [1].
`rejected` is how often the p-value of `semlink compare` is below 5 % although neither scheme is
better. Writes results/reference/coverage/coverage.csv; takes two minutes of a core.

[1] Johnson, Modified t tests and confidence intervals for asymmetrical populations, Journal of the
    American Statistical Association 73, 1978.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import special

from channels.streams import Streams
from simulator.progress import progress
from simulator.statistics.intervals import Interval
from simulator.statistics.paired import paired_difference, paired_p_value
from simulator.storage.environment import REFERENCE, environment
from simulator.storage.files import write_json, write_table

Values = NDArray[np.float64]
Population = Callable[[Values], tuple[Values, Values]]  # levels [N, 2] to probabilities [N] of a, b
RUNS: Final = 2000  # test sets of each size
IMAGES: Final = (30, 100, 500, 5000)
DRAWS: Final = (1, 20)
ZERO: Final = 1e-9  # a true mean below it is 0
LEVELS: Final = 200_000  # evenly spaced levels for the true mean of a population


def _equal(levels: Values) -> tuple[Values, Values]:
    """Hard and easy images; both schemes have the same probability on each."""
    chance: Values = levels[:, 0] ** 0.25
    return chance, chance


def _independent(levels: Values) -> tuple[Values, Values]:
    """The probabilities under the two schemes are independent."""
    a, b = (levels**0.25).T
    return a, b


def _steep(levels: Values) -> tuple[Values, Values]:
    """Most images are nearly certain; on the others, at their threshold, a is slightly better."""
    score = 6 * special.logit(levels[:, 0]) + 2
    return special.expit(score + 0.3), special.expit(score)


def _skewed(levels: Values) -> tuple[Values, Values]:
    """The gain of b is large on few images: 0.9 u^12 with u uniform."""
    best = np.full(len(levels), 0.95)
    worse: Values = best - 0.9 * levels[:, 0] ** 12
    return worse, best


def _balanced(share: float, gain: float) -> Population:
    """A `share` of the images favours a by `gain`; the others favour b so that the mean is 0."""
    loss = share * gain / (1 - share)

    def chances(levels: Values) -> tuple[Values, Values]:
        favoured = levels[:, 0] < share
        a, b = (1 + gain) / 2, (1 - gain) / 2
        return np.where(favoured, a, 1 - loss), np.where(favoured, b, 1.0)

    return chances


def _few(only_a: float, only_b: float) -> Population:
    """Shares of the images are correct only under a or only under b, all others under both."""

    def chances(levels: Values) -> tuple[Values, Values]:
        level = levels[:, 0]
        return (level <= 1 - only_b).astype(np.float64), (level >= only_a).astype(np.float64)

    return chances


def _outage(levels: Values) -> tuple[Values, Values]:
    """One scheme is always in outage, the other wrong on 2 % of the images."""
    return np.full(len(levels), 0.1), (levels[:, 0] >= 0.02).astype(np.float64)


POPULATIONS: Final[Mapping[str, Population]] = {
    "equal chances": _equal,
    "independent chances": _independent,
    "steep chances": _steep,
    "skewed gains": _skewed,
    "2 % favour a by 0.9": _balanced(0.02, 0.9),
    "2 % favour a by 0.5": _balanced(0.02, 0.5),
    "10 % favour a by 0.9": _balanced(0.1, 0.9),
    "0.5 % favour a by 0.9": _balanced(0.005, 0.9),
    "5 % and 5 % disagree": _few(0.05, 0.05),
    "2 % and 0.5 % disagree": _few(0.02, 0.005),
    "0.4 % and 0 % disagree": _few(0.004, 0.0),
    "a in outage": _outage,
}


def differences_of(
    population: Population, generator: np.random.Generator, images: int, draws: int
) -> Values:
    """Credits of a minus those of b, for newly drawn images, each sent `draws` times."""
    a, b = population(generator.random((images, 2)))
    return (generator.binomial(draws, a) - generator.binomial(draws, b)) / draws


def score(difference: Values) -> Interval:
    """The interval of `semlink compare`."""
    found = paired_difference(difference.clip(min=0), (-difference).clip(min=0))
    return Interval(found.low, found.high)


def student(difference: Values) -> Interval:
    """Student's t interval of the mean."""
    mean, error = float(difference.mean()), _standard_error(difference)
    half = float(special.stdtrit(difference.size - 1, 0.975)) * error
    return Interval(mean - half, mean + half)


def johnson(difference: Values) -> Interval:
    """Student's interval, shifted by the third central moment over 6 N times the variance."""
    low, high = student(difference)
    moved = difference - difference.mean()
    variance = float((moved**2).mean())
    shift = float((moved**3).mean()) / (6 * difference.size * variance) if variance else 0.0
    return Interval(low + shift, high + shift)


def _standard_error(difference: Values) -> float:
    return float(difference.std(ddof=1)) / math.sqrt(difference.size)


METHODS: Final = {
    "score": score,
    "student": student,
    "johnson": johnson,
}


COLUMNS: Final = ["population", "images", "draws", "runs", *METHODS, "rejected"]


def coverage_at(
    name: str, images: int, draws: int, *, runs: int, methods: Sequence[str] = tuple(METHODS)
) -> dict[str, float]:
    """How often each method covers the true mean, and `rejected` if that is 0."""
    population, streams = POPULATIONS[name], Streams(seed=0)
    truth = true_mean(population)
    generator = np.random.default_rng(streams.seed_of("coverage", name, images, draws))
    tested = ("rejected",) if abs(truth) < ZERO else ()
    found = dict.fromkeys((*methods, *tested), 0.0)
    for _ in range(runs):
        difference = differences_of(population, generator, images, draws)
        if "rejected" in found:
            found["rejected"] += (paired_p_value(difference) < 0.05) / runs
        for method in methods:
            low, high = METHODS[method](difference)
            found[method] += (low <= truth <= high) / runs
    return {method: round(share, 4) for method, share in found.items()}


def true_mean(population: Population) -> float:
    """Mean difference of a population."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    a, b = population(np.stack([levels, levels], axis=1))
    return float((a - b).mean())


def coverage() -> pd.DataFrame:
    """A row for each population, number of images and of draws."""
    rows = []
    points = [(n, draws, name) for n in IMAGES for draws in DRAWS for name in POPULATIONS]
    for images, draws, name in progress(points, desc="coverage", unit="point"):
        shares = coverage_at(name, images, draws, runs=RUNS)
        place = {"population": name, "images": images, "draws": draws, "runs": RUNS}
        rows.append({**place, **shares})
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REFERENCE / "coverage")
    options = parser.parse_args()
    about = environment(torch.device("cpu"))
    rows = coverage()
    write_table(options.out / "coverage.csv", rows)
    write_json(options.out / "run.json", {"seed": 0, "environment": about})
    print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
