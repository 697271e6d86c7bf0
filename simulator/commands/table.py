"""`semlink table`: size, cost and clean accuracy of teacher and students."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from simulator.commands.options import WeightsRequest, command, note, option, seed_option, whole
from simulator.parse import MOST_REALIZATIONS

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("parameters", "macs")  # endings of the names of columns of whole numbers


@dataclass(frozen=True, kw_only=True)
class TableRequest(WeightsRequest):
    """The options of `semlink table`."""

    realizations: int = option(
        default=5, type=whole(1, MOST_REALIZATIONS), help="Channel draws per image at 24 dB."
    )
    seed: int = seed_option("Seed of all draws.")


@command(TableRequest)
def table(request: TableRequest) -> None:
    """Tabulate size, cost and clean accuracy of teacher and students of a recipe.

    Writes sizes.csv: parameters, MACs, CPU time, accuracy, and its share of the teacher's.
    """
    import torch

    from simulator.measures.sizes import size_table
    from simulator.parse import MOST_SEED, in_range
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    experiment, folder = request.experiment(), request.folder
    check_writable(folder)
    (experiment, weights), test = request.loaded(experiment, torch.device("cpu"))
    rows = size_table(
        experiment,
        weights,
        test,
        realizations=in_range("--realizations", request.realizations, 1, MOST_REALIZATIONS),
        seed=in_range("--seed", request.seed, 0, MOST_SEED),
    )
    if weights.teacher() is None:
        note(f"retention is left out: no teacher in {weights.folder}")
    write_table(folder / "sizes.csv", rows)
    click.echo(_shown(rows).set_index("name").T.to_string())
    click.echo(f"table:   {folder / 'sizes.csv'}")


def _shown(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The table as text: whole numbers in full, others with four decimals, gaps empty."""
    shown = rows.astype(object)
    for name in rows.columns.drop("name"):
        form = "{:.0f}" if name.endswith(COUNTS) else "{:.4f}"
        shown[name] = ["" if value != value else form.format(value) for value in rows[name]]
    return shown
