"""The adaptive budget: the smallest k that retains the accuracy, evaluated on other images."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.commands.adapt import missed_places
from simulator.engine.grid import plan
from simulator.engine.run import Results, sweep_here
from simulator.measures.budget import adaptive_table, smallest_uses
from tests.commands import Command
from tests.simulator.engine.probe import CPU, Probe, grid, split


def rows(
    accuracies: dict[int, float], *, channel: str = "awgn", snr_db: float = 0.0
) -> list[dict[str, object]]:
    """Rows of one (channel, SNR)."""
    return [
        {"channel": channel, "snr_db": snr_db, "channel_uses": k, "accuracy": accuracy}
        for k, accuracy in accuracies.items()
    ]


def test_smallest_k_that_retains_the_share_is_chosen() -> None:
    table = pd.DataFrame(
        rows({4: 0.5, 16: 0.79, 64: 0.8})
        + rows({4: 0.7, 16: 0.69, 64: 0.71}, snr_db=10.0)
        + rows({4: 0.1, 16: 0.2, 64: 0.6}, channel="rayleigh")
    )
    places = [("awgn", 0.0), ("awgn", 10.0), ("rayleigh", 0.0)]
    assert smallest_uses(table, share=0.98) == dict(zip(places, (16, 4, 64), strict=True))
    assert smallest_uses(table, share=1.0) == dict.fromkeys(places, 64)


def test_adapt_writes_its_table_and_reports_missed_points(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--snr-db", "-10,20", "--images", "100", "--channels", "awgn", "--out", "out"]
    assert semlink("adapt", "digits", *arguments, "--channel-uses", "4,16,64") == 0
    table = pd.read_csv(tmp_path / "out/adaptive.csv")
    low, high = table["channel_uses"]
    assert low > high  # less SNR, more channel uses
    assert (table["accuracy"] >= 0.9 * table["accuracy_at_most_uses"]).all()
    assert (table["difference_low"] <= table["difference"]).all()
    assert table["images"].eq(100).all()
    enough = table["accuracy"] >= 0.99 * table["accuracy_at_most_uses"]
    assert table["kept"].tolist() == enough.tolist()
    said = capsys.readouterr().out
    assert missed_places(table, 0.99) in said
    assert "rkd_sc: accuracy in % and differences in points, on test images\n" in said
    row = table.iloc[0]
    words = next(line for line in said.splitlines() if line.split()[:2] == ["awgn", "-10"]).split()
    assert words[2:4] == [str(row["channel_uses"]), f"{100 * row['accuracy']:.1f}"]
    assert words[-1] == ("yes" if row["kept"] else "no")


def test_points_that_miss_the_share_are_summarised_in_one_line() -> None:
    table = pd.DataFrame(rows({4: 0.5}) + rows({16: 0.5}, snr_db=10.0))
    assert missed_places(table.assign(kept=[True, True]), 0.99).endswith("at every point")
    assert missed_places(table.assign(kept=[True, False]), 0.99) == (
        "less than 99 % of the accuracy is kept on test images at 1 of 2 points: "
        "awgn 10 dB (k = 16)"
    )


def test_rule_and_evaluation_use_different_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws that happen to favour a k on validation images must not recur on test images."""
    seeds = []

    def recorded(*arguments: Any, **options: Any) -> Results:
        seeds.append(options["grid"].seed)
        return sweep_here(*arguments, **options)

    monkeypatch.setattr("simulator.measures.budget.sweep_here", recorded)
    asked = grid(snr_db=(0.0,))
    probe = Probe("a")
    points, _ = plan([probe], asked)
    table = adaptive_table(
        probe,
        points,
        asked,
        validation=split(20),
        test=split(30),
        share=0.9,
        num_classes=2,
        device=CPU,
    )
    assert table["most_uses"].eq(4).all()
    assert table["images"].eq(30).all()
    used_for_rule, used_for_test = seeds
    assert used_for_test == asked.seed != used_for_rule


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_retention_outside_0_to_1_raises_an_error(
    semlink: Command,
    share: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert semlink("adapt", "digits", "--retention", share) == 2
    assert "--retention must be above 0" in capsys.readouterr().err
