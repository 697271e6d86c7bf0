"""PSNR and SSIM as columns of a sweep."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from simulator.measures.quality import COLUMNS, psnr_db, ssim
from tests.commands import WEIGHTS, Command, refused

GRID = ["--snr-db", "0,20", "--channel-uses", "64", "--channels", "awgn", "--images", "30"]
GRID += ["--realizations", "2", "--weights", str(WEIGHTS)]


def test_a_sweep_that_asks_has_columns_for_rebuilt_images(semlink: Command, tmp_path: Path) -> None:
    schemes = ["--schemes", "deep_jscc_image,analog_pixels,label_code"]
    assert semlink("sweep", "digits", *GRID, *schemes, "--out", "plain") == 0
    assert semlink("sweep", "digits", *GRID, *schemes, "--out", "asked", "--quality") == 0
    plain, asked = (pd.read_csv(tmp_path / name / "results.csv") for name in ("plain", "asked"))
    pd.testing.assert_frame_equal(asked.drop(columns=COLUMNS), plain)
    for scheme, rows in asked.groupby("scheme"):
        assert rows[COLUMNS].isna().all(axis=None) == (scheme == "label_code")
        for name in ("psnr_db", "ssim") if scheme != "label_code" else ():
            assert rows[name].is_monotonic_increasing
            assert (rows[f"{name}_low"] < rows[name]).all()
            assert (rows[name] < rows[f"{name}_high"]).all()
            assert rows["psnr_db"].between(5, 40).all()
    assert semlink("plot", "asked") == 0  # rows without an image are no damage
    assert semlink("report", "asked") == 0


def test_without_torchmetrics_it_says_what_to_install(
    semlink: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    assert semlink("sweep", "digits", *GRID, "--quality") == 2
    assert "--quality needs torchmetrics: pip install" in refused(capsys)


def test_psnr_and_ssim_are_the_textbook_ones(generator: torch.Generator) -> None:
    images = torch.rand((3, 3, 32, 32), generator=generator)
    off = (images - 0.1).clamp(min=-1)
    assert psnr_db(off, images).tolist() == pytest.approx([20.0] * 3, abs=1e-3)
    assert ssim(images, images).tolist() == pytest.approx([1.0] * 3)
    grey = torch.full((1, 1, 32, 32), 0.5)
    darker = torch.full((1, 1, 32, 32), 0.25)
    luminance = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert float(ssim(darker, grey)) == pytest.approx(luminance, abs=1e-4)
    assert float(ssim(images[:, :1, :8, :8], images[:, :1, :8, :8])[0]) == pytest.approx(1.0)
