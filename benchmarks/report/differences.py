"""Paired differences between every two schemes of a sweep, so that any can be the reference."""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simulator.engine.folder import TABLE_ERROR
from simulator.measures.compare import PLACE
from simulator.statistics.paired import holm, paired_difference, paired_p_value
from simulator.statistics.tally import CreditsOf

UNIT = 1e-5  # of stored accuracies: a thousandth of a percentage point


class Pair(NamedTuple):
    """Two rows of a table at one point, and the difference between their accuracies."""

    a: int  # row numbers
    b: int
    difference: float
    low: float
    high: float
    p_value: float  # not yet adjusted


def differences(rows: pd.DataFrame, credits_of: CreditsOf) -> dict[str, list[Any]]:
    """Differences between every two schemes at every point that they share, as columns.

    `a`, `b`: row numbers; `difference`, `low`, `high`: accuracy of a minus that of b with its 95 %
    interval, in units of `UNIT`; `p_holm`: p-value, adjusted over all points of the two schemes.
    The numbers equal those of `semlink compare`. For b against a, the sign changes.
    """
    pairs = list(_pairs(rows.reset_index(drop=True), credits_of))
    columns: dict[str, list[Any]] = {
        name: [round(getattr(pair, name) / UNIT) for pair in pairs]
        for name in ("difference", "low", "high")
    }
    adjusted = _adjusted(pairs, rows["scheme"].tolist())
    return {
        "a": [pair.a for pair in pairs],
        "b": [pair.b for pair in pairs],
        **columns,
        "p_holm": [float(f"{p:.3g}") for p in adjusted],
    }


def _pairs(rows: pd.DataFrame, credits_of: CreditsOf) -> Iterator[Pair]:
    """Yield pairs point by point, so that the outcomes of only one point are in memory."""
    for _, here in rows.groupby(PLACE, sort=False):
        own = {int(place): row for place, row in zip(here.index, _rows(here), strict=True)}
        for a, b in combinations(own, 2):
            draws = min(own[a]["realizations"], own[b]["realizations"])  # draws that both have
            x, y = (credits_of({**own[place], "realizations": draws}) for place in (a, b))
            error = math.hypot(*(own[place].get(TABLE_ERROR, 0.0) for place in (a, b)))
            apart = paired_difference(x, y, table_error=error)
            yield Pair(a, b, *apart, paired_p_value(x - y, table_error=error))


def _rows(here: pd.DataFrame) -> list[dict[str, Any]]:
    names = ["scheme", *PLACE, "realizations", TABLE_ERROR]
    rows = here[[name for name in names if name in here]].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _adjusted(pairs: list[Pair], schemes: list[str]) -> list[float]:
    """Holm-adjusted p-values; a family is all points of two schemes. Same order as `pairs`."""
    families: dict[tuple[str, str], list[int]] = {}
    for place, pair in enumerate(pairs):
        families.setdefault((schemes[pair.a], schemes[pair.b]), []).append(place)
    found = np.ones(len(pairs))
    for places in families.values():
        found[places] = holm([pairs[place].p_value for place in places])
    return found.tolist()
