"""Entries: lossless and small files, and errors for damaged entries or other tasks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.open.entry import Entry, Outcomes, entries_of, read_entry, write_entry
from simulator.errors import UserError
from tests.benchmarks.open.tasks import PLACE, SMALL, entry_of

RNG = np.random.default_rng(0)


def random_entry() -> Entry:
    right = RNG.integers(0, 2, (2, 500)).astype(np.uint8)
    outages = RNG.integers(0, 2, (2, 500)).astype(np.uint8)
    return replace(entry_of("random", 0), outcomes={PLACE: Outcomes(right, outages)})


def test_entry_is_written_and_read_without_loss(tmp_path: Path) -> None:
    written = random_entry()
    path = write_entry(tmp_path, written)
    read = read_entry(path, SMALL)
    assert (read.about, read.origin, read.settings) == (
        written.about,
        written.origin,
        written.settings,
    )
    assert list(read.outcomes) == [PLACE]
    for ours, theirs in zip(read.outcomes[PLACE], written.outcomes[PLACE], strict=True):
        assert np.array_equal(ours, theirs)
    before = path.read_bytes()
    assert write_entry(tmp_path, read).read_bytes() == before


def test_entry_file_is_small(tmp_path: Path) -> None:
    """Random outcomes do not compress: two counts of one bit each per image and SNR."""
    path = write_entry(tmp_path, random_entry())
    assert path.stat().st_size < 2 * 2 * 500 / 8 * 4 / 3 + 1000


@pytest.mark.parametrize(
    "change",
    [
        {"outcomes": "AAAA"},
        {"outcomes": 3},
        {"origin": "run by me"},
        {"settings": []},
        {"columns": [{"channel": "rayleigh", "channel_uses": 16}]},
        {"columns": [{"channel": "awgn", "channel_uses": 16}] * 2},
        {"made_with": None},
    ],
)
def test_damaged_entries_raise_an_error(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_entry(tmp_path, random_entry())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match="is damaged; remove it, or submit it again"):
        read_entry(path, SMALL)


def test_more_correct_outcomes_than_draws_raise_an_error(tmp_path: Path) -> None:
    path = write_entry(tmp_path, entry_of("lucky", 3))
    with pytest.raises(UserError, match="is damaged"):
        read_entry(path, SMALL)


def test_entries_of_another_task_version_raise_an_error(tmp_path: Path) -> None:
    path = write_entry(tmp_path, entry_of("old", 1))
    with pytest.raises(UserError, match="belongs to another version of task digits"):
        read_entry(path, replace(SMALL, seed=1))


def test_later_folders_replace_entries_of_the_same_name(tmp_path: Path) -> None:
    for folder, right in (("ours", 0), ("mine", 2)):
        write_entry(tmp_path / folder, entry_of("same", right))
    write_entry(tmp_path / "ours", entry_of("other", 1))
    found = entries_of([tmp_path / "ours", tmp_path / "mine"], SMALL)
    assert [own.about.name for own in found] == ["other", "same"]
    assert found[1].outcomes[PLACE].right.min() == 2
