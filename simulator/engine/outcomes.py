"""The outcome of every image in a finished sweep, in one small file that can be committed.

A journal holds the same outcomes and more, but is too large to commit. The file `outcomes.npz` has
one byte per image and unit, compressed, in the order of the rows of results.csv.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulator.engine.grid import Point, Unit
from simulator.engine.journal import Finished, Journal, MemoryStore
from simulator.errors import UserError
from simulator.statistics.tally import Codes
from simulator.storage.describe import digest
from simulator.storage.files import DAMAGED_NPZ, replacing, write_json, write_table
from simulator.storage.folders import (
    OUTCOMES,
    SAVED,
    SWEEPING,
    check_writable,
    forget_figures,
    forget_results,
    locked,
    read_results,
    was_saved,
)


class Outcomes:
    """The units of a committed sweep, read from its file."""

    def __init__(self, units: list[Unit], codes: Codes) -> None:
        """Shapes: codes [units, images]."""
        self._places = {unit: place for place, unit in enumerate(units)}
        self._codes = codes

    def __contains__(self, unit: Unit) -> bool:
        return unit in self._places

    def read(self, unit: Unit) -> Finished:
        """A unit, with 0 core-seconds because its cost is not stored."""
        return Finished(unit, self._codes[self._places[unit]], 0.0)


OWN_SCHEMES = "own_schemes"  # key in run.json: name to what identifies a training run
UnitStore = MemoryStore | Journal | Outcomes  # from which the units of a sweep can be read


def units_of(rows: pd.DataFrame) -> list[Unit]:
    """All units of the rows of a sweep, in their order."""
    points = zip(
        *(rows[name] for name in ("scheme", "channel", "snr_db", "channel_uses", "realizations")),
        strict=True,
    )
    return [
        Unit(Point(str(scheme), str(channel), float(snr_db), int(k)), realization)
        for scheme, channel, snr_db, k, realizations in points
        for realization in range(realizations)
    ]


def write_outcomes(folder: Path) -> Path:
    """Write the file of a finished sweep from its journal. Raises: UserError without a journal."""
    rows, run = read_results(folder)
    journal = Journal(folder)
    _check(journal, str(run.get("journal")))
    return _write(folder, _codes(journal, rows), run["journal"])


def save_results(
    folder: Path, rows: pd.DataFrame, run: Mapping[str, Any], store: UnitStore, *, fresh: bool
) -> None:
    """Write a sweep that was kept in memory: its rows, its description, and all outcomes.

    `fresh` replaces other results that this function wrote.
    Raises: UserError if the folder cannot be written to, is in use, or holds another sweep.
    """
    check_writable(folder, option="folder")
    with locked(folder, SWEEPING):
        swept = (folder / "results.csv").exists()
        if (swept and not was_saved(folder)) or Journal(folder).path.exists():
            raise UserError(
                f"folder must not hold a sweep that Results.save did not write, got {folder}; "
                "choose another"
            )
        codes = _codes(store, rows)
        key = _hash(codes, rows.to_csv(index=False))
        if swept and not fresh and read_results(folder)[1].get("journal") != key:
            raise UserError(
                f"folder must not hold other results, got {folder}; choose another, or add "
                "fresh=True to replace them"
            )
        forget_results(folder)
        forget_figures(folder / "figures")
        _write(folder, codes, key)
        own = own_entries(run.get(OWN_SCHEMES, {}), rows, store)
        write_json(folder / "run.json", {**run, OWN_SCHEMES: own, "journal": key, SAVED: True})
        write_table(folder / "results.csv", rows)  # last: it marks the results as saved


def own_entries(
    weights: Mapping[str, str], rows: pd.DataFrame, store: UnitStore
) -> dict[str, dict[str, str]]:
    """What tells training runs of own schemes apart: the hashes of their weights and outcomes."""
    own = {name: rows[rows["scheme"] == name] for name in weights}
    return {
        name: {"weights": weights[name], "outcomes": _hash(_codes(store, found))}
        for name, found in own.items()
        if len(found)
    }


def _hash(codes: Codes, text: str = "") -> str:
    return hashlib.sha256(codes.tobytes() + text.encode()).hexdigest()[:16]


def _codes(store: UnitStore, rows: pd.DataFrame) -> Codes:
    """Outcomes of all units of these rows, in their order [units, images]."""
    return np.stack(codes_of(store, units_of(rows)))


def codes_of(store: UnitStore, units: Sequence[Unit]) -> list[Codes]:
    """Outcomes of the images of each unit. Raises: UserError if a unit is missing."""
    if missing := next((unit for unit in units if unit not in store), None):
        raise UserError(
            f"the journal must hold the outcome of every image, but {missing.point.text} is "
            "missing; run the sweep again"
        )
    return [store.read(unit).codes for unit in units]


def _write(folder: Path, codes: Codes, key: str) -> Path:
    path = folder / OUTCOMES
    with replacing(path) as made, made.open("wb") as file:
        np.savez_compressed(file, codes=codes, journal=np.array(key))
    return path


def stored_units(folder: Path, rows: pd.DataFrame, journal_key: str) -> UnitStore:
    """The units behind the rows of a finished sweep: its journal, else the committed file.

    Raises: UserError if neither exists or belongs to the rows.
    """
    journal = Journal(folder)
    path = folder / OUTCOMES
    if not path.exists() or journal.path.exists():
        _check(journal, journal_key)
        return journal
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            codes, key = file["codes"], str(file["journal"])
    except DAMAGED_NPZ:
        raise UserError(f"{path} is damaged; run the sweep again") from None
    units = units_of(rows)
    if key != journal_key or len(codes) != len(units):
        raise UserError(f"{path} belongs to another sweep than results.csv; run the sweep again")
    return Outcomes(units, codes)


def units_if_stored(folder: Path, rows: pd.DataFrame, journal_key: str) -> UnitStore | None:
    """As `stored_units`, but None if the folder holds neither file."""
    if not (folder / OUTCOMES).exists() and not Journal(folder).path.exists():
        return None
    return stored_units(folder, rows, journal_key)


def _check(journal: Journal, key: str) -> None:
    if key not in {digest(about) for about in journal.abouts}:
        raise UserError(
            f"{journal.path} must hold the outcome of every image of this sweep, but does not; run "
            f"the sweep again, or add its {OUTCOMES} (large sweeps are committed without it)"
        )
