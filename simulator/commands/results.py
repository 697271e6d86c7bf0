"""`semlink plot` and `semlink compare`: what saved rows and journals show."""

from pathlib import Path

import click

from simulator.commands.shared import draw
from simulator.compare import compact
from simulator.compare import compare as compare_schemes
from simulator.records import (
    check_writable,
    read_results,
    write_table,
)


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
