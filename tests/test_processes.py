"""Real sweeps with two workers: interrupted, losing a worker, or beside a second sweep."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.studies.torture import sweep, workers_of
from tests.commands import WEIGHTS, Command, refused, table_of

ONE = ["--schemes", "rkd_sc", "--snr-db", "-5,5", "--channel-uses", "16", "--realizations", "36"]
GRID = [*ONE, "--workers", "2"]
UNITS = 2 * 2 * 36  # SNRs, channels of the recipe, realisations

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of an undisturbed sweep in one process."""
    return table_of(tmp_path_factory.mktemp("whole"), *ONE, "--workers", "1")


def units_in(folder: Path) -> int:
    """The number of complete lines in a journal, without the first."""
    journal = folder / "journal.jsonl"
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


@contextmanager
def under_way(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A sweep that has journalled its first units; it is killed on exit if still running."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored, as behind "&"
    try:
        process = sweep(folder, GRID)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            while process.poll() is None and units_in(folder) < 3:
                time.sleep(0.002)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_stops_all_workers_and_keeps_finished_units(
    tmp_path: Path, whole: bytes, semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meanwhile, a second sweep on the same folder raises an error."""
    with under_way(tmp_path) as process:
        os.killpg(process.pid, signal.SIGSTOP)  # it must not end before the second one has started
        before = (tmp_path / "journal.jsonl").read_bytes()
        assert semlink("sweep", "digits", *GRID, "--weights", WEIGHTS, "--out", tmp_path) == 2
        assert process.poll() is None
        assert (tmp_path / "journal.jsonl").read_bytes() == before
        assert refused(capsys) == (
            f"semlink: error: {tmp_path} is in use by another semlink process; wait for it, or "
            "choose another --out\n"
        )
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it too
        _, said = process.communicate(timeout=300)
    kept = units_in(tmp_path)
    assert process.returncode == 130
    assert 3 <= kept < UNITS
    assert said.decode().splitlines()[-1] == (
        f"semlink: stopped; {kept} finished units are in {tmp_path}/journal.jsonl; run the same "
        "command again to resume"
    )
    assert workers_of(process.pid) == []
    assert not (tmp_path / "results.csv").exists()
    before = (tmp_path / "journal.jsonl").read_bytes()
    assert table_of(tmp_path, *GRID) == whole
    assert (tmp_path / "journal.jsonl").read_bytes().startswith(before)


def test_sweep_continues_after_a_worker_is_killed(tmp_path: Path, whole: bytes) -> None:
    with under_way(tmp_path) as process:
        workers = workers_of(process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        assert units_in(tmp_path) < UNITS
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    assert (tmp_path / "results.csv").read_bytes() == whole
    assert units_in(tmp_path) == UNITS
