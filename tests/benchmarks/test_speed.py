"""The speed benchmark: what it counts, and that a section of it runs."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import speed, speed_sweeps
from benchmarks.speed_networks import image_jscc, kaira, pictures, psnr
from benchmarks.speed_rows import QUICK, of_several, single
from benchmarks.speed_sweeps import Cost, growth, workers
from models.blocks import parameter_count
from simulator.evaluate import Setting


def test_rows_hold_median_least_and_most() -> None:
    row = of_several("a", "x", [3.0, 1.0, 2.0], "per second")
    assert (row.value, row.least, row.most, row.repeats) == (2.0, 1.0, 3.0, 3)
    assert single("a", "x", 5.0, "").repeats == 1


def test_the_image_network_is_that_of_the_issue() -> None:
    assert parameter_count(image_jscc().model) == pytest.approx(143_000, rel=0.01)


def test_a_section_replaces_its_own_rows_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = iter(range(9))
    monkeypatch.setattr(speed, "engine", lambda _: [single("a", "x", next(rows), "")])
    monkeypatch.setattr(speed, "precisions", lambda *_: [])
    monkeypatch.setattr(speed, "shares", lambda _: [single("g", "y", next(rows), "")])
    for only in ("g,a", "a"):
        speed.main(["--quick", "--only", only, "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "speed.csv")
    assert table[["section", "value"]].to_numpy().tolist() == [["a", 2], ["g", 0]]
    assert json.loads((tmp_path / "run.json").read_text())["quick"] is True


@pytest.mark.parametrize(
    ("only", "told"),
    [("z", "must name sections"), ("c", "needs --kaira-python"), ("grid", "needs --data")],
)
def test_sections_that_cannot_run_are_named(tmp_path: Path, only: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        speed.main(["--only", only, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_interpreter_without_kaira_is_named() -> None:
    if "kaira" in sys.modules:
        pytest.skip("Kaira is installed here")
    with pytest.raises(SystemExit, match="cannot run Kaira"):
        list(kaira(QUICK, Path(sys.executable), None))


def test_psnr_without_noise_is_that_of_the_network() -> None:

    scheme, split = image_jscc(), pictures(20)
    found = psnr(scheme, split, 100.0, Setting(0, torch.device("cpu"), "fp32"))
    sent = split.images.float() / 255
    values = scheme.model.encode(sent)
    values = values / values.square().mean(dim=1, keepdim=True).sqrt() * 0.5**0.5
    back = scheme.model.decode(values, height=32, width=32)
    error = ((back - sent) ** 2).flatten(1).mean(dim=1)
    assert np.allclose(found.numpy(), -10 * np.log10(error.detach().numpy()), atol=1e-3)


def test_slopes_and_speed_up_of_sweeps_that_take_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(folder: Path, *arguments: str) -> Cost:
        """3 s to start, then 2 ms for each of 500 images at a point, or at each of 16 points."""
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        assert folder == tmp_path
        first, last, step = map(float, options["--snr-db"].split(":"))
        points = (last - first) / step + 1
        work = 0.002 * points * int(options.get("--images", "500"))
        return Cost(3 + work / int(options["--workers"]), work, 100.0)

    monkeypatch.setattr(speed_sweeps, "command", command)
    found = {row.what: row.value for row in growth(QUICK, tmp_path)}
    assert found["wall against points, slope"] == pytest.approx(1.0)
    assert found["wall against images, slope"] == pytest.approx(0.032)
    assert found["wall against points, start"] == pytest.approx(3.0)
    assert found["wall against points, farthest from the line"] == pytest.approx(0, abs=1e-9)
    *_, last = workers(QUICK, tmp_path)
    assert last.value == pytest.approx((3 + 16) / (3 + 8))
