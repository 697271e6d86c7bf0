"""`semlink plot` and `semlink compare`: what saved rows and journals show."""

from pathlib import Path

import click

from simulator.commands.shared import draw
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


def compare(folder: Path, *, a: str, b: str) -> None:
    """`semlink compare`: the paired difference of two schemes of a finished sweep."""
    table = compare_schemes(folder, a, b)
    path = folder / f"compare_{a}_{b}.csv".replace(":", "-")
    write_table(path, table)
    shown = table.drop(columns=["a", "b"]).round(4)
    click.echo(f"{a} minus {b}, with the 95 % interval over images")
    click.echo(shown.to_string(index=False))
    click.echo(f"table:   {path}")
