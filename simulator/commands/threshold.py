"""`semlink threshold`: the SNR that each scheme of a finished sweep needs for an accuracy."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands.finished import ChoiceRequest
from simulator.commands.options import PATH, command, option

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ThresholdRequest(ChoiceRequest):
    """The options of `semlink threshold`."""

    accuracy: float = option(required=True, metavar="PERCENT", help="The target accuracy.")
    reference: str | None = option(
        metavar="SCHEME", help="Also print the difference in dB from this scheme."
    )
    csv: Path | None = option(
        metavar="FILE", type=PATH, help="Also write the table there; SNRs not swept are +-inf."
    )


@command(ThresholdRequest)
def threshold(request: ThresholdRequest) -> None:
    """Print the SNR that each scheme of a finished sweep needs for an accuracy.

    FOLDER is the --out of the sweep. The SNR is the lowest from which on straight lines
    between the swept SNRs stay at the accuracy or above. Its 95 % interval lies between the SNRs at
    which the upper and the lower end of the accuracy's own interval do, interpolated likewise.
    """
    from simulator.measures.threshold import credits_of_sweep, threshold_table
    from simulator.storage.files import write_table

    rows, run = request.read()
    paired = None if request.reference is None else credits_of_sweep(request.folder, rows, run)
    table = threshold_table(
        rows,
        request.accuracy,
        schemes=request.schemes,
        channels=request.channels,
        channel_uses=request.channel_uses,
        reference=request.reference,
        credits_of=paired,
    )
    if request.csv is not None:
        write_table(request.csv, table)
    _show(table, request, paired=paired is not None)


def _show(table: "pd.DataFrame", request: ThresholdRequest, *, paired: bool) -> None:
    """The table in words, and how it was made."""
    lines = table.apply(_said, axis="columns", result_type="expand")
    click.echo(f"SNR (Es/N0 per channel use) in dB for {request.accuracy:g} % accuracy")
    click.echo(lines.to_string(index=False))
    click.echo(
        "linear interpolation between the swept SNRs; 95 % interval: where the ends of the "
        "accuracy's interval reach it"
    )
    for line in _again(table):
        click.echo(line)
    if request.reference is not None:
        how = (
            "is from a paired bootstrap over images, seed 0, 2,000 resamples"
            if paired
            else "is unpaired, too wide for schemes that met the same images: the folder holds no "
            "outcomes of single images"
        )
        click.echo(f"difference: minus that of {request.reference}; its interval {how}")
    if request.csv is not None:
        click.echo(f"table:   {request.csv}")


def _again(table: "pd.DataFrame") -> list[str]:
    """A line for every curve that falls below the accuracy after it had reached it."""
    return [
        f"{row['scheme']} on {row['channel']}, k = {row['channel_uses']}: first reaches it "
        + ("at or below the first SNR" if first == -math.inf else f"at {first:.2f} dB")
        + (f", crosses again at {snr:.2f} dB" if snr < math.inf else ", but ends below it")
        for _, row in table.iterrows()
        for first, snr in [(row["crossing_db"], row["snr_db"])]
        if first < snr
    ]


def _said(row: "pd.Series[Any]") -> dict[str, str]:
    """One line of the table in words."""
    first, last = row["first_db"], row["last_db"]
    outside = {
        -math.inf: f"at or below {first:g} (first SNR)",
        math.inf: f"not reached by {last:g}"
        if row["crossing_db"] > last
        else f"below it at {last:g}",
    }
    said = {
        "channel": row["channel"],
        "k": str(row["channel_uses"]),
        "scheme": row["scheme"],
        "SNR": outside.get(row["snr_db"], f"{row['snr_db']:.2f}"),
        "95 % interval": _interval(row),
    }
    if "difference_db" in row.index:
        value, low, high = (row[name] for name in row.index if name.startswith("difference"))
        said["difference"] = f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
        if math.isnan(value):
            said["difference"] = "not known"
        elif low == high:
            said["difference"] = "reference"
    return said


def _interval(row: "pd.Series[Any]") -> str:
    """The interval of the SNR; empty if all of it is outside the SNRs swept."""
    low, high = row["ci_low"], row["ci_high"]
    if math.inf in (low, -high):
        return ""
    start = f"below {row['first_db']:g}" if low == -math.inf else f"{low:.2f}"
    return f"{start} to {high:.2f}" if high < math.inf else f"{start} to above {row['last_db']:g}"
