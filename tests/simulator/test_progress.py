"""Progress: a bar on a terminal, elsewhere lines; and no speed of what was there already."""

import io
from pathlib import Path

import pytest

from simulator.progress import progress, skip
from simulator.storage.environment import ROOT
from tests.commands import Command

GRID = ["--schemes", "label_code", "--snr-db", "0", "--channel-uses", "16", "--images", "20"]


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with progress(total=4) as bar:
            skip(bar, 2)
            bar.update(2)
        assert bool(stream.getvalue()) == shown


def test_long_work_leaves_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.progress.EVERY", 0.0)
    stream = io.StringIO()
    for _ in progress(range(3), desc="long", file=stream):
        pass
    told = stream.getvalue()
    assert "\r" not in told
    lines = told.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("long: ") for line in lines)
    assert "2/3" in told


def test_what_was_there_already_has_no_speed() -> None:
    with progress(total=1000, file=Terminal()) as bar:
        skip(bar, 900)
        told = bar.format_dict
        assert (told["n"], told["initial"], told["rate"]) == (900, 900, None)


def test_a_sweep_leaves_no_residue_in_a_file(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert semlink("sweep", "digits", *GRID, "--out", "out") == 0
        err = capsys.readouterr().err
        assert "\r" not in err
        assert all(line.startswith("semlink: ") for line in err.splitlines())


def test_all_bars_are_made_here() -> None:
    files = [path for name in ("simulator", "benchmarks") for path in (ROOT / name).rglob("*.py")]
    own = [path for path in files if "tqdm import" in path.read_text(encoding="utf-8")]
    assert own == [ROOT / Path("simulator/progress.py")]
