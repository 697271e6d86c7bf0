"""Checks that stored units of an earlier run may be combined with new ones."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from simulator.engine.grid import Point, Task, Unit
from simulator.engine.journal import Journal
from simulator.engine.workers import Pool
from simulator.errors import UserError
from simulator.progress import progress
from simulator.statistics.tally import RIGHT

ENOUGH = 1000  # outcomes to compare for every scheme, channel and k, if so many are stored


def check_same(before: list[dict[str, Any]], now: dict[str, Any], folder: Path) -> None:
    """Check that units of earlier runs may be combined with new ones.

    Raises: UserError that lists what changed.
    """
    changes = [change for about in before for change in _changes(about, now)]
    if changes:
        told = "; ".join(dict.fromkeys(changes))
        raise UserError(
            f"{folder} holds a sweep with other settings; changed: {told}. Add --fresh to begin "
            "anew, or choose another --out"
        )


def _changes(about: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What differs from an earlier run, among what both have."""
    for name in sorted(now.keys() - {"schemes", "channels", "pilots"}):
        if about.get(name, now[name]) != now[name]:
            yield "the images" if name == "data" else f"{name} {about.get(name)} -> {now[name]}"
    for scheme in about.get("schemes", {}).keys() & now["schemes"].keys():
        old, new = about["schemes"][scheme], now["schemes"][scheme]
        yield from (f"{what} of {scheme}" for what in differences(old, new))
    used = about.get("channels", {})
    for name, versions in now.get("channels", {}).items():
        if used.get(name, versions) != versions:
            yield f"version of channel {name}"
    told, chosen = about.get("pilots", {}), now.get("pilots", {})
    yield from (f"pilots of {own}" for own in told if told[own] != chosen.get(own, told[own]))


def check_repeated(own: Mapping[Point, str], journal: Journal, pool: Pool) -> None:
    """Compute stored units of every scheme, channel and k again, and compare the outcomes.

    No description covers all that the user's own code depends on. `own` names the user's scheme and
    channel on which a point depends. Units with an accuracy near one half are repeated first.
    Raises: UserError if the outcome of an image differs.
    """
    units = list(_chosen([point for point in own if Unit(point, 0) in journal], journal))
    for unit in progress(units, desc="repeating stored units", unit="unit", delay=2, leave=False):
        pool.submit(Task(unit.point, (unit.realization,)))
        (again,) = pool.next_done()
        different = int((again.codes != journal.read(unit).codes).sum())
        if different:
            raise UserError(
                f"{own[unit.point]} must do the same as in the run in {journal.path.parent}, but "
                f"{different} of {len(again.codes)} outcomes of {unit.point.text} differ: it has "
                "changed, or draws random numbers of its own; choose another --out, or add --fresh"
            )


def _chosen(points: list[Point], journal: Journal) -> Iterator[Unit]:
    """Stored units of every scheme, channel and k."""

    def place(point: Point) -> tuple[str, str, int]:
        return point.scheme, point.channel, point.k

    for _, same in groupby(sorted(points, key=place), key=place):
        codes = {Unit(point, 0): journal.read(Unit(point, 0)).codes for point in same}
        first = sorted(codes, key=lambda unit: abs(np.mean(codes[unit] == RIGHT) - 0.5))
        yield from first[: -(-ENOUGH // len(codes[first[0]]))]


def differences(old: Any, new: Any) -> list[str]:
    """Names of the entries that differ between two identities; for weights, of the parts."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ["description"]
    names: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            names += differences(old.get(name), new.get(name)) if name == "weights" else [name]
    return names
