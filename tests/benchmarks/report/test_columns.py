"""Result rows as lossless JSON columns, and the choices at their points."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.report.columns import choices_of, columns_of
from simulator.errors import UserError
from simulator.storage.environment import ROOT

DIGITS = ROOT / "results/reference/digits"


def values(column: Any) -> list[Any]:
    """A column as the page reads it."""
    if isinstance(column, list):
        return column
    return [column["values"][place] if place >= 0 else None for place in column["places"]]


def test_columns_restore_every_row() -> None:
    rows = pd.read_csv(DIGITS / "results.csv", dtype={"settings": str})
    columns = json.loads(json.dumps(columns_of(rows)))
    assert list(columns) == list(rows)
    assert all(values(columns[name]) == rows[name].tolist() for name in rows)
    assert isinstance(columns["settings"], dict)  # stored once, as they repeat


@pytest.mark.parametrize("column", [[1.5, None, 2.5], [1.5, None, 1.5, 1.5, None, 1.5]])
def test_missing_values_stay_missing(column: list[float | None]) -> None:
    rows = pd.DataFrame({"psnr_db": column})
    assert values(columns_of(rows)["psnr_db"]) == column


def test_choices_are_listed_at_their_points() -> None:
    rows = pd.read_csv(DIGITS / "results.csv")
    told = choices_of(DIGITS, rows)
    chosen = set(pd.read_csv(DIGITS / "choices.csv")["scheme"])
    assert {name for name, text in zip(rows["scheme"], told, strict=True) if text} == chosen
    first = rows.index[(rows["scheme"] == "separate") & (rows["snr_db"] == -10)][0]
    assert told[first] == "jpeg, QPSK, rate 0.75, 80 bits"


def test_choices_are_empty_without_a_choices_file(tmp_path: Path) -> None:
    assert choices_of(tmp_path, pd.DataFrame({"scheme": ["a", "b"]})) == ["", ""]


def test_chosen_pilots_follow_the_link(tmp_path: Path) -> None:
    place = {"scheme": ["a", "b", "c"], "channel": "awgn", "snr_db": 0.0, "channel_uses": 64}
    link = {"codec": "jpeg", "modulation": "QPSK", "code_rate": 0.5, "payload_bits": 48}
    chosen = pd.DataFrame({**place, **link, "pilots": [8, None, 4], "data_uses": [56, None, 60]})
    chosen.loc[2, "codec"] = None
    chosen.to_csv(tmp_path / "choices.csv", index=False)
    words = "jpeg, QPSK, rate 0.5, 48 bits"
    assert choices_of(tmp_path, pd.DataFrame(place)) == [
        f"{words}, 8 pilots, 56 uses for data",
        words,
        "4 pilots, 60 uses for data",
    ]
    chosen.drop(columns=list(link)).to_csv(tmp_path / "choices.csv", index=False)
    assert choices_of(tmp_path, pd.DataFrame(place))[2] == "4 pilots, 60 uses for data"


def test_damaged_choices_raise_an_error(tmp_path: Path) -> None:
    (tmp_path / "choices.csv").write_text("scheme,channel\na,b\n")
    with pytest.raises(UserError, match="is damaged; run the sweep again"):
        choices_of(tmp_path, pd.DataFrame())
