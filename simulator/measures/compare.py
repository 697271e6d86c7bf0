"""Paired comparison of two schemes of one sweep, image by image."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.engine.folder import PILOTS, TABLE_ERROR
from simulator.engine.grid import Point, Unit
from simulator.engine.outcomes import UnitStore, codes_of, stored_units
from simulator.errors import UserError, did_you_mean
from simulator.measures.choose import chosen
from simulator.measures.shown import fitting
from simulator.parse import as_known, one_of
from simulator.statistics.paired import holm, paired_difference, paired_p_value
from simulator.statistics.tally import Tally

Family = Literal["pair", "all"]  # points among which false findings are controlled together
FAMILY = "family"  # key of the attributes of a table
PLACE = ["channel", "channel_uses", "snr_db"]


def compare_sweep(
    store: UnitStore | Path,
    rows: pd.DataFrame,
    run: Mapping[str, Any],
    a: str | None,
    b: str,
    *,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
    family: Family = "pair",
) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy of `a` minus accuracy of `b` at every common point, with its interval.

    The sweep is in memory, or `store` is its folder. Both schemes use the same images, gains and
    noise, so the difference has less variance than with independent draws. Errors of their tables
    of error rates are taken as independent. `p_value` is that of the score test; `p_holm` is
    adjusted for the number of points. Without `a`, every other scheme is compared with `b`, in the
    order of the sweep; each is adjusted for its own points, or (`family` "all") for the points of
    all. Schemes without a common point are left out; the second result has a line on each.
    Raises: UserError if the sweep does not hold both schemes, or no outcomes of its images.
    """
    one_of("--family", family, get_args(Family))
    if isinstance(store, Path):
        store = stored_units(store, rows, str(run.get("journal")))
    rows = chosen(rows, channels=channels, channel_uses=channel_uses)
    num_classes = int(run["data"]["classes"])
    names = list(dict.fromkeys(rows["scheme"]))
    a, b = None if a is None else as_known(a, names), as_known(b, names)
    for option, name in (("--b", b), ("--a", a)):
        if name is not None and name not in names:
            known, hint = ", ".join(names), did_you_mean(name, names)
            raise UserError(f"{option} must be a scheme of the sweep: {known}, got {name!r}{hint}")
    if a == b:
        raise UserError(f"--a and --b must be two schemes, got {b} twice")
    others = [name for name in names if name != b] if a is None else [a]
    tables = {name: _pair(rows, store, name, b, num_classes) for name in others}
    alone = [name for name, table in tables.items() if table.empty]
    if len(alone) == len(others):
        known = " or ".join(others) or "no other scheme"
        raise UserError(f"{b} must share a point with {known}, but shares none")
    left_out = [f"{name} shares no point with {b}: left out" for name in alone]
    table = pd.concat([t for t in tables.values() if not t.empty], ignore_index=True)
    if family == "all":
        table["p_holm"] = holm(list(table["p_value"]))
    compared = Comparison(with_pilots(table, rows))
    compared.attrs[FAMILY] = family
    return compared, left_out


def with_pilots(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The table with the number of pilots beside k, if any channel in it has pilots."""
    if PILOTS not in rows:
        return table
    pilots = table["channel"].map(rows.groupby("channel")[PILOTS].first()).astype(int)
    if pilots.any():
        table.insert(list(table).index("channel_uses") + 1, PILOTS, pilots)
    return table


def uses_text(row: "pd.Series[Any]") -> str:
    """The channel uses of a row: "16", or "16 + 8 pilots"."""
    pilots = int(row.get(PILOTS, 0))
    return f"{row['channel_uses']} + {pilots} pilots" if pilots else str(row["channel_uses"])


class Comparison(pd.DataFrame):
    """A table of paired differences, which is printed as `semlink compare` prints it."""

    def __repr__(self) -> str:
        return compared_text(self)

    def _repr_html_(self) -> None:  # notebooks show the text
        return None


def compared_text(table: pd.DataFrame) -> str:
    """A comparison as it is printed: lines that explain it, then the differences."""
    shown, points = compact(table), table.groupby("a", sort=False).size()
    least, most = points.min(), points.max()
    tests = f"the {most}" if least == most else f"the {least} to {most}"
    together = table.attrs.get(FAMILY) == "all"
    tests = f"all {len(table)} points" if together else f"{tests} points of a pair"
    scarce = "" if len(shown.columns) == table["snr_db"].nunique() else "; not every SNR is shown"
    b = table["b"].iloc[0]
    return (
        f"accuracy minus that of {b} in points, 95 % interval over images{scarce}\n"
        f"* significant at 5 % (Holm, over {tests})\n"
        f"{shown.to_string()}"
    )


def credits_from(store: UnitStore, num_classes: int) -> Callable[[Any], NDArray[np.float64]]:
    """A function from a row to the mean credit of every image, read from stored outcomes."""

    def credits_of(row: Any) -> NDArray[np.float64]:
        place = (str(row["channel"]), float(row["snr_db"]), int(row["channel_uses"]))
        point = Point(str(row["scheme"]), *place)
        return _tally(store, point, int(row["realizations"]), num_classes).credits_of_images

    return credits_of


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Differences and their intervals in points, a column for each SNR, as far as they fit.

    A star marks a difference that is significant at 5 % after Holm's adjustment.
    """
    lines: dict[tuple[str, str, str, str], dict[float, str]] = {}
    for _, row in table.iterrows():
        star = "*" if row["p_holm"] < 0.05 else " "
        for column, mark in (("difference", star), ("ci_low", " "), ("ci_high", " ")):
            line = lines.setdefault((row["a"], row["channel"], uses_text(row), column), {})
            line[row["snr_db"]] = f"{100 * row[column]:+.1f}{mark}"
    index = pd.MultiIndex.from_tuples(lines, names=["scheme", "channel", "k", ""])
    shown = pd.DataFrame(list(lines.values()), index=index).sort_index(axis=1).fillna("")
    shown.columns = pd.Index([f"{snr:g}" for snr in shown.columns], name="SNR in dB")
    return fitting(shown)


def _pair(rows: pd.DataFrame, store: UnitStore, a: str, b: str, classes: int) -> pd.DataFrame:
    """The comparison of two schemes at the points that they share; empty if there are none."""
    shared = rows[rows["scheme"] == a].merge(rows[rows["scheme"] == b], on=PLACE)
    table = pd.DataFrame([_row(row, store, a, b, classes) for _, row in shared.iterrows()])
    return table if table.empty else table.assign(p_holm=holm(list(table["p_value"])))


def _row(row: Any, store: UnitStore, a: str, b: str, classes: int) -> dict[str, Any]:
    place = (str(row["channel"]), float(row["snr_db"]), int(row["channel_uses"]))
    realizations = int(min(row["realizations_x"], row["realizations_y"]))  # draws that both used
    own = (_tally(store, Point(name, *place), realizations, classes) for name in (a, b))
    x, y = (tally.credits_of_images for tally in own)
    table_error = math.hypot(*(row.get(TABLE_ERROR + of, 0.0) for of in ("_x", "_y")))
    difference = paired_difference(x, y, table_error=table_error)
    return {
        **row[PLACE].to_dict(),
        "a": a,
        "b": b,
        "images": len(x),
        "realizations": realizations,
        "accuracy_a": float(x.mean()),
        "accuracy_b": float(y.mean()),
        "difference": difference.value,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "p_value": paired_p_value(x - y, table_error=table_error),
    }


def _tally(store: UnitStore, point: Point, realizations: int, classes: int) -> Tally:
    units = [Unit(point, realization) for realization in range(realizations)]
    return Tally.of(codes_of(store, units), num_classes=classes)
