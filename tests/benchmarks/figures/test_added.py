"""Curves added by the user: drawn beside the sweep's curves, or rejected with an error."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.figures import draw as figures
from benchmarks.figures.added import checked_curves, read_curves
from benchmarks.figures.plans import FigurePlan
from simulator.errors import UserError
from tests.benchmarks.figures.rows import TEXT, table

PAPER = pd.DataFrame(
    {
        "scheme": ["JSCC [7]", "JSCC [7]"],
        "channel": "awgn",
        "channel_uses": 16,
        "snr_db": [0.0, 10.0],
        "accuracy": [0.4, 0.7],
    }
)


def planned(
    monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame, **options: Any
) -> list[FigurePlan]:
    """The figures that would be written."""
    found: list[FigurePlan] = []
    monkeypatch.setattr(figures, "write_figures", lambda plans, *_, **__: found.extend(plans))
    figures.plot_all(rows, Path("unused"), text=TEXT, **options)
    return found


def test_added_curve_is_drawn_beside_the_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    many = table(schemes=[f"scheme_{number}" for number in range(10)])
    (plan,) = planned(monkeypatch, many, added=PAPER)
    curve = plan.curve("awgn", "JSCC [7]")
    assert curve["accuracy"].tolist() == [0.4, 0.7]
    assert (curve["ci_low"] == curve["accuracy"]).all()  # no interval is known
    assert len(plan.shown) == 9  # the added one beside the eight that are shown by default
    assert plan.curve("rayleigh", "JSCC [7]").empty
    assert "JSCC [7]: not of this sweep, no interval" in plan.all_notes


def test_added_image_quality_curve_reads_its_own_column(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = table(schemes=["rkd_sc"]).assign(psnr_db=20.0, psnr_db_low=19.0, psnr_db_high=21.0)
    paper = PAPER.assign(psnr_db=[25.0, 30.0])  # its accuracy is not drawn
    (plan,) = planned(monkeypatch, ours, added=paper, measure="psnr")
    assert plan.curve("awgn", "JSCC [7]")["accuracy"].tolist() == [25.0, 30.0]
    assert set(plan.curve("awgn", "rkd_sc")["ci_high"]) == {21.0}
    assert plan.guess is None
    with pytest.raises(UserError, match="must have the columns .*psnr_db"):
        planned(monkeypatch, ours, added=PAPER, measure="psnr")


def test_added_curve_follows_the_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    def rayleigh_alone(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["channel"] == "rayleigh"]

    (plan,) = planned(monkeypatch, table(), added=PAPER, choose=rayleigh_alone)
    assert "JSCC [7]" not in plan.shown

    def ours_alone(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["scheme"] == "rkd_sc"]

    (plan,) = planned(monkeypatch, table(), added=PAPER, choose=ours_alone, named=True)
    assert list(plan.shown) == ["rkd_sc", "JSCC [7]"]


def test_interval_and_note_of_an_added_curve_are_kept() -> None:
    told = PAPER.assign(
        ci_low=[0.3, float("nan")], ci_high=[0.5, float("nan")], settings="read off figure 5"
    )
    found = checked_curves(told, table())
    assert found["ci_low"].tolist() == [0.3, 0.7]
    assert found["ci_high"].tolist() == [0.5, 0.7]
    assert set(found["settings"]) == {"read off figure 5, not of this sweep"}


def test_one_note_applies_to_the_whole_curve_and_is_optional() -> None:
    for notes, expected in (
        (pd.Series(["figure 5", None]), "figure 5, not"),
        (float("nan"), "not"),
    ):
        found = checked_curves(PAPER.assign(settings=notes), table())
        assert set(found["settings"]) == {f"{expected} of this sweep, no interval"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (PAPER.drop(columns="accuracy"), "missing: accuracy"),
        (PAPER[:0], "rows without gaps"),
        (PAPER.assign(snr_db=["0", "ten"]), "must have numbers as snr_db, got 'ten'"),
        (PAPER.assign(snr_db=["0", "10"]), "must have numbers as snr_db, got '0'"),
        (PAPER.assign(ci_low="low"), "must have numbers as ci_low, got 'low'"),
        (PAPER.assign(ci_high=75.0), "ci_high of added curves must be 0 to 1, got 75"),
        (PAPER.assign(accuracy=[40, 70]), "must be 0 to 1, got 40; divide percentages by 100"),
        (PAPER.assign(scheme="rkd_sc"), "names that the sweep does not use, got rkd_sc"),
        (PAPER.assign(channel_uses=64), "awgn k=16, rayleigh k=16; got awgn k=64"),
    ],
)
def test_invalid_curves_raise_errors(wrong: pd.DataFrame, message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked_curves(wrong, table())


def test_read_curves_reads_csv_and_rejects_other_files(tmp_path: Path) -> None:
    PAPER.to_csv(tmp_path / "paper.csv", index=False)
    pd.testing.assert_frame_equal(read_curves(tmp_path / "paper.csv"), PAPER)
    with pytest.raises(UserError, match="no such file"):
        read_curves(tmp_path / "other.csv")
    (tmp_path / "empty.csv").touch()
    for path in (tmp_path, tmp_path / "empty.csv"):
        with pytest.raises(UserError, match="must be a CSV file"):
            read_curves(path)


def test_added_curve_has_the_pilots_of_its_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = table(channels=["rayleigh+ls:8"], schemes=["rkd_sc"]).assign(pilot_uses=8)
    paper = PAPER.assign(channel="rayleigh+ls:8")
    (plan,) = planned(monkeypatch, ours, added=paper)
    assert plan.curve("rayleigh+ls:8", "JSCC [7]")["pilot_uses"].tolist() == [8, 8]
    assert "no pilots" not in plan.all_notes


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ci_low": [0.5, 0.6]}, "ci_low of added curves must be at most accuracy, got 0.5"),
        ({"ci_high": [0.5, 0.6]}, "ci_high of added curves must be at least accuracy, got 0.6"),
        ({"snr_db": [0.0, float("inf")]}, "must have finite numbers as snr_db, got inf"),
    ],
)
def test_added_curve_must_be_finite_and_inside_its_interval(
    change: dict[str, list[float]], why: str
) -> None:
    with pytest.raises(UserError, match=why):
        checked_curves(PAPER.assign(**change), table())
