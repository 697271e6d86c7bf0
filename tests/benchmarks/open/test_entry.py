"""Entries: read as they were written, small; refused when damaged or of another task."""

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


def test_an_entry_is_read_as_it_was_written(tmp_path: Path) -> None:
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


def test_four_bits_an_image_at_most(tmp_path: Path) -> None:
    """Random outcomes cannot be compressed: two counts of one bit for each image and SNR."""
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
def test_a_damaged_entry_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_entry(tmp_path, random_entry())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match="is damaged; remove it, or submit it again"):
        read_entry(path, SMALL)


def test_more_right_than_draws_is_refused(tmp_path: Path) -> None:
    path = write_entry(tmp_path, entry_of("lucky", 3))
    with pytest.raises(UserError, match="is damaged"):
        read_entry(path, SMALL)


def test_an_edited_task_refuses_old_entries(tmp_path: Path) -> None:
    path = write_entry(tmp_path, entry_of("old", 1))
    with pytest.raises(UserError, match="belongs to another version of task digits"):
        read_entry(path, replace(SMALL, seed=1))


def test_a_later_folder_replaces_entries_of_a_name(tmp_path: Path) -> None:
    for folder, right in (("ours", 0), ("mine", 2)):
        write_entry(tmp_path / folder, entry_of("same", right))
    write_entry(tmp_path / "ours", entry_of("other", 1))
    found = entries_of([tmp_path / "ours", tmp_path / "mine"], SMALL)
    assert [own.about.name for own in found] == ["other", "same"]
    assert found[1].outcomes[PLACE].right.min() == 2
