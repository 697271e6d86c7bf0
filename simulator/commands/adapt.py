"""`semlink adapt`: the fewest channel uses that keep the accuracy, at every SNR."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import (
    USES,
    argument,
    channels_option,
    command,
    data_option,
    device_option,
    images_option,
    option,
    out_option,
    realizations_option,
    seed_option,
    snr_db_option,
    student_option,
    weights_option,
)
from simulator.errors import UserError
from simulator.parse import Realizations


@dataclass(frozen=True, kw_only=True)
class AdaptRequest:
    """What `semlink adapt` is asked for; what is None is as the recipe has it."""

    recipe: str = argument()
    student: Path | None = student_option()
    scheme: str = option(default="rkd_sc", help="Whose budget is adapted.")
    retention: float = option(
        default=0.99,
        type=float,
        metavar="Q",
        help="Share of the accuracy with the largest k that must be kept.",
    )
    channels: tuple[str, ...] | None = channels_option()
    snr_db: tuple[float, ...] | None = snr_db_option()
    channel_uses: tuple[int, ...] | None = option(
        type=USES, metavar="K,K", help="The k to choose from."
    )
    images: int | None = images_option()
    realizations: Realizations | None = realizations_option()
    seed: int = seed_option("Seed of all channel draws.")
    data: Path | None = data_option()
    weights: Path | None = weights_option()
    device: str = device_option()
    out: Path | None = out_option("results/runs/RECIPE")


@command(AdaptRequest)
def adapt(request: AdaptRequest) -> None:
    """Find the fewest channel uses that keep the accuracy, at every SNR.

    The rule is made on validation images and tested on test images. Writes adaptive.csv: k for
    each channel and SNR, the accuracy there, and its difference to that with the largest k.
    """
    from simulator import resolve
    from simulator.engine.grid import plan
    from simulator.measures.budget import adaptive_table
    from simulator.schemes.experiment import build_scheme
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    experiment = resolve.recipe_named(request.recipe, student=request.student)
    if not 0 < request.retention <= 1:
        raise UserError(f"--retention must be above 0 and at most 1, got {request.retention:g}")
    grid = resolve.grid_of(
        experiment.sweep,
        channels=request.channels,
        snr_db=request.snr_db,
        channel_uses=request.channel_uses,
        realizations=request.realizations,
        seed=request.seed,
    )
    device = resolve.device_named(request.device)
    dataset = resolve.dataset_of(experiment, request.data)
    if dataset.validation is None:
        raise UserError("the budget rule is made on validation images, but the data holds none")
    weights = resolve.weights_of(experiment, dataset, request.weights, device)
    scheme = build_scheme(request.scheme, experiment, weights).scheme
    folder = request.out or Path("results/runs") / request.recipe
    check_writable(folder)
    points, left_out = plan([scheme], grid)
    for line in left_out:
        click.echo(f"semlink: {line}", err=True)
    rows = adaptive_table(
        scheme,
        points,
        grid,
        validation=dataset.validation,
        test=resolve.first_images(dataset.test, request.images),
        share=request.retention,
        num_classes=dataset.num_classes,
        device=device,
    )
    write_table(folder / "adaptive.csv", rows)
    click.echo(rows.drop(columns=["scheme", "images", "realizations"]).round(4).to_string())
    click.echo(f"mean k over these SNRs: {rows['channel_uses'].mean():.1f}")
    click.echo(f"table:   {folder / 'adaptive.csv'}")
