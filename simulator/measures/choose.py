"""Selection of rows of a sweep by scheme, channel and k; unknown names are errors."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from simulator.errors import UserError, did_you_mean
from simulator.parse import as_known


def chosen(
    rows: pd.DataFrame,
    *,
    schemes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
) -> pd.DataFrame:
    """The selected rows, schemes and channels in the given order; None means all.

    Names are matched without regard to case.
    Raises: UserError if the rows do not hold a name or k, or no point with all of these.
    """
    schemes, channels = (
        None if asked is None else [as_known(name, rows[column].unique()) for name in asked]
        for column, asked in (("scheme", schemes), ("channel", channels))
    )
    check_names("--schemes", schemes or (), rows["scheme"])
    check_names("--channels", channels or (), rows["channel"])
    check_names("--channel-uses", channel_uses or (), rows["channel_uses"])
    for column, asked in (("channel", channels), ("scheme", schemes)):
        if asked is not None:
            places = {name: place for place, name in enumerate(asked)}
            order = rows[column].map(places).dropna().sort_values(kind="stable")
            rows = rows.loc[order.index]
    if channel_uses is not None:
        rows = rows[rows["channel_uses"].isin(channel_uses)]
    if rows.empty:
        raise UserError(
            "the sweep must hold a point of these --schemes, --channels and --channel-uses, but "
            "holds none; choose others"
        )
    return rows.reset_index(drop=True)


def check_names(option: str, asked: Sequence[Any], there: "pd.Series[Any]") -> None:
    """Check that a table holds the given names. Raises: UserError, which lists its names."""
    known = [str(name) for name in there.unique()]
    for name in map(str, asked):
        if name not in known:
            hint = did_you_mean(name, known) if option != "--channel-uses" else ""
            raise UserError(f"{option} must be among {', '.join(known)}, got {name!r}{hint}")
