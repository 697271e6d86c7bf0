"""`semlink plot`: figures from saved rows."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import argument, command, out_option


@dataclass(frozen=True, kw_only=True)
class PlotRequest:
    """What `semlink plot` is asked for."""

    folder: Path = argument()
    out: Path | None = out_option("FOLDER")


@command(PlotRequest)
def plot(request: PlotRequest) -> None:
    """Draw the figures of a finished sweep again.

    FOLDER is what --out was when it was swept.
    """
    from simulator.resolve import draw
    from simulator.storage.folders import check_writable, read_results

    rows, run = read_results(request.folder)
    target = (request.out or request.folder) / "figures"
    check_writable(target)
    for figure in draw(rows, run, target):
        click.echo(f"figure:  {figure}")
