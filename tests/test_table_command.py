"""`semlink table` as users see it: its table, messages and errors."""

from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor

from benchmarks.recipes import digits
from models.blocks import parameter_count
from simulator.data.embedded import embedded
from simulator.measures import sizes
from simulator.schemes.rkd_sc import RkdScConfig
from tests.commands import WEIGHTS, Command

TABLE = ("table", "digits", "--weights", WEIGHTS)


def test_table_shows_sizes_and_accuracy_of_the_trained_student(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sizes, "RUNS", 1)
    assert semlink(*TABLE, "--images", "40", "--realizations", "2", "--out", "out") == 0
    rows = pd.read_csv(tmp_path / "out/sizes.csv")
    assert rows["name"].tolist() == ["student"]
    student = digits().student.model.build(image_channels=1)
    codec = digits().one(RkdScConfig).codec.model.build()
    row = rows.iloc[0]
    assert row["encoder_parameters"] == parameter_count(student)
    assert row["both_ends_parameters"] == parameter_count(student, codec)
    assert row["tx_parameters"] == parameter_count(student, codec.encoder)
    assert row["encoder_macs"] == sizes.macs(lambda: student(embedded_images(1)))
    assert (rows[["cpu_ms_alone", "cpu_ms_batch64"]] > 0).all(axis=None)
    assert round(row["accuracy"] * 40) == pytest.approx(row["accuracy"] * 40)  # of 40 images
    assert row["accuracy_low"] < row["accuracy"] <= row["accuracy_high"]
    assert "retention" not in rows or rows["retention"].isna().all()
    out, err = capsys.readouterr()
    assert f"retention is left out: no teacher in {WEIGHTS}" in err
    shown = dict(line.split() for line in out.splitlines()[1:-1])
    assert shown["encoder_parameters"] == str(parameter_count(student))
    assert shown["encoder_macs"] == str(row["encoder_macs"])
    assert shown["accuracy"] == f"{row['accuracy']:.4f}"
    assert out.endswith(f"table:   {Path('out/sizes.csv')}\n")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--realizations", "0"), "--realizations must be"),
        (("--images", "501"), "--images must be"),
        (("--seed", "-1"), "--seed must be"),
    ],
)
def test_invalid_options_raise_an_error(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, str],
    told: str,
) -> None:
    assert semlink(*TABLE, *more, "--out", "out") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out/sizes.csv").exists()


def embedded_images(count: int) -> Tensor:
    """Images of the digits in [0, 1]."""
    return embedded("digits").test.images[:count].float() / 255
