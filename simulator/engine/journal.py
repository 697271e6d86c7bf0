"""The journal of a sweep, to which every finished unit is appended and written to disk at once.

It is a text file with one JSON object and its checksum per line: the description of a run, then its
finished units, or names of schemes whose units above do not count. Truncated or damaged lines are
skipped, and their units are computed again. Earlier lines never change; only a truncated last line
is cut off before more is written.
"""

import contextlib
import errno
import io
import json
import os
import zlib
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from simulator.engine.grid import Point, Unit
from simulator.errors import UserError
from simulator.statistics.tally import Codes, pack, unpack
from simulator.storage.describe import digest
from simulator.storage.files import sync_folder
from simulator.storage.folders import SWEEPING, locked

FILE = "journal.jsonl"
FORGET = "forget"  # key of a line: the schemes whose earlier units do not count
FIELDS = {*Point._fields, "realization", "of", "images", "outcomes", "core_seconds"}  # of a unit


class Finished(NamedTuple):
    """A unit, the outcome of every image, and the core-seconds it took."""

    unit: Unit
    codes: Codes
    core_seconds: float


class MemoryStore(dict[Unit, Finished]):
    """Units of a small sweep, in memory."""

    def add(self, finished: Iterable[Finished]) -> None:
        """Keep finished units."""
        self.update({item.unit: item for item in finished})

    def read(self, unit: Unit) -> Finished:
        """A finished unit."""
        return self[unit]


class _Places:
    """The file offset of the line of each unit, 8 bytes per unit."""

    def __init__(self) -> None:
        self._offsets: dict[Point, array[int]] = {}  # indexed by realisation; -1 for none
        self._number = 0

    def forget(self, schemes: Collection[str]) -> None:
        """Remove the units of some schemes."""
        for point in [point for point in self._offsets if point.scheme in schemes]:
            self._number -= sum(offset >= 0 for offset in self._offsets.pop(point))

    def __len__(self) -> int:
        return self._number

    def __contains__(self, unit: Unit) -> bool:
        offsets = self._offsets.get(unit.point, ())
        return unit.realization < len(offsets) and offsets[unit.realization] >= 0

    def __getitem__(self, unit: Unit) -> int:
        if unit not in self:
            raise KeyError(unit)
        return self._offsets[unit.point][unit.realization]

    def __setitem__(self, unit: Unit, offset: int) -> None:
        self._number += unit not in self
        offsets = self._offsets.setdefault(unit.point, array("q"))
        offsets.extend([-1] * (unit.realization + 1 - len(offsets)))
        offsets[unit.realization] = offset


@dataclass
class _Found:
    abouts: list[dict[str, Any]] = field(default_factory=list)
    # by key of a description: schemes and channels of its units
    swept: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    damaged: int = 0  # number of lines that were skipped
    places: _Places = field(default_factory=_Places)
    end: int = 0  # offset behind the last complete line

    def add(self, point: Point, realization: int, *, of: str, offset: int) -> None:
        """Note a unit of the run with this key."""
        self.places[Unit(point, realization)] = offset
        self.swept.setdefault(of, set()).add((point.scheme, point.channel))

    def forget(self, schemes: Collection[str]) -> None:
        """Remove the units of some schemes."""
        self.places.forget(schemes)
        for key, pairs in self.swept.items():
            self.swept[key] = {own for own in pairs if own[0] not in schemes}


class Journal:
    """The finished units of the sweeps in one folder; only their file offsets are in memory.

    The file is read at first use. The folder is locked only within a `with` block.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.about_key = ""  # digest of the description of units added now
        self._held = contextlib.ExitStack()  # the lock of the folder

    @cached_property
    def _found(self) -> _Found:
        return _scan(self.path)

    @property
    def abouts(self) -> list[dict[str, Any]]:
        """The descriptions of all runs that wrote here, the oldest first."""
        return self._found.abouts

    def behind_units(self, *, without: Collection[str] = ()) -> list[dict[str, Any]]:
        """The descriptions of runs with units, and their schemes and channels that have some.

        Units of schemes named in `without` do not count.
        """
        found = []
        for about in self.abouts:
            swept = self._found.swept.get(digest(about), set())
            pairs = [own for own in sorted(swept) if own[0] not in without]
            schemes, channels = about.get("schemes", {}), about.get("channels", {})
            parts = {
                "schemes": {name: schemes[name] for name, _ in pairs if name in schemes},
                "channels": {name: channels.get(name, {}) for _, name in pairs},
            }
            found += [{**about, **parts}] if pairs else []
        return found

    @property
    def damaged(self) -> int:
        """Number of damaged lines, which are skipped."""
        return self._found.damaged

    def __len__(self) -> int:
        return len(self._found.places)

    def __contains__(self, unit: Unit) -> bool:
        return unit in self._found.places

    @property
    def remarks(self) -> list[str]:
        """Remarks on the file for the user."""
        return [f"{self.path}: {self.damaged} damaged lines left out"] if self.damaged else []

    def __enter__(self) -> "Journal":
        """Lock the folder, and read what other processes have written so far.

        Raises: UserError if another process works in this folder, or it cannot be locked.
        """
        self._held.enter_context(locked(self.path.parent, SWEEPING))
        self._found = _scan(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def forget(self) -> None:
        """Start with an empty journal."""
        self.path.unlink(missing_ok=True)
        self._found = _Found()

    def forget_schemes(self, schemes: Collection[str]) -> None:
        """Forget the units of some schemes; their lines stay in the file."""
        self._append([{FORGET: list(schemes)}])
        self._found.forget(schemes)

    def begin(self, about: dict[str, Any]) -> None:
        """Write the description of the next units, unless the journal already holds it."""
        self.about_key = digest(about)
        if about not in self.abouts:
            self._append([{"about": about}])
            self.abouts.append(about)

    def add(self, finished: Iterable[Finished]) -> None:
        """Append finished units; they are on disk when this returns.

        Raises: UserError if they cannot be written; earlier units are kept.
        """
        items = list(finished)
        records = [
            {
                **item.unit.point._asdict(),
                "realization": item.unit.realization,
                "of": self.about_key,
                "images": len(item.codes),
                "outcomes": pack(item.codes),
                "core_seconds": round(item.core_seconds, 4),
            }
            for item in items
        ]
        for item, offset in zip(items, self._append(records), strict=True):
            self._found.add(*item.unit, of=self.about_key, offset=offset)

    def read(self, unit: Unit) -> Finished:
        """A finished unit.

        Raises: KeyError if there is none; UserError if the file was changed or removed by others.
        """
        offset, record = self._found.places[unit], None
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(offset)
            record = _parse(file.readline())
        if record is None:
            raise self._changed
        codes = unpack(record["outcomes"], record["images"])
        return Finished(unit, codes, record["core_seconds"])

    @property
    def _changed(self) -> UserError:
        return UserError(
            f"{self.path} was changed or removed while it was in use; run the same command again"
        )

    def _append(self, records: list[dict[str, Any]]) -> list[int]:
        """Append lines after the last complete one. Return the offset of each."""
        lines = [_line(record) for record in records]
        try:
            there = self.path.exists()
            if self._found.end > (self.path.stat().st_size if there else 0):
                raise self._changed
            with self.path.open("r+b" if there else "w+b", buffering=0) as file:
                file.truncate(self._found.end)
                file.seek(self._found.end)
                try:
                    _write_all(file, b"".join(lines))
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(self._found.end)
                    raise
            if not there:
                sync_folder(self.path.parent)
        except OSError as error:
            wayout = "make room, then " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise UserError(
                f"{self.path}: {error.strerror or error}; {len(self)} finished units are kept: "
                f"{wayout}run the same command again"
            ) from None
        *offsets, self._found.end = accumulate(map(len, lines), initial=self._found.end)
        return offsets


WritableStore = MemoryStore | Journal  # where finished units are kept


def _scan(path: Path) -> _Found:
    found, offset, keys = _Found(), 0, {""}
    if not path.exists():
        return found
    with path.open("rb") as file:
        for line in file:
            record = _parse(line)
            if record is None:
                found.damaged += 1
            elif "about" in record:
                found.abouts.append(record["about"])
                keys.add(digest(record["about"]))
            elif FORGET in record:
                found.forget(record[FORGET])
            elif not record.keys() >= FIELDS or record["of"] not in keys:
                found.damaged += 1  # this line, or the description it refers to
            else:
                point = Point(*(record[name] for name in Point._fields))
                found.add(point, record["realization"], of=record["of"], offset=offset)
            offset += len(line)
            if line.endswith(b"\n"):
                found.end = offset
    return found


def _write_all(file: io.FileIO, text: bytes) -> None:
    """Write all of `text`; a raw file may write only a part of it at a time."""
    while text:
        text = text[file.write(text) :]


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def _parse(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None if the line is truncated, damaged, or no object."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
