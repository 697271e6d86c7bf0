"""`semlink plot`, `compare` and `seeds`: what is made of the tables of finished sweeps."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import argument, command, note, option, out_option


@dataclass(frozen=True, kw_only=True)
class PlotRequest:
    """What `semlink plot` is asked for."""

    folder: Path = argument()
    out: Path | None = out_option("FOLDER")


@command(PlotRequest)
def plot(request: PlotRequest) -> None:
    """Draw the figures of a finished sweep again. FOLDER is what --out was when it was swept."""
    from simulator.resolve import draw
    from simulator.storage.folders import check_writable, read_results

    rows, run = read_results(request.folder)
    target = (request.out or request.folder) / "figures"
    check_writable(target)
    for figure in draw(rows, run, target):
        click.echo(f"figure:  {figure}")


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


@dataclass(frozen=True, kw_only=True)
class SeedsRequest:
    """What `semlink seeds` is asked for."""

    folders: tuple[Path, ...] = argument(nargs=-1, required=True)
    out: Path | None = out_option("results/runs/seeds")


@command(SeedsRequest)
def seeds(request: SeedsRequest) -> None:
    """Mean and spread of accuracies over trainings from several seeds.

    FOLDERS are sweeps of the same recipe, data and noise, each of weights from another training
    seed. Writes seeds.csv.
    """
    import pandas as pd

    from simulator.measures.seeds import across_seeds
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    table = across_seeds(request.folders)
    out = request.out or Path("results/runs/seeds")
    check_writable(out)
    path = out / "seeds.csv"
    write_table(path, table)
    spread = table.groupby(["scheme", "channel"], sort=False)["deviation"]
    shown = pd.DataFrame({"median": spread.median(), "largest": spread.max()}) * 100
    count = len(request.folders)
    click.echo(f"standard deviation of the accuracy over {count} trainings, in points")
    click.echo(shown.round(2).to_string())
    click.echo(f"table:   {path}")
