"""Stored images, decisions and symbols of a sweep, which must agree with its journal."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from simulator.data.embedded import embedded
from simulator.engine.grid import Point, Unit
from simulator.engine.outcomes import stored_units
from simulator.engine.samples import LARGEST, _shown, chosen_rows, most_images, place_of
from simulator.statistics.tally import OUTAGE, RIGHT
from simulator.storage.files import load_tensors
from simulator.storage.folders import SAMPLES, read_results
from tests.commands import WEIGHTS, Command, status

GRID = ["--images", "60", "--realizations", "2", "--snr-db", "-10,4,20", "--channel-uses", "64"]
SWEEP = ["sweep", "digits", "--weights", WEIGHTS, *GRID, "--channels", "rayleigh"]
SCHEMES = ("rkd_sc", "deep_jscc_q", "deep_jscc_image", "separate")
K = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep of all schemes for which samples are stored."""
    out = tmp_path_factory.mktemp("samples") / "out"
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, *SWEEP, "--schemes", ",".join(SCHEMES), "--out", out) == 0
    return out


def test_stored_decisions_match_the_journal(folder: Path) -> None:
    rows, run = read_results(folder)
    units = stored_units(folder, rows, run["journal"])
    _, about = load_tensors(folder / SAMPLES)
    pictures, classes = about["pictures"], embedded("digits").classes
    labels = [classes[int(own)] for own in embedded("digits").test.labels]
    assert pictures["classes"] == [labels[row] for row in pictures["rows"]]
    assert list(pictures["decided"]) == ["deep_jscc_image", "separate"]
    met = set()
    for name, every in pictures["decided"].items():
        for snr_db, decided in zip((-10.0, 4.0, 20.0), every, strict=True):
            codes = units.read(Unit(Point(name, "rayleigh", snr_db, K), 0)).codes
            for row, own in zip(pictures["rows"], decided, strict=True):
                assert (own is None) == (codes[row] == OUTAGE)
                assert (own == labels[row]) == (codes[row] == RIGHT)
                met.add(int(codes[row]))
    assert met == {0, RIGHT, OUTAGE}


def test_stored_decisions_match_the_journal_with_estimated_gains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ["--snr-db", "0,20", "--channel-uses", "64", "--channels", "rayleigh+ls:4"]
    sizes = ["--images", "60", "--realizations", "1"]
    out, schemes = tmp_path / "out", ["--schemes", "deep_jscc_image"]
    arguments = ["sweep", "digits", "--weights", WEIGHTS, *grid, *sizes, *schemes, "--out", out]
    assert status(monkeypatch, *arguments) == 0
    rows, run = read_results(out)
    units = stored_units(out, rows, run["journal"])
    pictures = load_tensors(out / SAMPLES)[1]["pictures"]
    labels = embedded("digits").test.labels
    for snr_db, decided in zip((0.0, 20.0), pictures["decided"]["deep_jscc_image"], strict=True):
        point = Point("deep_jscc_image", "rayleigh+ls:4", snr_db, K)
        codes = units.read(Unit(point, 0)).codes
        for row, own in zip(pictures["rows"], decided, strict=True):
            assert (own == embedded("digits").classes[int(labels[row])]) == (codes[row] == RIGHT)


def test_sweep_with_a_chosen_number_of_pilots_stores_no_samples(
    semlink: Command, tmp_path: Path
) -> None:
    grid = ["--snr-db", "0,20", "--channel-uses", "64", "--channels", "rayleigh+lmmse:best"]
    sizes = ["--images", "20", "--realizations", "1", "--schemes", "rkd_sc"]
    out = tmp_path / "out"
    assert semlink("sweep", "digits", "--weights", WEIGHTS, *grid, *sizes, "--out", out) == 0
    assert not (out / SAMPLES).exists()
    assert set(read_results(out)[0]["snr_db"]) == {0.0, 20.0}


def test_stored_images_are_test_images_and_errors_fall_with_the_snr(folder: Path) -> None:
    tensors, about = load_tensors(folder / SAMPLES)
    sent = embedded("digits").test.images[about["pictures"]["rows"]]
    assert torch.equal(tensors["images"], sent)
    errors = (tensors["images deep_jscc_image"].float() - sent.float()).square().mean(dim=(2, 3, 4))
    assert (errors[2] < errors[0]).all()
    lost = [own is None for own in about["pictures"]["decided"]["separate"][0]]
    assert any(lost)
    assert (tensors["images separate"][0][lost] == 0).all()


def test_stored_symbols_have_unit_power_and_errors_fall_with_the_snr(folder: Path) -> None:
    tensors, about = load_tensors(folder / SAMPLES)
    assert about["symbols"]["images"] == 4
    for name in ("rkd_sc", "deep_jscc_q"):
        sent, equalised = (tensors[f"{what} {name}"] / 1000 for what in ("sent", "equalised"))
        assert sent.shape == equalised.shape == (3, 4 * K, 2)
        errors = (sent - equalised).square().sum(dim=2).mean(dim=1)
        assert errors[0] > errors[1] > errors[2]
    power = (tensors["sent rkd_sc"] / 1000).square().sum(dim=2).reshape(3, 4, K).mean(dim=2)
    assert power == pytest.approx(torch.ones(3, 4).numpy(), abs=2e-3)


def test_repeated_sweep_keeps_the_file_and_another_sweep_removes_it(
    folder: Path, semlink: Command
) -> None:
    path = folder / SAMPLES
    before, written = path.read_bytes(), path.stat().st_mtime_ns
    again = [*SWEEP, "--schemes", ",".join(SCHEMES), "--out", folder]
    assert semlink(*again) == 0
    assert path.stat().st_mtime_ns == written  # not computed again
    path.write_bytes(before[:100])
    assert semlink(*again) == 0
    assert path.read_bytes() == before
    assert semlink(*SWEEP, "--schemes", "label_code", "--out", folder, "--fresh") == 0
    assert not path.exists()
    assert set(pd.read_csv(folder / "results.csv")["scheme"]) == {"label_code"}


def test_samples_are_taken_where_most_schemes_are_swept() -> None:
    points = [
        Point(scheme, channel, snr_db, k)
        for scheme, uses in (("a", (16, 32)), ("b", (32, 64)), ("c", (8,)))
        for channel in ("rayleigh", "awgn")
        for snr_db in (0.0, 5.0, 10.0, -5.0)
        for k in uses
    ]
    assert place_of(points, ("a", "b")) == ("rayleigh", 32, (-5.0, 5.0, 10.0), ("a", "b"))
    assert place_of(points, ("c", "d")) == ("rayleigh", 8, (-5.0, 5.0, 10.0), ("c",))
    assert place_of(points[:1], ("a",)) == ("rayleigh", 16, (0.0,), ("a",))
    assert place_of(points, ("d",)) is None


def test_half_of_the_chosen_images_have_mixed_decisions() -> None:
    right = torch.ones((2, 10), dtype=torch.bool)
    right[0, [4, 6, 8, 9]] = False
    assert chosen_rows(right, 4) == [0, 1, 4, 6]
    assert chosen_rows(right[:1], 3) == [0, 1, 2]
    assert chosen_rows(right[:, :2], 6) == [0, 1]


def test_large_images_are_downscaled_and_fewer_are_stored() -> None:
    shown = _shown(torch.rand(1, 3, 224, 112))
    assert shown.shape == (1, 3, LARGEST, LARGEST // 2)
    assert _shown(torch.full((1, 1, 8, 8), 0.5)).unique().tolist() == [128]
    assert most_images(torch.zeros(1, 1, 8, 8), 6) == 6
    assert most_images(torch.zeros(1, 3, 32, 32), 6) == 5
    assert most_images(torch.zeros(1, 3, 64, 64), 6) == 2
