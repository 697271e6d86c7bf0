"""Paired comparison of two schemes from the stored outcomes of a sweep."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.recipes.digits import digits
from simulator.engine.grid import Point, Unit
from simulator.engine.journal import Finished, Journal
from simulator.engine.outcomes import write_outcomes
from simulator.errors import UserError
from simulator.measures.compare import compact, compare_sweep
from simulator.parse import parse_realizations
from simulator.resolve import grid_of
from simulator.statistics.paired import holm
from simulator.statistics.tally import Codes
from simulator.storage.describe import digest
from simulator.storage.folders import read_results
from tests.commands import DATA, ROW

EARNED = {
    ("a", 0.0, 16): [1, 1, 1, 0],
    ("a", 5.0, 16): [1, 1, 1, 1],
    ("b", 0.0, 16): [1, 0, 1, 0],
    ("c", 0.0, 64): [0, 0, 0, 0],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep of three schemes over two SNRs; b lacks the second, c shares none with a."""
    rows = [
        {
            **ROW,
            "scheme": scheme,
            "channel": "awgn",
            "channel_uses": k,
            "snr_db": snr,
            "accuracy": 0.5,
            "realizations": 2,
        }
        for scheme, snr, k in EARNED
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "run.json").write_text(json.dumps({"data": DATA, "journal": digest({"seed": 0})}))
    with Journal(tmp_path) as journal:
        journal.begin({"seed": 0})
        for (scheme, snr, k), earned in EARNED.items():
            codes: Codes = np.tile(np.array(earned, dtype=np.uint8), 50)
            point = Point(scheme, "awgn", snr, k)
            journal.add([Finished(Unit(point, r), codes, 0.0) for r in range(2)])
    return tmp_path


def compared(folder: Path, *names: Any, **options: Any) -> tuple[pd.DataFrame, list[str]]:
    """What `semlink compare` computes."""
    return compare_sweep(folder, *read_results(folder), *names, **options)


def test_difference_is_computed_at_shared_points(folder: Path) -> None:
    table, left_out = compared(folder, "a", "b")
    assert left_out == []
    assert table[["channel", "channel_uses", "snr_db"]].to_numpy().tolist() == [["awgn", 16, 0.0]]
    row = table.iloc[0]
    assert row["accuracy_a"] == pytest.approx(0.75)
    assert row["difference"] == pytest.approx(0.25)
    assert 0.1 < row["ci_low"] < 0.25 < row["ci_high"] < 0.4
    assert row["p_value"] < 1e-6
    assert row["p_holm"] == row["p_value"]
    assert compared(folder, "b", "a")[0].iloc[0]["difference"] == pytest.approx(-0.25)


def test_table_errors_of_both_schemes_widen_the_interval(folder: Path) -> None:
    before = compared(folder, "a", "b")[0].iloc[0]
    rows = pd.read_csv(folder / "results.csv")
    errors = rows["scheme"].map({"a": 0.3, "b": 0.4, "c": 0.0})
    rows.assign(table_error=errors).to_csv(folder / "results.csv", index=False)
    after = compared(folder, "a", "b")[0].iloc[0]
    assert after["difference"] == before["difference"]
    wide = math.hypot(before["ci_low"] - 0.25, 1.959964 * 0.5)
    assert after["ci_low"] == pytest.approx(0.25 - wide, abs=0.01)
    assert before["p_value"] < 0.05 < after["p_value"]


def test_all_other_schemes_are_compared_in_sweep_order(folder: Path) -> None:
    table, left_out = compared(folder, None, "b")
    pd.testing.assert_frame_equal(table, compared(folder, "a", "b")[0])
    assert left_out == ["c shares no point with b: left out"]
    rows = pd.read_csv(folder / "results.csv").assign(channel_uses=16, snr_db=0.0)
    rows.drop(index=1).to_csv(folder / "results.csv", index=False)
    with Journal(folder) as journal:
        journal.begin({"seed": 0})
        for earned in (0, 1):
            unit = Unit(Point("c", "awgn", 0.0, 16), earned)
            journal.add([Finished(unit, np.full(200, earned, np.uint8), 0.0)])
    table, left_out = compared(folder, None, "b")
    assert left_out == []
    assert table["a"].tolist() == ["a", "c"]
    assert table["p_holm"].tolist() == table["p_value"].tolist()  # one point in each pair's grid
    assert "(Holm, over the 1 points of a pair)" in repr(table)
    together, _ = compared(folder, None, "b", family="all")
    assert together["p_holm"].tolist() == holm(table["p_value"].tolist())
    assert "(Holm, over all 2 points)" in repr(together)


def test_printed_comparison_has_one_column_per_snr() -> None:
    row = {"a": "x", "channel": "awgn", "channel_uses": 4, "ci_low": -0.01, "ci_high": 0.05}
    table = pd.DataFrame(
        [
            {**row, "snr_db": 10.0, "difference": 0.02, "p_holm": 0.2},
            {**row, "snr_db": -5.0, "difference": 0.123, "p_holm": 0.01},
            {**row, "a": "y", "snr_db": -5.0, "difference": -0.5, "p_holm": 0.01},
        ]
    )
    shown = compact(table)
    assert list(shown.columns) == ["-5", "10"]
    assert [name[0] for name in shown.index] == ["x"] * 3 + ["y"] * 3
    assert shown.to_numpy().tolist()[:4] == [
        ["+12.3*", "+2.0 "],
        ["-1.0 ", "-1.0 "],
        ["+5.0 ", "+5.0 "],
        ["-50.0*", ""],
    ]


def test_sweep_is_compared_from_outcomes_without_its_journal(folder: Path) -> None:
    table, _ = compared(folder, "a", "b")
    path = write_outcomes(folder)
    (folder / "journal.jsonl").unlink()
    again, _ = compared(folder, "a", "b")
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(UserError, match="the outcome of every image of this sweep, but does not"):
        write_outcomes(folder)
    rows = pd.read_csv(folder / "results.csv")
    rows.iloc[1:].to_csv(folder / "results.csv", index=False)
    with pytest.raises(UserError, match="belongs to another sweep"):
        compared(folder, "a", "b")
    rows.to_csv(folder / "results.csv", index=False)
    whole = path.read_bytes()
    for damaged in (whole[:-50], *(flipped(whole, at) for at in range(40, len(whole), 7))):
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):  # else nothing depends on the byte
            again, _ = compared(folder, "a", "b")
            pd.testing.assert_frame_equal(again, table)
    path.write_bytes(whole[:-50])
    with pytest.raises(UserError, match="is damaged"):
        compared(folder, "a", "b")


def flipped(data: bytes, at: int) -> bytes:
    """The data with one byte inverted."""
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_outcomes_are_not_written_from_a_journal_that_misses_a_unit(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    head, *lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(head + "".join(lines[1:]))
    with pytest.raises(UserError, match="the outcome of every image, but .* is missing"):
        write_outcomes(folder)
    assert not (folder / "outcomes.npz").exists()


def test_invalid_comparisons_raise_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^--b must be a scheme of .*: a, b, c, got 'x'"):
        compared(folder, "a", "x")
    with pytest.raises(UserError, match="c must share a point with a, but"):
        compared(folder, "a", "c")
    with pytest.raises(UserError, match="c must share a point with a or b"):
        compared(folder, None, "c")
    with pytest.raises(UserError, match="must be two schemes, got a twice"):
        compared(folder, "a", "a")
    with pytest.raises(UserError, match="finished sweep, but does not exist"):
        compared(tmp_path / "empty", "a", "b")
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    with pytest.raises(
        UserError, match="the outcome of every image, but a awgn k=16 0 dB is missing"
    ):
        compared(folder, "a", "b")
    path.unlink()
    with pytest.raises(UserError, match="the outcome of every image of this sweep, but does not"):
        compared(folder, "a", "b")


def test_realizations_are_parsed_for_all_or_single_channels() -> None:
    assert parse_realizations("5") == (5, {})
    assert parse_realizations("awgn=5, rayleigh=20") == (None, {"awgn": 5, "rayleigh": 20})
    assert parse_realizations("2,rician:4=3") == (2, {"rician:4": 3})
    for text in ("", "x", "0", "awgn=", "2,3", "-1"):
        with pytest.raises(UserError):
            parse_realizations(text)
    with pytest.raises(UserError, match="^--realizations: .*rayleigh"):
        grid_of(digits().sweep, realizations=parse_realizations("fog=2"))
    draws = parse_realizations("rician:4.0=2")
    named = grid_of(digits().sweep, channels=("rician:4",), realizations=draws)
    assert named.realizations_of == {"rician:4": 2}
    with pytest.raises(
        UserError, match=r"^--realizations must be of .* \(awgn\), got rician:4; add"
    ):
        grid_of(digits().sweep, channels=("awgn",), realizations=draws)


def test_outcomes_of_another_sweep_raise_an_error(folder: Path) -> None:
    write_outcomes(folder)
    (folder / "journal.jsonl").unlink()
    assert len(compared(folder, "a", "b")[0]) == 1
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "journal": "another"}))
    with pytest.raises(UserError, match="belongs to another sweep"):
        compared(folder, "a", "b")
