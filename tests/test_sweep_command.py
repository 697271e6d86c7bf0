"""`semlink sweep` and `compare`: paired differences, the stop rule, every block decoded."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simulator.engine.evaluate import Evaluator
from simulator.engine.grid import Task
from simulator.engine.journal import Finished
from tests.commands import WEIGHTS, refused, status

SWEEP = ["sweep", "digits", "--channels", "awgn", "--images", "100", "--workers", "1"]
SWEEP += ["--weights", str(WEIGHTS)]
RULE = ["--schemes", "label_code", "--snr-db", "-10,10", "--channel-uses", "4"]
RULE += ["--realizations", "4", "--mc", "1.5", "--max-realizations", "30"]


def test_compare_prints_and_writes_paired_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ["--schemes", "rkd_sc,label_code", "--snr-db", "-10,0", "--channel-uses", "16"]
    assert status(monkeypatch, *SWEEP, *grid, "--out", tmp_path) == 0
    capsys.readouterr()
    assert status(monkeypatch, "compare", tmp_path, "--a", "rkd_sc", "--b", "label_code") == 0
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "compare_rkd_sc_label_code.csv")
    rows = pd.read_csv(tmp_path / "results.csv").set_index(["scheme", "snr_db"])["accuracy"]
    assert table["snr_db"].tolist() == [-10, 0]
    for _, row in table.iterrows():
        earned = rows["rkd_sc", row["snr_db"]] - rows["label_code", row["snr_db"]]
        assert row["difference"] == pytest.approx(earned)
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]
        assert f"{100 * row['difference']:+.1f}" in said
        assert f"{100 * row['ci_low']:+.1f}" in said
    assert (table["ci_high"] > table["ci_low"]).any()


def test_stop_rule_draws_until_precise_and_resumes_after_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert status(monkeypatch, *SWEEP, *RULE, "--out", whole) == 0
    rows = pd.read_csv(whole / "results.csv").set_index("snr_db")
    assert rows["realizations"][10] == 4  # label_code makes no error there
    assert 4 < rows["realizations"][-10] <= 28  # whole rounds up to --max-realizations
    half = 50 * (rows["mc_high"] - rows["mc_low"])
    assert half[-10] <= 1.5 or rows["realizations"][-10] == 28
    done, evaluate = [0], Evaluator.__call__

    def interrupted(self: Evaluator, task: Task) -> list[Finished]:
        if done[0] == 3:
            raise KeyboardInterrupt
        done[0] += 1
        return evaluate(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", interrupted)
        assert status(monkeypatch, *SWEEP, *RULE, "--out", stopped) == 130
    assert status(monkeypatch, *SWEEP, *RULE, "--out", stopped) == 0
    assert (stopped / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()


def test_max_realizations_limits_the_stop_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--mc", "0.01", "--max-realizations", "10", "--out", tmp_path]
    assert status(monkeypatch, *SWEEP, *RULE, *arguments) == 0
    rows = pd.read_csv(tmp_path / "results.csv")
    assert rows["realizations"].tolist() == [8, 8]  # whole rounds of 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-realizations", "5"], "--max-realizations is the limit of --mc; add --mc POINTS"),
        (["--cluster", "auto", "--workers", "2"], "--workers counts processes of this machine"),
    ],
)
def test_options_without_effect_raise_an_error(
    options: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status(monkeypatch, "sweep", "digits", *options, "--out", tmp_path / "out") == 2
    assert told in refused(capsys)
    assert not (tmp_path / "out").exists()


def test_block_error_tables_agree_with_decoding_every_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid: list[Any] = ["--schemes", "separate", "--channels", "awgn,rayleigh"]
    grid += ["--snr-db", "4,8,12", "--channel-uses", "64", "--realizations", "5"]
    assert status(monkeypatch, *SWEEP, *grid, "--out", tmp_path / "table") == 0
    assert status(monkeypatch, *SWEEP, *grid, "--bit-true", "--out", tmp_path / "decoded") == 0
    table, decoded = (pd.read_csv(tmp_path / name / "results.csv") for name in ("table", "decoded"))
    apart = np.abs(table["accuracy"] - decoded["accuracy"])
    half = sum((rows["mc_high"] - rows["mc_low"]) / 2 for rows in (table, decoded))
    assert (apart <= half).all()
    assert table["delivered"].between(0.1, 0.95).sum() >= 2  # neither all nor no blocks are lost
    assert not table["delivered"].equals(decoded["delivered"])  # the outcomes come from other draws
