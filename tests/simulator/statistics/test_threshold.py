"""The SNR needed for an accuracy, against examples calculated by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from simulator.statistics.intervals import Estimate
from simulator.statistics.threshold import crossing, crossings, difference, needed_snr, thresholds


def rows(scheme: str, *accuracies: float, half: float = 0.1) -> pd.DataFrame:
    """A curve at 0, 2, 4, ... dB with intervals of +-half."""
    mean = np.array(accuracies)
    return pd.DataFrame(
        {
            "scheme": scheme,
            "channel": "awgn",
            "channel_uses": 16,
            "snr_db": 2.0 * np.arange(len(mean)),
            "accuracy": mean,
            "ci_low": mean - half,
            "ci_high": mean + half,
        }
    )


def test_crossing_by_hand() -> None:
    snr = np.array([0.0, 2.0, 4.0])
    assert crossing(snr, np.array([0.2, 0.5, 0.9]), 0.6) == pytest.approx(2.5)  # a quarter on
    assert crossing(snr, np.array([0.2, 0.6, 0.9]), 0.6) == pytest.approx(2.0)
    assert crossing(snr, np.array([0.2, 0.7, 0.3]), 0.6) == math.inf  # falls again
    assert crossing(snr, np.array([0.7, 0.3, 0.9]), 0.6) == pytest.approx(3.0)  # the last time
    assert crossings(snr, np.array([0.7, 0.3, 0.9]), 0.6) == [-math.inf, pytest.approx(3.0)]
    assert crossings(snr, np.array([0.2, 0.7, 0.3]), 0.6) == pytest.approx([1.6])
    assert crossing(snr, np.array([0.6, 0.7, 0.9]), 0.6) == -math.inf
    assert crossing(snr, np.array([0.2, 0.3, 0.4]), 0.6) == math.inf


def test_needed_snr_interval_is_where_the_bounds_reach_the_target() -> None:
    """0.5 at 2 dB and 0.9 at 4 dB: 0.05 of accuracy per quarter of a dB."""
    own = needed_snr(rows("a", 0.1, 0.5, 0.9).sample(frac=1, random_state=1), 0.6)
    assert own == pytest.approx((2.5, 2.0, 3.0))
    high = needed_snr(rows("a", 0.5, 0.6, 0.65), 0.6)
    assert high == pytest.approx((2.0, -math.inf, math.inf))


def test_difference_by_hand() -> None:
    apart = difference(Estimate(5.0, 4.7, 5.4), Estimate(3.0, 2.7, 3.4))
    assert apart == pytest.approx((2.0, 1.5, 2.5))  # 3, 4, 5
    assert math.isnan(difference(Estimate(math.inf, 4.0, math.inf), apart).value)
    assert difference(Estimate(5.0, -math.inf, 5.4), apart).low == -math.inf


def test_threshold_table_with_a_reference_scheme() -> None:
    curves = [
        rows("a", 0.1, 0.5, 0.9),
        rows("b", 0.1, 0.2, 0.3),
        rows("c", 0.4, 0.8, 0.9),
    ]
    table = thresholds(pd.concat(curves, ignore_index=True), 0.6, reference="c")
    assert list(table["scheme"]) == ["a", "b", "c"]
    assert table["snr_db"].tolist() == pytest.approx([2.5, math.inf, 1.0])
    assert table["difference_db"].tolist() == pytest.approx([1.5, math.nan, 0], nan_ok=True)
    assert table[["first_db", "last_db"]].to_numpy().tolist() == [[0, 4]] * 3
    assert "difference_db" not in thresholds(rows("a", 0.1, 0.9), 0.6)


def test_pairing_narrows_the_difference_of_needed_snrs() -> None:
    """The schemes have equal credits except on 2 % of the images."""
    draw, count = np.random.default_rng(0), 400
    easy = draw.random(count) < 0.6
    snr = np.array([0.0, 2.0])
    earned = {"a": {0.0: easy & (draw.random(count) < 0.2), 2.0: easy | (draw.random(count) < 0.6)}}
    earned["b"] = {at: own ^ (draw.random(count) < 0.02) for at, own in earned["a"].items()}
    curves = pd.concat(
        rows(name, *(own[at].mean() for at in snr)) for name, own in earned.items()
    ).reset_index(drop=True)

    def credits_of(row: pd.Series) -> np.ndarray:
        return earned[row["scheme"]][row["snr_db"]].astype(np.float64)

    paired, alone = (
        thresholds(curves, 0.5, reference="b", credits_of=given).iloc[0]
        for given in (credits_of, None)
    )
    assert paired["difference_db"] == alone["difference_db"]
    assert paired["difference_low"] <= paired["difference_db"] <= paired["difference_high"]
    width = paired["difference_high"] - paired["difference_low"]
    assert 0 < 2 * width < alone["difference_high"] - alone["difference_low"]
    again = thresholds(curves, 0.5, reference="b", credits_of=credits_of).iloc[0]
    assert again.equals(paired)


def test_interval_of_the_difference_is_that_of_the_paired_mean() -> None:
    """Every image gains 0.4 over 2 dB, so an accuracy of 0.01 corresponds to 0.05 dB."""
    draw, count = np.random.default_rng(0), 500
    at_0_db = {name: draw.random(count) / 2 for name in "ab"}
    curves = pd.concat(
        [rows(name, own.mean(), own.mean() + 0.4) for name, own in at_0_db.items()],
        ignore_index=True,
    )
    found = thresholds(
        curves,
        0.5,
        reference="b",
        credits_of=lambda row: at_0_db[row["scheme"]] + 0.2 * row["snr_db"],
    ).iloc[0]
    error = (at_0_db["a"] - at_0_db["b"]).std() / count**0.5 / 0.2
    width = found["difference_high"] - found["difference_low"]
    assert width == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_table_errors_widen_the_difference_of_needed_snrs() -> None:
    """Only the tables vary: accuracy rises by 0.4 over 2 dB, so 0.02 correspond to 0.1 dB."""
    curves = pd.concat([rows("a", 0.2, 0.6), rows("b", 0.2, 0.6)], ignore_index=True)
    curves["table_error"] = [0.02, 0.02, 0.0, 0.0]

    def credits_of(row: pd.Series) -> np.ndarray:
        return np.full(50, row["accuracy"])

    (row, _) = thresholds(curves, 0.4, reference="b", credits_of=credits_of).to_dict("records")
    half = 1.96 * 0.1 / math.sqrt(2)  # midway between two points with independent errors
    assert row["difference_high"] == pytest.approx(half, rel=0.1)
    assert row["difference_low"] == pytest.approx(-half, rel=0.1)


def test_table_errors_of_two_schemes_are_independent() -> None:
    curves = pd.concat([rows("a", 0.2, 0.6), rows("b", 0.2, 0.6)], ignore_index=True)
    curves["table_error"] = 0.02

    def credits_of(row: pd.Series) -> np.ndarray:
        return np.full(50, row["accuracy"])

    (row, _) = thresholds(curves, 0.4, reference="b", credits_of=credits_of).to_dict("records")
    assert row["difference_high"] == pytest.approx(1.96 * 0.1, rel=0.1)
    assert row["difference_low"] == pytest.approx(-1.96 * 0.1, rel=0.1)


def test_resamples_below_the_target_make_both_bounds_infinite() -> None:
    """Both curves end just above the target: in a third of the resamples neither reaches it."""
    curves = pd.concat([rows("a", 0.2, 0.51), rows("b", 0.2, 0.51)], ignore_index=True)

    def credits_of(row: pd.Series) -> np.ndarray:
        right: np.ndarray = np.arange(100) < 100 * row["accuracy"]
        return right.astype(np.float64)

    (row, _) = thresholds(curves, 0.5, reference="b", credits_of=credits_of).to_dict("records")
    assert (row["difference_low"], row["difference_high"]) == (-math.inf, math.inf)


def test_table_has_the_first_and_last_crossing_of_a_curve() -> None:
    (row,) = thresholds(rows("a", 0.2, 0.7, 0.3, 0.9), 0.6).to_dict("records")
    assert (row["crossing_db"], row["snr_db"]) == pytest.approx((1.6, 5.0))
