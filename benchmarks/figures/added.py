"""Curves that a user adds to the figures: published numbers, or those of another simulator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from simulator.errors import UserError

PLACE: Final = ["channel", "channel_uses"]
POINT: Final = ("scheme", *PLACE, "snr_db")
VALUES: Final = ["accuracy", "ci_low", "ci_high"]


def read_curves(path: Path) -> pd.DataFrame:
    """Read curves from a CSV file. Raises: UserError if it is missing or not CSV."""
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path} must be a CSV file: {error}") from None


def checked_curves(
    curves: pd.DataFrame, rows: pd.DataFrame, *, value: str | None = None
) -> pd.DataFrame:
    """Check a user's curves, and return them as rows like those of the sweep.

    Columns: scheme (the name in the legend), channel, channel_uses, snr_db, accuracy (0 to 1), and
    optionally ci_low, ci_high and settings (the curve's text in the notes). If `value` is psnr_db
    or ssim, the columns VALUE, VALUE_low and VALUE_high replace accuracy and its interval. Every
    curve must be on a channel and k of the sweep.
    Raises: UserError if a column is missing, a value or name is wrong, or a curve has no panel.
    """
    own = VALUES if value is None else [value, f"{value}_low", f"{value}_high"]
    needed, numbers = [*POINT, own[0]], [name for name in own if name in curves]
    if missing := [name for name in needed if name not in curves]:
        raise UserError(
            f"added curves must have the columns {', '.join(needed)}; missing: {', '.join(missing)}"
        )
    if curves.empty or curves[needed].isna().any(axis=None):
        raise UserError("added curves must have rows without gaps")
    for name in (*POINT[2:], *numbers):
        _check_numbers(curves[name])
    for name in numbers if value is None else ():
        _check_share(curves[name].dropna())
    _check_intervals(curves, own)
    if taken := sorted(set(curves["scheme"].astype(str)) & set(rows["scheme"])):
        raise UserError(
            f"added curves must have names that the sweep does not use, got {', '.join(taken)}"
        )
    places = set(rows[PLACE].itertuples(index=False, name=None))
    for place in curves[PLACE].itertuples(index=False, name=None):
        if place not in places:
            known = ", ".join(f"{name} k={k}" for name, k in sorted(places))
            raise UserError(
                f"added curves must be on a channel and k of the sweep: {known}; "
                f"got {place[0]} k={place[1]:g}"
            )
    shown = curves.drop(columns=[*VALUES] if value else [], errors="ignore")
    return _completed(shown.rename(columns=dict(zip(own, VALUES, strict=True))), rows)


def _check_numbers(values: "pd.Series[float]") -> None:
    if not pd.api.types.is_numeric_dtype(values):
        text = values.dropna()
        wrong = text[pd.to_numeric(text, errors="coerce").isna()]
        came = [*wrong, *text][0]  # without a wrong one, all are numbers written as text
        raise UserError(f"added curves must have numbers as {values.name}, got {came!r}")
    if len(infinite := values[np.isinf(values)]):
        raise UserError(
            f"added curves must have finite numbers as {values.name}, got {infinite.iloc[0]:g}"
        )


def _check_intervals(curves: pd.DataFrame, names: Sequence[str]) -> None:
    """Check that every interval holds its value. `names`: of the value, its lower and upper end."""
    value, low, high = names
    ends = curves.reindex(columns=[low, high])
    for end, wrong in ((low, ends[low] > curves[value]), (high, ends[high] < curves[value])):
        if wrong.any():
            row = curves[wrong].iloc[0]
            side = "at most" if end == low else "at least"
            raise UserError(
                f"the {end} of added curves must be {side} {value}, got {row[end]:g} beside "
                f"{row[value]:g}"
            )


def _check_share(values: "pd.Series[float]") -> None:
    wrong = values[~values.between(0, 1)]
    if len(wrong):
        raise UserError(
            f"the {values.name} of added curves must be 0 to 1, got {wrong.iloc[0]:g}; divide "
            "percentages by 100"
        )


def within(curves: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The points of `curves` on the channels and k of `rows`."""
    places = pd.MultiIndex.from_frame(rows[PLACE])
    return curves[pd.MultiIndex.from_frame(curves[PLACE]).isin(places)]


def _completed(curves: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add all columns that figures need; a missing interval becomes the value itself."""
    made = curves.assign(scheme=curves["scheme"].astype(str))
    for name in VALUES[1:]:
        own = made[name] if name in made else made["accuracy"]
        made[name] = own.fillna(made["accuracy"])
    told = made["settings"] if "settings" in made else pd.Series(None, index=made.index)
    first = told.astype(object).groupby(made["scheme"]).transform("first")  # one text per curve
    known = set(VALUES) <= set(curves)
    ending = "not of this sweep" if known else "not of this sweep, no interval"
    made["settings"] = [ending if pd.isna(own) else f"{own}, {ending}" for own in first]
    for name in ("images", "realizations"):  # so that captions state only the sweep's counts
        made[name] = rows[name].iloc[0]
    columns = [*POINT, *VALUES, "settings", "images", "realizations"]
    if "pilot_uses" not in rows:
        return made[columns]
    pilots = rows[[*PLACE, "pilot_uses"]].drop_duplicates(PLACE)
    made = made.drop(columns="pilot_uses", errors="ignore").merge(pilots, on=PLACE, how="left")
    return made[[*columns, "pilot_uses"]]
