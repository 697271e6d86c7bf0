"""`semlink seeds`: mean and spread over sweeps of several trainings."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import argument, command, out_option


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
