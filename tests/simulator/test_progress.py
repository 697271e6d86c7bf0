"""Progress: a bar on a terminal, lines elsewhere; resumed work does not count in the speed."""

import io
import threading
from typing import Any

import pytest
from tqdm import tqdm

from simulator.progress import progress, skip, wait
from tests.commands import Command

GRID = ["--schemes", "label_code", "--snr-db", "0", "--channel-uses", "16", "--images", "20"]


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


def test_progress_ends_with_one_line_on_terminals_and_in_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", stream)
        with progress(total=4) as bar:
            skip(bar, 2)
            bar.update(2)
        told = stream.getvalue()
        assert "4/4" in told
        assert told.count("\n") == 1
    quiet = io.StringIO()
    assert list(progress(range(3), file=quiet, leave=False)) == [0, 1, 2]
    assert quiet.getvalue() == ""


def test_progress_prints_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.progress.EVERY", 0.0)
    stream = io.StringIO()
    for _ in progress(range(3), desc="AVIF", file=stream):
        pass
    told = stream.getvalue()
    assert "\r" not in told
    lines = told.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("AVIF: ") for line in lines)
    assert "2/3" in told
    assert "3/3" in lines[-1]


def test_resumed_work_does_not_count_in_the_speed() -> None:
    with progress(total=1000, file=Terminal()) as bar:
        skip(bar, 900)
        told = bar.format_dict
        assert (told["n"], told["initial"], told["rate"]) == (900, 900, None)


def test_remaining_time_can_be_overridden() -> None:
    for stream in (Terminal(), io.StringIO()):
        with progress(total=1000, file=stream) as bar:
            bar.update(900)
            bar.left = lambda: None
            assert "<00:00," in str(bar)  # estimated from the speed so far
            bar.left = lambda: 754.0
            assert "<12:34," in str(bar)
            assert "900/1000" in str(bar)


def test_waiting_time_is_excluded_from_the_elapsed_time() -> None:
    with progress(total=10, file=Terminal()) as bar:
        bar.start_t -= 100
        wait(bar, 90)
        assert bar.format_dict["elapsed"] == pytest.approx(10, abs=5)


def test_sweep_progress_in_a_file_has_no_carriage_returns(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert semlink("sweep", "digits", *GRID, "--out", "out") == 0
        err = capsys.readouterr().err
        assert "\r" not in err
        *said, last = err.splitlines()
        assert all(line.startswith("semlink: ") for line in said)
        assert last.startswith("sweep: 100%")
        assert "120/120" in last  # of 20 images, 3 realisations on 2 channels
        assert "transmissions/s" in last


def test_bars_use_a_thread_lock_instead_of_a_semaphore() -> None:
    """The default lock of tqdm is shared between processes, and outlives a killed worker."""
    lock: Any = tqdm.get_lock()  # type: ignore[no-untyped-call]
    assert isinstance(lock, type(threading.RLock()))
