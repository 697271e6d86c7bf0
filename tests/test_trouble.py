"""Machine failures during a sweep: clear error messages, and no finished work is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.engine.job import Job
from simulator.engine.journal import Journal
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors, save_tensors
from tests.commands import WEIGHTS, status

SCRIPT = Path(__file__).parent / "full_disk.py"
MOUNTS = ["unshare", "--map-root-user", "--mount"]
SWEEP = ["sweep", "digits", "--channels", "awgn", "--snr-db", "-5", "--channel-uses", "4"]
SWEEP += ["--weights", str(WEIGHTS)]


def may_mount() -> bool:
    """Whether users of this machine may mount disks in their own namespace."""
    if shutil.which("unshare") is None:
        return False
    command = [*MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount a small disk")
def test_full_and_read_only_disks_keep_finished_units(tmp_path: Path) -> None:
    """The disk is full while images, then units, then figures are written; then it has space."""
    command = [*MOUNTS, sys.executable, str(SCRIPT), str(tmp_path)]
    setting = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=setting)
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    whole, images, units, figures, roomy, compared, locked = said
    assert [one["status"] for one in (whole, images, units, figures, roomy)] == [0, 2, 2, 2, 0]
    for one, file in ((images, "test_images"), (units, "journal.jsonl"), (figures, "figures/")):
        assert one["said"].startswith("semlink: error: ")
        assert file in one["said"]
        assert "No space left on device" in one["said"]
    assert f"{units['units']} finished units are kept: make room, then run" in units["said"]
    assert 0 == images["units"] < units["units"] < figures["units"] == roomy["units"] == 300
    assert not units["table"]
    assert compared == {"same": True}
    assert locked["status"] == 2
    assert "--out must be a folder that can be written to" in locked["said"]
    assert "Read-only file system" in locked["said"]
    assert locked["units"] == 300


def test_truncated_journal_line_is_recomputed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*SWEEP, "--schemes", "label_code", "--realizations", "7", "--out", tmp_path]
    assert status(monkeypatch, *arguments) == 0
    journal, table = tmp_path / "journal.jsonl", tmp_path / "results.csv"
    before, rows = journal.read_bytes(), table.read_bytes()
    journal.write_bytes(before[:-100])
    table.unlink()
    assert status(monkeypatch, *arguments) == 0
    assert table.read_bytes() == rows
    whole = before.rfind(b"\n", 0, -1) + 1
    assert journal.read_bytes()[:whole] == before[:whole]
    assert len(Journal(tmp_path)) == 7


def test_second_sweep_on_one_folder_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SWEEP, "--schemes", "label_code", "--images", "20", "--out", tmp_path]
    with Journal(tmp_path):
        assert status(monkeypatch, *arguments) == 2
    assert "is in use by another semlink process; wait for it" in capsys.readouterr().err
    assert not (tmp_path / "journal.jsonl").exists()
    assert status(monkeypatch, *arguments) == 0


def test_cluster_without_ray_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # its import fails
    arguments = [*SWEEP, "--schemes", "label_code", "--cluster", "local", "--out", tmp_path]
    assert status(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "semlink: error: --cluster needs Ray: pip install 'semlink[cluster]', or leave it out"
    )


def change_codec(weights: Path) -> None:
    """Change the weights of the codec, as another training run would."""
    tensors, header = load_tensors(weights / "codec.safetensors")
    tensors["head.bias"] += 1
    save_tensors(weights / "codec.safetensors", tensors, header)


def test_weights_changed_during_a_sweep_raise_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, write_images = tmp_path / "w", Job.write_images
    shutil.copytree(WEIGHTS, weights)

    def change(self: Job, *arguments: Any) -> None:
        """Change the weights after this process and before its workers have read them."""
        change_codec(weights)
        write_images(self, *arguments)

    arguments = [*SWEEP, "--schemes", "rkd_sc", "--images", "20", "--weights", weights]
    arguments += ["--workers", "2", "--out", tmp_path / "out"]
    with monkeypatch.context() as patch:
        patch.setattr(Job, "write_images", change)
        assert status(monkeypatch, *arguments) == 2
    assert "codec of rkd_sc changed while the sweep ran" in capsys.readouterr().err
    assert not (tmp_path / "out/results.csv").exists()
    assert len(Journal(tmp_path / "out")) == 0


def test_single_process_uses_the_weights_it_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, begin = tmp_path / "w", Journal.begin
    shutil.copytree(WEIGHTS, weights)

    def change(self: Journal, about: dict[str, Any]) -> None:
        """Change the weights after everything has been read."""
        change_codec(weights)
        begin(self, about)

    arguments = [*SWEEP, "--schemes", "rkd_sc", "--images", "20", "--weights", weights]
    arguments += ["--workers", "1", "--out"]
    assert status(monkeypatch, *arguments, tmp_path / "before") == 0
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "begin", change)
        assert status(monkeypatch, *arguments, tmp_path / "changed") == 0
    tables = [tmp_path / name / "results.csv" for name in ("before", "changed")]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    capsys.readouterr()
    assert status(monkeypatch, *arguments, tmp_path / "changed") == 2  # the weights differ now
    assert "changed: codec of rkd_sc" in capsys.readouterr().err
