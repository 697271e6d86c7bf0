"""`semlink compare` on the committed sweep of the digits."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from simulator.statistics.paired import holm
from simulator.storage.environment import ROOT
from tests.commands import Command, refused

DIGITS = ROOT / "results/reference/digits"
PART = ["--channels", "awgn", "--channel-uses", "16", "--b", "rkd_sc"]


@pytest.fixture(autouse=True)
def finished_sweep(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("results.csv", "run.json", "outcomes.npz"):
        shutil.copy(DIGITS / name, tmp_path / "a")


def test_family_all_corrects_for_the_points_of_all_pairs(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("compare", "a", *PART) == 0
    assert "of a pair" in capsys.readouterr().out
    pairs = pd.read_csv(tmp_path / "a/compare_all_rkd_sc.csv")
    for _, own in pairs.groupby("a"):
        assert own["p_holm"].tolist() == pytest.approx(holm(own["p_value"].tolist()))
    assert semlink("compare", "a", *PART, "--family", "all") == 0
    assert f"over all {len(pairs)} points" in capsys.readouterr().out
    together = pd.read_csv(tmp_path / "a/compare_all_rkd_sc_all_pairs.csv")
    assert together["p_holm"].tolist() == pytest.approx(holm(pairs["p_value"].tolist()))
    assert (together["p_holm"] > pairs["p_holm"]).any()


def test_an_unknown_family_raises_a_one_line_error(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("compare", "a", *PART, "--family", "each") == 2
    assert "'each' is not one of 'pair', 'all'" in refused(capsys)
