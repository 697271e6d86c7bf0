"""A check that the user's own schemes and channels still do what they did in an earlier run.

No description covers all that code depends on, so some stored units are computed again.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

import numpy as np

from simulator.engine.grid import Point, Task, Unit
from simulator.engine.journal import Journal
from simulator.engine.workers import Pool
from simulator.errors import UserError
from simulator.progress import progress
from simulator.statistics.tally import RIGHT

ENOUGH = 1000  # outcomes to compare for every scheme, channel and k, if so many are stored


def check_repeated(own: Mapping[Point, str], journal: Journal, pool: Pool) -> None:
    """Compute stored units of every scheme, channel and k again, and compare the outcomes.

    `own` names the user's scheme and channel on which a point depends. Units with an accuracy
    near one half are repeated first.
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
