"""`semlink compare`: paired differences of schemes of a finished sweep."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import argument, command, note, option


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """What `semlink compare` is asked for."""

    folder: Path = argument()
    a: str | None = option(
        metavar="SCHEME", help="The scheme whose gain is asked for.  [default: all]"
    )
    b: str = option(required=True, metavar="SCHEME", help="The scheme that it is compared with.")


@command(CompareRequest)
def compare(request: CompareRequest) -> None:
    """Compare two schemes of a finished sweep, image by image, or all others with B.

    FOLDER is what --out was when it was swept. Writes compare_A_B.csv or compare_all_B.csv there.
    """
    from simulator.measures.compare import compact, compare_schemes
    from simulator.storage.files import write_table

    table, left_out = compare_schemes(request.folder, request.a, request.b)
    note(*left_out)
    name = f"compare_{request.a or 'all'}_{request.b}.csv".replace(":", "-")
    write_table(request.folder / name, table)
    click.echo(
        f"accuracy minus that of {request.b} in points, 95 % interval over images; * sure at 5 % "
        "(Holm)"
    )
    click.echo(compact(table).to_string())
    click.echo(f"table:   {request.folder / name}")
