"""`semlink adapt`, `table` and `doctor`: small measurements in this process."""

from pathlib import Path

import click
import torch

from simulator.engine.grid import plan
from simulator.errors import UserError
from simulator.measures.budget import adaptive_table
from simulator.measures.doctor import check_channels, found_data, versions
from simulator.measures.sizes import size_table
from simulator.parse import MOST_REALIZATIONS, MOST_SEED, in_range
from simulator.resolve import (
    dataset_of,
    device_named,
    first_images,
    grid_of,
    recipe_named,
    weights_folder,
    with_student,
)
from simulator.schemes.build import TrainedParts
from simulator.storage.files import write_table
from simulator.storage.folders import check_writable


def adapt(
    recipe: str,
    *,
    scheme: str,
    retention: float,
    channels: str | None,
    snr_db: str | None,
    channel_uses: str | None,
    realizations: str | None,
    images: int | None,
    seed: int,
    data: Path | None,
    weights: Path | None,
    device: str,
    out: Path | None,
    student: Path | None = None,
) -> None:
    """`semlink adapt`: the budget rule and what it costs, into adaptive.csv."""
    experiment = with_student(recipe_named(recipe), student)
    if not 0 < retention <= 1:
        raise UserError(f"--retention must be above 0 and at most 1, got {retention:g}")
    grid = grid_of(experiment.sweep, channels, snr_db, channel_uses, realizations, seed)
    target = device_named(device)
    dataset = dataset_of(experiment, data)
    if dataset.validation is None:
        raise UserError("the budget rule is made on validation images, but the data holds none")
    parts = TrainedParts(experiment, dataset, weights_folder(experiment, weights), target)
    chosen = parts.scheme(scheme)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)
    points, left_out = plan([chosen], grid)
    for line in left_out:
        click.echo(f"semlink: {line}", err=True)
    rows = adaptive_table(
        chosen,
        points,
        grid,
        validation=dataset.validation,
        test=first_images(dataset.test, images),
        share=retention,
        num_classes=dataset.num_classes,
        device=target,
    )
    write_table(folder / "adaptive.csv", rows)
    click.echo(rows.drop(columns=["scheme", "images", "realizations"]).round(4).to_string())
    click.echo(f"mean k over these SNRs: {rows['channel_uses'].mean():.1f}")
    click.echo(f"table:   {folder / 'adaptive.csv'}")


def table(
    recipe: str,
    *,
    data: Path | None,
    weights: Path | None,
    images: int | None,
    realizations: int,
    seed: int,
    out: Path | None,
    student: Path | None = None,
) -> None:
    """`semlink table`: size, cost and clean accuracy of teacher and students."""
    experiment = with_student(recipe_named(recipe), student)
    dataset = dataset_of(experiment, data)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)
    cpu = torch.device("cpu")
    parts = TrainedParts(experiment, dataset, weights_folder(experiment, weights), cpu)
    if parts.teacher() is None:
        click.echo(f"semlink: no teacher in {parts.folder}: no retention", err=True)
    rows = size_table(
        parts,
        first_images(dataset.test, images),
        realizations=in_range("--realizations", realizations, 1, MOST_REALIZATIONS),
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )
    write_table(folder / "sizes.csv", rows)
    click.echo(rows.set_index("name").T.to_string())
    click.echo(f"table:   {folder / 'sizes.csv'}")


def doctor(*, data: Path | None, device: str) -> bool:
    """`semlink doctor`: print what is installed and measured; True if all is well."""
    target = device_named(device)
    click.echo(versions(target))
    click.echo(found_data(data))
    table = check_channels(target)
    click.echo(table.to_string(index=False))
    bad = int((table["verdict"] != "ok").sum())
    click.echo("all channels agree with theory" if not bad else f"{bad} measurements are off")
    return not bad
