"""`semlink table`: size, cost and clean accuracy of teacher and students."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import (
    argument,
    command,
    data_option,
    images_option,
    option,
    out_option,
    seed_option,
    student_option,
    weights_option,
)


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """What `semlink table` is asked for."""

    recipe: str = argument()
    data: Path | None = data_option()
    weights: Path | None = weights_option()
    images: int | None = images_option()
    student: Path | None = student_option()
    realizations: int = option(default=5, type=int, help="Draws at 24 dB.")
    seed: int = seed_option("Seed of all draws.")
    out: Path | None = out_option("results/runs/RECIPE")


@command(TableRequest)
def table(request: TableRequest) -> None:
    """Tabulate size, cost and clean accuracy of teacher and students of a recipe.

    Writes sizes.csv: parameters, MACs, CPU time, accuracy, and the share of the teacher's.
    """
    from simulator import resolve
    from simulator.measures.sizes import size_table
    from simulator.parse import MOST_REALIZATIONS, MOST_SEED, in_range
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    experiment = resolve.recipe_named(request.recipe, student=request.student)
    dataset = resolve.dataset_of(experiment, request.data)
    folder = request.out or Path("results/runs") / request.recipe
    check_writable(folder)
    device = resolve.device_named("cpu")
    weights = resolve.weights_of(experiment, dataset, request.weights, device)
    if weights.teacher() is None:
        click.echo(f"semlink: no teacher in {weights.folder}: no retention", err=True)
    rows = size_table(
        experiment,
        weights,
        resolve.first_images(dataset.test, request.images),
        realizations=in_range("--realizations", request.realizations, 1, MOST_REALIZATIONS),
        seed=in_range("--seed", request.seed, 0, MOST_SEED),
    )
    write_table(folder / "sizes.csv", rows)
    click.echo(rows.set_index("name").T.to_string())
    click.echo(f"table:   {folder / 'sizes.csv'}")
