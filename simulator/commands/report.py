"""`semlink report`: finished sweeps as one HTML page that needs no server."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import PATH, argument, command, option
from simulator.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """The options of `semlink report`."""

    folders: tuple[Path, ...] = argument(nargs=-1, required=True)
    out: Path | None = option(
        type=PATH, metavar="FILE", help="File to write.  [default: report.html in the first folder]"
    )


@command(ReportRequest)
def report(request: ReportRequest) -> None:
    """Write an interactive page of finished sweeps: one HTML file that loads nothing else.

    FOLDERS are the --out of sweeps; the page shows one at a time. Its panels show accuracy over
    SNR and over k, and the distance to the noiseless accuracy, with filters. If a folder holds
    the outcome of every image, any scheme can be the reference from which paired differences are
    shown.
    """
    from simulator import resolve
    from simulator.storage.folders import REPORT, read_results

    places = [folder.resolve() for folder in request.folders]
    for folder, place in zip(request.folders, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"FOLDERS must be different sweeps, got {folder} twice")
    out = request.out or request.folders[0] / REPORT
    resolve.report([(folder, *read_results(folder)) for folder in request.folders], out)
    click.echo(f"report:  {out}")
