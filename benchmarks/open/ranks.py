"""The rows of the leaderboard: accuracies, required SNRs, differences from the leader, ranks.

Within a column (channel, k) the accuracy of an entry is the mean over SNRs, realisations and
images. An entry's rank is 1 plus the number of entries run by semlink that are significantly
better. The test is paired by image, at 5 % after Holm's correction over all entries that this one
is compared with. Entries of equal rank are tied.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.open.entry import RUN, Entry, Outcomes
from benchmarks.open.task import Place, Task
from simulator.statistics.intervals import accuracy_interval
from simulator.statistics.paired import holm, paired_difference, paired_p_value
from simulator.statistics.tally import Credits, Tally
from simulator.statistics.threshold import needed_snr

LEVEL = 0.05


def rows_of(task: Task, entries: Sequence[Entry]) -> pd.DataFrame:
    """All rows of a task, column by column, the best accuracy first."""
    rows = [row for place in task.places for row in _rows_of(task, place, entries)]
    return pd.DataFrame(rows)


def _rows_of(task: Task, place: Place, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    here = [entry for entry in entries if place in entry.outcomes]
    earned = {own.about.name: credits_of(task, own.outcomes[place]) for own in here}
    here.sort(key=lambda own: (-earned[own.about.name].mean(), own.about.name))
    run = {own.about.name for own in here if own.origin == RUN}
    leader = next((own.about.name for own in here if own.about.name in run), None)
    return [
        {
            "rank": 1 + surpassed(own.about.name, earned, run),
            "name": own.about.name,
            "origin": own.origin,
            **place._asdict(),
            **_accuracy(earned[own.about.name]),
            **_apart(earned[own.about.name], None if leader is None else earned[leader]),
            **_curve(task, own.outcomes[place]),
        }
        for own in here
    ]


def surpassed(name: str, earned: Mapping[str, Credits], counted: Set[str]) -> int:
    """Number of entries in `counted` that are significantly better than the entry `name`."""
    apart = [earned[other] - earned[name] for other in earned if other in counted - {name}]
    adjusted = holm([paired_p_value(own) for own in apart])
    found = zip(apart, adjusted, strict=True)
    return sum(int(own.mean() > 0 and p_value < LEVEL) for own, p_value in found)


def credits_of(task: Task, outcomes: Outcomes) -> Credits:
    """Mean credit of each image over SNRs and realisations, [N]; an outage counts 1 / classes."""
    found: Credits = np.mean([own.credits_of_images for own in _tallies(task, outcomes)], axis=0)
    return found


def _tallies(task: Task, outcomes: Outcomes) -> list[Tally]:
    """One tally per SNR."""
    right, outages = (own.astype(np.int64) for own in (outcomes.right, outcomes.outages))
    return [
        Tally(*own, task.realizations, task.classes) for own in zip(right, outages, strict=True)
    ]


def _accuracy(earned: Credits) -> dict[str, float]:
    interval = accuracy_interval(earned)
    return {"accuracy": float(earned.mean()), "ci_low": interval.low, "ci_high": interval.high}


def _apart(earned: Credits, leading: Credits | None) -> dict[str, float]:
    """The difference from the leader: 0 for the leader itself, NaN if there is none."""
    names = ("difference", "difference_low", "difference_high")
    if leading is None:
        return dict.fromkeys(names, np.nan)
    if leading is earned:
        return dict.fromkeys(names, 0.0)
    return dict(zip(names, paired_difference(earned, leading), strict=True))


def _curve(task: Task, outcomes: Outcomes) -> dict[str, float]:
    """Accuracy at each SNR, and the SNR that each target accuracy requires."""
    tallies = _tallies(task, outcomes)
    intervals = [accuracy_interval(own.credits_of_images) for own in tallies]
    curve = pd.DataFrame(
        {
            "snr_db": task.snr_db,
            "accuracy": [own.correct / own.transmissions for own in tallies],
            "ci_low": [own.low for own in intervals],
            "ci_high": [own.high for own in intervals],
        }
    )
    names = (f"accuracy_{snr:g}db" for snr in task.snr_db)
    needed = {f"snr_for_{own:g}": needed_snr(curve, own / 100).value for own in task.targets}
    return dict(zip(names, curve["accuracy"], strict=True)) | needed
