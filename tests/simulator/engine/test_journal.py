"""The journal: finished units are never lost, and damaged lines are never used."""

import errno
import gc
import io
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simulator.engine.grid import Point, Unit
from simulator.engine.journal import FILE, Finished, Journal, _line, _write_all
from simulator.errors import UserError
from simulator.statistics.tally import (
    OUTAGE,
    RIGHT,
    WRONG,
    Codes,
    Tally,
    outcome_codes,
    pack,
    unpack,
)

POINT = Point("rkd_sc", "rayleigh_block:4", -2.5, 16)


def codes(seed: int, images: int = 1001) -> Codes:
    """Random outcomes."""
    return np.random.default_rng(seed).integers(0, 3, images).astype(np.uint8)


def finished(realization: int) -> Finished:
    return Finished(Unit(POINT, realization), codes(realization), 0.5)


def written(folder: Path, units: int) -> Path:
    """Write a journal with this number of units, and return its path."""
    with Journal(folder) as journal:
        journal.begin({"seed": 0})
        for realization in range(units):
            journal.add([finished(realization)])
    return folder / FILE


@pytest.mark.parametrize("images", [1, 7, 8, 5000])
def test_outcomes_survive_packing(images: int) -> None:
    assert (unpack(pack(codes(0, images)), images) == codes(0, images)).all()


def test_units_read_back_equal_the_units_written(tmp_path: Path) -> None:
    written(tmp_path, 3)
    journal = Journal(tmp_path)
    assert len(journal) == 3
    assert journal.abouts == [{"seed": 0}]
    for realization in range(3):
        back, kept = journal.read(Unit(POINT, realization)), finished(realization)
        assert back.unit == kept.unit
        assert (back.codes == kept.codes).all()
        assert back.core_seconds == 0.5
    assert Unit(POINT, 3) not in journal
    assert Unit(POINT._replace(snr_db=-2.0), 0) not in journal


def test_reading_a_missing_unit_raises_key_error(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin({"seed": 0})
        journal.add([finished(7), finished(2), finished(7)])
    for seen in (journal, Journal(tmp_path)):
        assert len(seen) == 2
        assert [r for r in range(10) if Unit(POINT, r) in seen] == [2, 7]
        with pytest.raises(KeyError):
            seen.read(Unit(POINT, 3))


def test_journal_takes_less_than_30_bytes_of_memory_per_unit(tmp_path: Path) -> None:
    few, units = codes(0, images=8), [Unit(POINT, r) for r in range(3000)]
    with Journal(tmp_path) as journal:
        journal.begin({"seed": 0})
        journal.add(Finished(unit, few, 0.5) for unit in units)
    del journal
    tracemalloc.start()
    try:
        journal = Journal(tmp_path)
        assert len(journal) == 3000  # reads the file
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 30 * 3000


def test_truncated_journal_keeps_all_complete_units(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in range(len(whole)):  # truncated at every byte
        path.write_bytes(whole[:end])
        complete = [i for i in range(len(lines)) if sum(map(len, lines[: i + 1])) <= end]
        there = max(len(complete) - 1, 0)  # the first line is the description
        journal = Journal(tmp_path)
        assert len(journal) == there
    with Journal(tmp_path) as journal:  # truncated one byte before its end
        journal.begin({"seed": 0})
        journal.add([finished(2)])
    assert path.read_bytes() == whole


def test_new_line_fully_replaces_a_longer_incomplete_line(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    whole = written(tmp_path / "whole", 3).read_bytes()
    path.write_bytes(path.read_bytes() + b"torn" * len(whole))
    with Journal(tmp_path) as journal:
        journal.begin({"seed": 0})
        journal.add([finished(2)])
    assert path.read_bytes() == whole


def test_folder_of_a_new_journal_is_synced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("simulator.engine.journal.sync_folder", synced.append)
    written(tmp_path, 2)
    assert synced == [tmp_path]  # only once: appending lines does not change the folder


def test_partial_writes_continue_until_the_line_is_complete() -> None:
    class Slow(io.BytesIO):
        def write(self, text: Any) -> int:
            return super().write(bytes(text)[:10])

    file: Any = Slow()
    _write_all(file, b"x" * 25)
    assert file.getvalue() == b"x" * 25


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"rkd", b"rxd")
    path.write_bytes(b"".join(lines))
    journal = Journal(tmp_path)
    assert journal.damaged == 1
    assert [Unit(POINT, r) in journal for r in range(3)] == [True, False, True]


@pytest.mark.parametrize("record", [{"realization": 3}, {"of": ""}, ["about"], 7])
def test_a_complete_line_that_is_not_a_unit_is_left_out(tmp_path: Path, record: Any) -> None:
    path = written(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole + _line(record))
    journal = Journal(tmp_path)
    assert journal.damaged == 1
    assert len(journal) == 1
    with Journal(tmp_path) as journal:
        journal.add([finished(1)])
    assert len(Journal(tmp_path)) == 2


@pytest.mark.parametrize("left", [None, b"", b"half"])
def test_removing_or_truncating_an_open_journal_raises_an_error(
    tmp_path: Path, left: bytes | None
) -> None:
    path = written(tmp_path, 2)
    with Journal(tmp_path) as journal:
        journal.begin({"seed": 0})
        path.unlink()
        if left is not None:
            path.write_bytes(left)
        for use in (lambda: journal.read(Unit(POINT, 1)), lambda: journal.add([finished(2)])):
            with pytest.raises(UserError, match=r"journal\.jsonl was changed or removed while"):
                use()
        assert Unit(POINT, 2) not in journal
    assert (path.read_bytes() if path.exists() else None) == left


def test_second_process_raises_an_error_while_the_journal_is_open(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(UserError, match="in use by another semlink process"):
        Journal(tmp_path).__enter__()
    with Journal(tmp_path):
        pass  # unlocked again


def test_units_another_process_wrote_before_locking_are_kept(tmp_path: Path) -> None:
    early = Journal(tmp_path)
    assert len(early) == 0  # read before the other process wrote
    written(tmp_path, 2)
    with early:
        early.add([finished(2)])
    assert len(Journal(tmp_path)) == 3


def test_full_disk_keeps_finished_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, 2)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path) as journal:
        with monkeypatch.context() as patch, pytest.raises(UserError) as caught:
            patch.setattr("os.fsync", full)
            journal.add([finished(2)])
        assert "No space left on device; 2 finished units are kept" in str(caught.value)
        assert path.read_bytes() == before
        assert Unit(POINT, 2) not in journal
        journal.add([finished(2)])
    assert len(Journal(tmp_path)) == 3


def test_tally_counts_correct_decisions_and_outages() -> None:
    tally = Tally.of(
        [np.array([RIGHT, OUTAGE, 0], np.uint8), np.array([RIGHT, RIGHT, OUTAGE], np.uint8)],
        num_classes=4,
    )
    assert tally.credits_of_images.tolist() == [1, 0.625, 0.125]
    assert tally.correct == 3.5
    assert tally.transmissions == 6
    assert tally.delivered == pytest.approx(4 / 6)
    assert tally.squared_credits.tolist() == [1, (1 + 1 / 16) / 2, 1 / 32]


def test_outcome_codes_of_correct_wrong_and_undelivered_images() -> None:
    scores = torch.tensor([[0.0, 1.0, 0.0, 0.0]] * 3)
    delivered = torch.tensor([True, True, False])
    codes = outcome_codes(scores, torch.tensor([1, 2, 1]), delivered)
    assert codes.tolist() == [RIGHT, WRONG, OUTAGE]
    assert Tally.of([codes.numpy()], num_classes=4).credits_of_images.tolist() == [1, 0, 0.25]


def test_units_with_a_damaged_description_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"seed": 0', b'"seed": 1', 1))
    journal = Journal(tmp_path)
    assert len(journal) == 0
    assert journal.damaged == 3
    assert "3 damaged lines left out" in journal.remarks[0]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSPC])
def test_error_for_an_unlockable_folder_names_it_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))  # like flock, without a file name

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UserError) as raised, Journal(tmp_path):
        pass
    line = str(raised.value)
    assert line.startswith(f"{tmp_path} must be a folder that can be locked")
    assert os.strerror(number) in line
    assert "choose an --out on a disk with file locks" in line
