"""The SNR that schemes of a sweep need for an accuracy: selection of rows, and the table.

`semlink threshold` and `Results.threshold` are this one table; `statistics.threshold` computes it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.engine.outcomes import UnitStore, units_if_stored
from simulator.errors import UserError
from simulator.measures.choose import check_names, chosen
from simulator.measures.compare import credits_from, uses_text, with_pilots
from simulator.parse import as_known
from simulator.statistics.tally import CreditsOf
from simulator.statistics.threshold import RESAMPLES, thresholds


class Thresholds(pd.DataFrame):
    """A table of needed SNRs, which is printed as `semlink threshold` prints it.

    `attrs` hold the name of the reference, and whether intervals of differences are paired.
    """

    def __repr__(self) -> str:
        return threshold_text(self)

    def _repr_html_(self) -> None:  # notebooks show the text
        return None


def credits_of_sweep(
    store: UnitStore | Path, rows: pd.DataFrame, run: Mapping[str, Any]
) -> CreditsOf | None:
    """Credits of images, from memory or a folder; None if the folder holds only tables."""
    if isinstance(store, Path):
        found = units_if_stored(store, rows, str(run.get("journal")))
        if found is None:
            return None
        store = found
    return credits_from(store, int(run["data"]["classes"]))


def sweep_thresholds(
    store: UnitStore | Path,
    rows: pd.DataFrame,
    run: Mapping[str, Any],
    accuracy: float,
    *,
    schemes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
    reference: str | None = None,
) -> Thresholds:
    """As `thresholds`, for the selected rows and the reference. Units: accuracy is in percent.

    Outcomes of images are only read if there is a reference.
    Raises: UserError for an accuracy outside 1..100, and for what the sweep does not hold.
    """
    _check_accuracy(accuracy)
    credits_of = None
    if reference is not None:
        reference = as_known(reference, rows["scheme"].unique())
        check_names("--reference", [reference], rows["scheme"])
        schemes = tuple(dict.fromkeys((*(schemes or rows["scheme"]), reference)))
    asked = chosen(rows, schemes=schemes, channels=channels, channel_uses=channel_uses)
    if reference is not None:
        credits_of = credits_of_sweep(store, rows, run)
    found = thresholds(asked, accuracy / 100, reference=reference, credits_of=credits_of)
    table = Thresholds(with_pilots(found, asked))
    table.attrs = {"reference": reference, "paired": credits_of is not None}
    return table


def _check_accuracy(accuracy: float) -> None:
    """Raises: UserError unless it is a percentage."""
    if 1 <= accuracy <= 100:
        return
    share = f"{100 * accuracy:g}"
    hint = f"; {share} stands for {share} %" if 0.01 <= accuracy < 1 else ""
    raise UserError(f"--accuracy must be from 1 to 100 in percent, got {accuracy:g}{hint}")


def threshold_text(table: pd.DataFrame) -> str:
    """The table as it is printed, with notes on how it was computed."""
    reference = table.attrs.get("reference")
    lines = table.apply(said, axis="columns", result_type="expand", reference=reference)
    return "\n".join(
        (
            f"SNR (Es/N0 per channel use) in dB for {100 * table['accuracy'].iloc[0]:g} % accuracy",
            lines.to_string(index=False),
            "linear interpolation between the swept SNRs; 95 % interval: by interpolating the "
            "ends of the accuracy's interval",
            *_again(table),
            *_about_difference(table),
        )
    )


def _about_difference(table: pd.DataFrame) -> list[str]:
    """A line on the column `difference`, if there is one."""
    reference = table.attrs.get("reference")
    if reference is None:
        return []
    how = (
        f"is from a paired bootstrap over images, seed 0, {RESAMPLES:,} resamples"
        if table.attrs["paired"]
        else "is unpaired, too wide if the schemes used the same images: the folder holds no "
        "outcomes of single images"
    )
    return [f"difference: minus that of {reference}; its interval {how}"]


def _again(table: pd.DataFrame) -> list[str]:
    """A line for every curve that falls below the accuracy after reaching it."""
    return [
        f"{row['scheme']} on {row['channel']}, k = {uses_text(row)}: first reaches it "
        + ("at or below the first SNR" if first == -math.inf else f"at {first:.2f} dB")
        + (f", crosses again at {snr:.2f} dB" if snr < math.inf else ", but ends below it")
        for _, row in table.iterrows()
        for first, snr in [(row["crossing_db"], row["snr_db"])]
        if first < snr
    ]


def said(row: "pd.Series[Any]", reference: str | None = None) -> dict[str, str]:
    """One line of the table, as text."""
    first, last = row["first_db"], row["last_db"]
    outside = {
        -math.inf: f"at or below {first:g} (first SNR)",
        math.inf: f"not reached by {last:g}"
        if row["crossing_db"] > last
        else f"below it at {last:g}",
    }
    said = {
        "channel": row["channel"],
        "k": uses_text(row),
        "scheme": row["scheme"],
        "SNR": outside.get(row["snr_db"], f"{row['snr_db']:.2f}"),
        "95 % interval": _interval(row),
    }
    if "difference_db" in row.index:
        own = row["scheme"] == reference
        said["difference"] = "reference" if own else _difference(row)
    return said


def _difference(row: "pd.Series[Any]") -> str:
    """The difference from the reference, with its interval."""
    value, low, high = (row[name] for name in row.index if name.startswith("difference"))
    if math.isnan(value):
        return "not known"
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _interval(row: "pd.Series[Any]") -> str:
    """The interval of the SNR; empty if it lies outside the swept SNRs."""
    low, high = row["ci_low"], row["ci_high"]
    if math.inf in (low, -high):
        return ""
    start = f"below {row['first_db']:g}" if low == -math.inf else f"{low:.2f}"
    return f"{start} to {high:.2f}" if high < math.inf else f"{start} to above {row['last_db']:g}"
