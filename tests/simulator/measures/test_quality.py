"""PSNR and SSIM as columns of a sweep."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import semlink as semlink_api
from simulator.data.embedded import embedded
from simulator.measures.quality import COLUMNS, psnr_db, ssim
from simulator.statistics.intervals import mean_interval
from tests.commands import WEIGHTS, Command, refused

GRID = ["--snr-db", "0,20", "--channel-uses", "64", "--channels", "awgn", "--images", "30"]
GRID += ["--realizations", "2", "--weights", str(WEIGHTS)]


def test_quality_option_adds_psnr_and_ssim_columns(semlink: Command, tmp_path: Path) -> None:
    schemes = ["--schemes", "deep_jscc_image,analog_pixels,separate,label_code"]
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
    at_20_db = asked[asked["snr_db"] == 20].set_index("scheme")
    separate = at_20_db.loc["separate"]
    assert separate["delivered"] == 1  # a file decoded without errors
    assert separate["psnr_db"] > at_20_db.loc["deep_jscc_image", "psnr_db"]
    assert semlink("report", "asked") == 0  # rows without images are valid
    assert semlink("plot", "asked") == 0
    assert semlink("plot", "asked", "--axis", "psnr") == 0
    told = (tmp_path / "asked" / "figures" / "psnr_snr_k64.txt").read_text()
    assert "PSNR versus SNR at k = 64" in told
    assert "An outage counts as a black image" in told
    assert "label code" not in told


def test_outage_counts_as_a_black_image(semlink: Command, tmp_path: Path) -> None:
    schemes = ["--schemes", "separate", "--snr-db", "-20", *GRID[2:]]
    assert semlink("sweep", "digits", *schemes, "--out", "out", "--quality") == 0
    (row,) = pd.read_csv(tmp_path / "out" / "results.csv").to_dict("records")
    assert row["delivered"] == 0
    sent = embedded("digits").test.images[:30].float() / 255
    black = psnr_db(torch.zeros_like(sent), sent).mean()
    assert row["psnr_db"] == pytest.approx(float(black), abs=1e-4)


def test_quality_of_an_own_scheme_is_measured() -> None:
    link = semlink_api.load("digits", weights=WEIGHTS)
    shape = link.data.image_shape

    def encode(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :32] + 0.01

    scheme = semlink_api.own_scheme(
        "mine",
        encode,
        lambda values: values.repeat(1, 2).reshape(-1, *shape),
        k=16,
        classify=link.weights.classifier().classify,
    )
    grid = semlink_api.Grid(snr_db=10, channel_uses=16, channels="awgn", realizations=1)
    table = semlink_api.sweep(link, scheme, grid, images=20, quality=True).table
    sent = semlink_api.send(scheme, link.data.test.images[:20], k=16)
    true = link.data.test.images[:20].float() / 255
    assert sent.images is not None
    every = psnr_db(sent.images, true).numpy()
    assert table["psnr_db"][0] == pytest.approx(float(every.mean()))
    ends = [table[f"psnr_db_{end}"][0] for end in ("low", "high")]
    assert ends == pytest.approx(mean_interval(every), abs=1e-4)
    assert table["accuracy"][0] == (sent.classes == link.data.test.labels[:20]).double().mean()
    wrong = semlink_api.own_scheme(
        "wrong",
        encode,
        lambda values: values.reshape(-1, 1, 4, 8),
        k=16,
        classify=lambda images: images.flatten(1)[:, :10],
    )
    with pytest.raises(semlink_api.Error, match="wrong must rebuild images of"):
        semlink_api.sweep(link, wrong, grid, images=20, quality=True)


def test_ssim_axis_requires_ssim_columns(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("plot", str(WEIGHTS.parent), "--axis", "ssim") == 2
    assert "--axis ssim needs rows with ssim" in refused(capsys)


def test_missing_torchmetrics_package_is_named_in_the_error(
    semlink: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    assert semlink("sweep", "digits", *GRID, "--quality") == 2
    assert "--quality needs torchmetrics: pip install" in refused(capsys)


def test_psnr_and_ssim_match_their_closed_forms(generator: torch.Generator) -> None:
    images = torch.rand((3, 3, 32, 32), generator=generator)
    off = (images - 0.1).clamp(min=-1)
    assert psnr_db(off, images).tolist() == pytest.approx([20.0] * 3, abs=1e-3)
    assert ssim(images, images).tolist() == pytest.approx([1.0] * 3)
    grey = torch.full((1, 1, 32, 32), 0.5)
    darker = torch.full((1, 1, 32, 32), 0.25)
    luminance = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert float(ssim(darker, grey)) == pytest.approx(luminance, abs=1e-4)
    assert float(ssim(images[:, :1, :8, :8], images[:, :1, :8, :8])[0]) == pytest.approx(1.0)
