"""Paired comparison of two schemes from what a sweep has kept."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from simulator.compare import compare, save_outcomes
from simulator.errors import UserError
from simulator.options import parse_realizations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep of three schemes over two SNRs; b lacks the second, c shares none with a."""
    names = [("a", 0.0, 16), ("a", 5.0, 16), ("b", 0.0, 16), ("c", 0.0, 64)]
    rows = pd.DataFrame(
        [
            {"scheme": scheme, "channel": "awgn", "channel_uses": k, "snr_db": snr}
            for scheme, snr, k in names
        ]
    )
    earned = torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]])
    save_outcomes(tmp_path, rows, earned.repeat(1, 50))
    return tmp_path


def test_difference_of_shared_points(folder: Path) -> None:
    table = compare(folder, "a", "b")
    assert table[["channel", "channel_uses", "snr_db"]].to_numpy().tolist() == [["awgn", 16, 0.0]]
    row = table.iloc[0]
    assert row["accuracy_a"] == pytest.approx(0.75)
    assert row["difference"] == pytest.approx(0.25)
    assert 0.1 < row["ci_low"] < 0.25 < row["ci_high"] < 0.4
    assert compare(folder, "b", "a").iloc[0]["difference"] == pytest.approx(-0.25)


def test_what_cannot_be_compared_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold the scheme 'x', but it has a, b, c"):
        compare(folder, "a", "x")
    with pytest.raises(UserError, match="a and c must share a point"):
        compare(folder, "a", "c")
    with pytest.raises(UserError, match="no such file"):
        compare(tmp_path / "empty", "a", "b")


def test_realizations_for_all_and_for_single_channels() -> None:
    assert parse_realizations("5") == (5, {})
    assert parse_realizations("awgn=5, rayleigh=20") == (None, {"awgn": 5, "rayleigh": 20})
    assert parse_realizations("2,rician:4=3") == (2, {"rician:4": 3})
    for text in ("", "x", "0", "awgn=", "2,3", "fog=2", "-1"):
        with pytest.raises(UserError):
            parse_realizations(text)
