"""The leaderboard: escaped, reproducible, and up to date with the committed entries."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.open.board import BOARD, write_board
from benchmarks.open.entry import entries_of
from benchmarks.open.submit import board_of
from benchmarks.open.task import task_named
from simulator.errors import UserError
from simulator.storage.environment import OPEN
from tests.benchmarks.open.tasks import SMALL, entry_of


def test_equal_entries_give_equal_files(tmp_path: Path) -> None:
    entries = [entry_of("one", 1), entry_of("two", 2)]
    for folder in ("a", "b"):
        write_board(tmp_path / folder, [(SMALL, entries)])
    for name in (BOARD, "digits.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = pd.read_csv(tmp_path / "a/digits.csv")
    assert rows["name"].tolist() == ["two", "one"]
    assert set(rows["task_digest"]) == {SMALL.digest}


def test_html_in_a_description_is_escaped(tmp_path: Path) -> None:
    entry = entry_of("one", 1)
    object.__setattr__(entry.about, "description", "</script><script>alert(1)</script>")
    page = write_board(tmp_path, [(SMALL, [entry])]).read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert" not in page


def test_board_without_entries_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold at least one entry"):
        write_board(tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_committed_board_matches_the_committed_entries(tmp_path: Path) -> None:
    board_of(tmp_path)
    for name in (BOARD, "digits.csv"):
        assert (tmp_path / name).read_bytes() == (OPEN / name).read_bytes()
    names = [own.about.name for own in entries_of([OPEN], task_named("digits"))]
    assert {"rkd_sc", "label_code", "separate"} <= set(names)
