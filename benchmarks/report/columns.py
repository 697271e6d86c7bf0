"""The table of a sweep as JSON columns, stored compactly if values repeat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.figures.plans import KEY
from simulator.errors import UserError
from simulator.storage.folders import CHOICES

FEW = 0.5  # up to this share of distinct values, a column is stored as distinct values and indices
PILOTS = "pilots"  # column of the table of choices if the number of pilots was chosen too
CHOICE = "choice"  # column for what the scheme chose on validation images, in words


def columns_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Every column by name: `{"values": [...], "places": [...]}` if values repeat, else a list.

    `places` are indices into `values`, -1 for a missing value. Numbers keep all their digits, so
    the page reproduces the table exactly. Missing values, such as the image quality of a scheme
    that rebuilds no images, stay missing.
    """
    return {str(name): _column(rows[name]) for name in rows.columns}


def _column(column: "pd.Series[Any]") -> Any:
    places, values = pd.factorize(column)  # a missing value has index -1
    if len(values) > FEW * len(column):
        return [None if gap else value for value, gap in zip(column, column.isna(), strict=True)]
    return {"values": values.tolist(), "places": places.tolist()}


def choices_of(folder: Path, rows: pd.DataFrame) -> list[str]:
    """The choice of every row, as "jpeg, QPSK, rate 0.75, 80 bits"; empty if there is none.

    If the number of pilots was chosen too, "8 pilots, 56 uses for data" follows.

    Raises: UserError if the table of choices is damaged.
    """
    path = folder / CHOICES
    if not path.is_file():
        return [""] * len(rows)
    try:
        chosen = pd.read_csv(path).drop_duplicates(KEY)
        told = dict(zip(chosen[KEY].itertuples(index=False, name=None), _told(chosen), strict=True))
    except (KeyError, ValueError):
        raise UserError(f"{path} is damaged; run the sweep again") from None
    return [told.get(place, "") for place in rows[KEY].itertuples(index=False, name=None)]


def _told(chosen: pd.DataFrame) -> list[str]:
    """The choices in words. Raises: KeyError if neither links nor pilots were chosen."""
    if PILOTS not in chosen:
        return [_link(row) for row in chosen.to_dict("records")]
    return [
        ", ".join(filter(None, (_link(row) if "codec" in row else "", _pilots(row))))
        for row in chosen.to_dict("records")
    ]


def _link(row: Mapping[Any, Any]) -> str:
    """Source codec and link in words; empty for a scheme without them."""
    words = f"{row['codec']}, {row['modulation']}, rate {row['code_rate']:.4g}"
    return "" if pd.isna(row["codec"]) else f"{words}, {row['payload_bits']:g} bits"


def _pilots(row: Mapping[Any, Any]) -> str:
    """The numbers of pilots and of data uses; empty if the number of pilots was fixed."""
    words = f"{row[PILOTS]:g} pilots, {row['data_uses']:g} uses for data"
    return "" if pd.isna(row[PILOTS]) else words
