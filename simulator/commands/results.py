"""`semlink plot`, `compare` and `seeds`: what saved rows and journals show."""

from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from simulator.measures.compare import compact
from simulator.measures.compare import compare as compare_schemes
from simulator.measures.seeds import across_seeds
from simulator.resolve import draw
from simulator.storage.files import write_table
from simulator.storage.folders import check_writable, read_results


def plot(folder: Path, *, out: Path | None) -> None:
    """`semlink plot`: figures from saved rows."""
    rows, run = read_results(folder)
    target = (out or folder) / "figures"
    check_writable(target)
    for figure in draw(rows, run, target):
        click.echo(f"figure:  {figure}")


def compare(folder: Path, *, a: str | None, b: str) -> None:
    """`semlink compare`: paired differences of schemes of a finished sweep."""
    table, left_out = compare_schemes(folder, a, b)
    for line in left_out:
        click.echo(f"semlink: {line}", err=True)
    path = folder / f"compare_{a or 'all'}_{b}.csv".replace(":", "-")
    write_table(path, table)
    click.echo(
        f"accuracy minus that of {b} in points, 95 % interval over images; * sure at 5 % (Holm)"
    )
    click.echo(compact(table).to_string())
    click.echo(f"table:   {path}")


def seeds(folders: Sequence[Path], *, out: Path) -> None:
    """`semlink seeds`: mean and spread over sweeps of several trainings."""
    table = across_seeds(folders)
    check_writable(out)
    path = out / "seeds.csv"
    write_table(path, table)
    spread = table.groupby(["scheme", "channel"], sort=False)["deviation"]
    shown = pd.DataFrame({"median": spread.median(), "largest": spread.max()}) * 100
    click.echo(f"standard deviation of the accuracy over {len(folders)} trainings, in points")
    click.echo(shown.round(2).to_string())
    click.echo(f"table:   {path}")
