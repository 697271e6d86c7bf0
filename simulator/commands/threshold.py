"""`semlink threshold`: the SNR that each scheme of a finished sweep needs for an accuracy."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.finished import ChoiceRequest
from simulator.commands.options import PATH, Parsed, command, option
from simulator.parse import parse_percent


@dataclass(frozen=True, kw_only=True)
class ThresholdRequest(ChoiceRequest):
    """The options of `semlink threshold`."""

    accuracy: float = option(
        type=Parsed("percent", parse_percent),
        required=True,
        metavar="PERCENT",
        help="The target accuracy.",
    )
    reference: str | None = option(
        metavar="SCHEME", help="Also print the difference in dB from this scheme."
    )
    csv: Path | None = option(
        metavar="FILE", type=PATH, help="Also write the table there; SNRs out of range are +-inf."
    )


@command(ThresholdRequest)
def threshold(request: ThresholdRequest) -> None:
    """Print the SNR that each scheme of a finished sweep needs for an accuracy.

    FOLDER is the --out of the sweep. The SNR is the lowest above which the linearly interpolated
    accuracy stays at or above the target. Its interval applies the same rule to the upper and lower
    ends of the accuracy's interval.
    """
    from simulator.arguments import choice
    from simulator.measures.threshold import sweep_thresholds, threshold_text
    from simulator.storage.files import write_table
    from simulator.storage.folders import read_results

    rows, run = read_results(request.folder)
    table = sweep_thresholds(
        *(request.folder, rows, run, request.accuracy),
        **choice(rows, request.schemes, request.channels, request.channel_uses),
        reference=request.reference,
    )
    if request.csv is not None:
        write_table(request.csv, table)
    click.echo(threshold_text(table))
    if request.csv is not None:
        click.echo(f"table:   {request.csv}")
