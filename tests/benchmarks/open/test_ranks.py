"""Rows of the leaderboard: hand-computed accuracies, ties, and entries simulated elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.open.entry import OWN, Outcomes
from benchmarks.open.ranks import rows_of
from tests.benchmarks.open.tasks import PLACE, SMALL, entry_of

FEW, MANY = np.zeros(500), np.zeros(500)
FEW[:3], MANY[:60] = 2, 2  # images that an entry misclassifies in both draws


def test_accuracies_of_a_row_match_hand_computed_values() -> None:
    """100 of 500 images right in 1 of 2 draws at 0 dB, all in both at 10 dB."""
    right = np.zeros((2, 500), dtype=np.uint8)
    right[0, :100], right[1] = 1, 2
    (row,) = rows_of(SMALL, [entry_of("one", right)]).to_dict("records")
    assert row["accuracy_0db"] == pytest.approx(0.1)
    assert row["accuracy_10db"] == pytest.approx(1.0)
    assert row["accuracy"] == pytest.approx(0.55)
    assert row["ci_low"] < 0.55 < row["ci_high"]
    assert row["snr_for_50"] == pytest.approx(10 * 0.4 / 0.9)
    assert (row["rank"], row["difference"]) == (1, 0.0)


def test_outages_count_as_uniform_guesses() -> None:
    outages = np.full((2, 500), 2, dtype=np.uint8)
    lost = replace(entry_of("lost", 0), outcomes={PLACE: Outcomes(0 * outages, outages)})
    (row,) = rows_of(SMALL, [lost]).to_dict("records")
    assert row["accuracy"] == pytest.approx(1 / 10)
    assert row["snr_for_50"] == np.inf


def test_ties_share_a_rank_and_the_next_rank_counts_them() -> None:
    entries = [entry_of("best", 2), entry_of("tied", 2 - FEW), entry_of("worse", 2 - MANY)]
    rows = rows_of(SMALL, entries).set_index("name")
    assert rows["rank"].to_dict() == {"best": 1, "tied": 1, "worse": 3}
    assert rows["difference"].to_dict() == pytest.approx(
        {"best": 0, "tied": -0.006, "worse": -0.12}
    )
    lows, highs = (rows[f"difference_{end}"].to_dict() for end in ("low", "high"))
    assert lows["tied"] < 0 <= highs["tied"]
    assert highs["worse"] < 0


def test_own_simulations_do_not_lower_the_rank_of_other_entries() -> None:
    ours, theirs = entry_of("ours", 2 - MANY), entry_of("theirs", 2, origin=OWN)
    rows = rows_of(SMALL, [ours, theirs])
    assert rows["name"].tolist() == ["theirs", "ours"]
    assert rows["rank"].tolist() == [1, 1]
    assert rows.set_index("name").loc["theirs", "difference"] == pytest.approx(0.12)
    bad = entry_of("bad", 1 - MANY / 2, origin=OWN)
    assert rows_of(SMALL, [ours, bad])["rank"].tolist() == [1, 2]
