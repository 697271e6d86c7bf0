"""The speed benchmark's sweeps: their command lines, and results computed from their costs."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.speed import sweeps as speed_sweeps
from benchmarks.speed.sweeps import Cost, accuracies, growth, separate, workers
from benchmarks.speed.table import FULL, QUICK
from simulator.engine.grid import Point, Unit
from simulator.engine.journal import Finished, Journal
from simulator.storage.environment import REFERENCE
from simulator.storage.files import write_json
from tests.commands import DATA, ROW


@pytest.fixture
def known_costs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Replaces sweeps by known costs; returns the recipes and options of the calls.

    3 s to start, then 0.4 ms per transmission; the first point takes 100 s more.
    """
    asked: list[tuple[str, dict[str, str]]] = []

    def command(folder: Path, recipe: str, *arguments: str) -> Cost:
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        asked.append((recipe, options))
        grid = [float(part) for part in options["--snr-db"].split(":")]
        channels = len(options.get("--channels", "awgn,rayleigh").split(","))
        points = int((grid[1] - grid[0]) / grid[2] + 1) * channels
        sent = int(options.get("--images", "500")) * int(options["--realizations"])
        seconds = [0.0004 * sent] * points
        work = sum(seconds)
        slow = [seconds[0] + 100, *seconds[1:]]
        pd.DataFrame({"core_seconds": slow}).to_csv(folder / "timing.csv")
        return Cost(3 + work / int(options["--workers"]), work, 100.0)

    monkeypatch.setattr(speed_sweeps, "command", command)
    return asked


def test_growth_slopes_match_known_costs(
    tmp_path: Path, known_costs: list[tuple[str, dict[str, str]]]
) -> None:
    found = {row.what: row.value for row in growth(QUICK, tmp_path, None)}
    assert found["wall against points, slope"] == pytest.approx(1.0)
    assert found["wall against realisations, slope"] == pytest.approx(0.8)
    assert found["wall against images, slope"] == pytest.approx(0.032)
    assert found["wall against points, start"] == pytest.approx(3.0)
    assert found["wall against points, farthest from the line"] == pytest.approx(0, abs=1e-9)
    assert found["peak memory against realisations, last over first"] == 1.0
    assert "wall against images, farthest from the line" not in found  # needs three points
    assert [o["--images"] for _, o in known_costs if "--images" in o] == ["250", "500"]


def test_growth_with_images_is_measured_on_cifar_100_if_available(
    tmp_path: Path, known_costs: list[tuple[str, dict[str, str]]]
) -> None:
    found = {row.what: row for row in growth(FULL, tmp_path, tmp_path / "data")}
    slope = found["wall against CIFAR-100 images, slope"]
    assert slope.value == pytest.approx(4 * 10 * 0.0004)
    assert slope.unit == "s per image"
    assert found["wall against CIFAR-100 images, farthest from the line"].value < 1e-9
    images = [o["--images"] for recipe, o in known_costs if recipe == "cifar100"]
    assert images == ["1250", "2500", "5000"]


def test_two_workers_are_timed_on_a_sweep_of_the_requested_length(
    tmp_path: Path, known_costs: list[tuple[str, dict[str, str]]]
) -> None:
    rows = {row.what: row.value for row in workers(FULL, tmp_path)}
    draws = known_costs[-1][1]["--realizations"]
    alone = rows[f"32 points x {draws} realisations, 1 workers, wall"]
    assert alone == pytest.approx(FULL.seconds, rel=0.1)  # the slow first point is ignored
    together = rows[f"32 points x {draws} realisations, 2 workers, wall"]
    assert rows["two workers over one"] == alone / together


def test_time_per_point_of_separate_is_relative_to_rkd_sc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(folder: Path, *_: str) -> None:
        timing = {"scheme": ["rkd_sc", "rkd_sc", "separate"], "core_seconds": [1.0, 3.0, 0.5]}
        pd.DataFrame(timing).to_csv(folder / "timing.csv")

    monkeypatch.setattr(speed_sweeps, "command", command)
    *_, last = separate(QUICK, tmp_path)
    assert (last.what, last.value) == ("digits, a point, separate over rkd_sc", 0.25)


def test_accuracy_differences_are_paired_by_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100 images 80 are right in fp32 and 4 of these wrong in bf16."""

    def command(folder: Path, *arguments: str) -> None:
        codes = np.zeros(100, dtype=np.uint8)
        codes[: 76 if "bf16" in arguments else 80] = 1
        with Journal(folder) as journal:
            journal.begin({})
            journal.add([Finished(Unit(Point("rkd_sc", "awgn", 0.0, 16), 0), codes, 0.1)])
        row = ROW | {"scheme": "rkd_sc", "channel": "awgn", "snr_db": 0.0, "channel_uses": 16}
        row |= {"realizations": 1, "accuracy": codes.mean(), "ci_low": 0.7, "ci_high": 0.9}
        pd.DataFrame([row]).to_csv(folder / "results.csv", index=False)
        write_json(folder / "run.json", {"data": DATA})

    monkeypatch.setattr(speed_sweeps, "command", command)
    rows = {row.what: row for row in accuracies("digits", tmp_path, [])}
    assert rows["digits fp32, accuracy at 0 dB"].value == pytest.approx(0.8)
    change = rows["digits bf16, accuracy minus that of fp32 at 0 dB"]
    assert change.value == pytest.approx(-0.04)
    assert -0.1 < change.least < -0.04 < change.most < 0  # unpaired it would be +-0.11
    same = rows["digits fp32, compiled, accuracy minus that of fp32 at 0 dB"]
    assert same.value == 0
    assert 0 < same.most == -same.least < 0.04  # the bound that 100 agreeing images give
    assert len(rows) == 4 + 3


def test_sweeps_use_committed_weights_and_report_peak_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nsleep 0.3\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(speed_sweeps, "MEMORY_EVERY_S", 0.1)
    pd.DataFrame({"core_seconds": [1.0, 2.0]}).to_csv(tmp_path / "timing.csv")
    cost = speed_sweeps.command(tmp_path, "digits", "--workers", "1")
    assert cost.core_seconds == 3.0
    assert cost.wall_seconds > 0.3
    assert cost.peak_mb > 0
    asked = (tmp_path / "asked").read_text()
    assert f"sweep digits --weights {REFERENCE / 'digits/weights'} --workers 1 --fresh" in asked


def test_failed_sweeps_raise_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SystemExit, match="the sweep failed: digits --workers 1"):
        speed_sweeps.command(tmp_path, "digits", "--workers", "1")
