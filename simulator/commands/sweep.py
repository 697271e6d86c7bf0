"""`semlink sweep`: check everything, evaluate what the journal lacks, write tables and figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from simulator.commands.options import (
    NAMES,
    argument,
    channel_uses_option,
    channels_option,
    command,
    data_option,
    device_option,
    flag,
    images_option,
    option,
    out_option,
    realizations_option,
    seed_option,
    snr_db_option,
    student_option,
    weights_option,
)
from simulator.parse import Realizations

if TYPE_CHECKING:
    import pandas as pd

    from simulator.engine.job import Sweep


def _schemes() -> str:
    from simulator.resolve import scheme_names

    return (
        f"{', '.join(scheme_names())}, or all: what is trained; rkd_sc:VARIANT (an ablation), "
        "rkd_sc:+3dB (SNR reported too high), rkd_sc:pilot1 (gain estimated); further labels are "
        "in the README."
    )


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What `semlink sweep` is asked for; what is None is as the recipe has it."""

    recipe: str = argument()
    channels: tuple[str, ...] | None = channels_option()
    snr_db: tuple[float, ...] | None = snr_db_option()
    channel_uses: tuple[int, ...] | None = channel_uses_option()
    schemes: tuple[str, ...] | None = option(type=NAMES, metavar="A,B", help=_schemes)
    images: int | None = images_option()
    realizations: Realizations | None = realizations_option()
    mc: float | None = option(
        type=float,
        metavar="POINTS",
        help="Draw again, R at a time, until the channel's 95 % interval is +-POINTS of accuracy.",
    )
    max_realizations: int = option(default=200, type=int, metavar="N", help="End of --mc.")
    seed: int = seed_option("Seed of all channel draws.")
    precision: Literal["fp32", "bf16"] = option(
        default="fp32",
        type=click.Choice(["fp32", "bf16"]),
        help="Of the networks; those of separate and digital_semantic always are fp32.",
    )
    compiled: bool = flag(
        "--compile",
        help="Compile the receiver of rkd_sc first: faster where a sweep takes minutes.",
    )
    student: Path | None = student_option()
    bit_true: bool = flag(help="Decode every LDPC block instead of using tables.")
    workers: int | None = option(
        type=int, metavar="N", help="Processes.  [default: the cores; 1 for little work or a GPU]"
    )
    cluster: str | None = option(
        metavar="ADDRESS|auto|local",
        help="Compute on a Ray cluster instead; local: one of --workers CPUs, made here.",
    )
    fresh: bool = flag(help="Forget what an earlier sweep in --out has finished.")
    data: Path | None = data_option()
    weights: Path | None = weights_option()
    device: str = device_option()
    out: Path | None = out_option("results/runs/RECIPE")


@command(SweepRequest)
def sweep(request: SweepRequest) -> None:
    """Evaluate schemes over a grid; write a table and figures.

    RECIPE is one of {recipes}. Without options its own grid is swept.
    Stop with Ctrl-C at any time; the same command goes on with what is not finished.
    """
    from simulator.engine.folder import noiseless, sweep_folder
    from simulator.parse import MOST_WORKERS, in_range
    from simulator.resolve import draw

    if request.workers is not None:
        in_range("--workers", request.workers, 1, MOST_WORKERS)
    asked, left_out = resolved(request)
    clean = noiseless(asked)
    folder = request.out or Path("results/runs") / request.recipe
    with sweep_folder(asked, folder, fresh=request.fresh) as place:
        for line in [*left_out, *_remarks(asked), *place.journal.remarks]:
            click.echo(f"semlink: {line}", err=True)
        results = place.compute(workers=request.workers, cluster=request.cluster)
        table, run = place.write(results, noiseless=clean, left_out=left_out)
        figures = draw(table, run, folder / "figures")
    _show(table)
    click.echo(
        f"noiseless: {100 * clean['accuracy']:.1f} % (student and head, no channel; "
        f"95 % interval {100 * clean['ci_low']:.1f} to {100 * clean['ci_high']:.1f} %)"
    )
    click.echo(f"table:   {folder / 'results.csv'}")
    for figure in figures:
        click.echo(f"figure:  {figure}")


def resolved(request: SweepRequest) -> "tuple[Sweep, list[str]]":
    """The sweep that is asked for, and a line for what is left out of it. Raises: UserError."""
    from simulator import resolve
    from simulator.engine.evaluate import Setting
    from simulator.engine.grid import plan
    from simulator.engine.job import Sweep
    from simulator.schemes.experiment import asked_schemes, build_scheme

    experiment = resolve.recipe_named(request.recipe, student=request.student)
    experiment = experiment.decoding_all() if request.bit_true else experiment
    grid = resolve.grid_of(
        experiment.sweep,
        channels=request.channels,
        snr_db=request.snr_db,
        channel_uses=request.channel_uses,
        realizations=request.realizations,
        seed=request.seed,
    ).until(request.mc, request.max_realizations)
    device = resolve.device_named(request.device)
    if request.compiled:
        resolve.check_compiler()
    dataset = resolve.dataset_of(experiment, request.data)
    test = resolve.first_images(dataset.test, request.images)
    weights = resolve.weights_of(experiment, dataset, request.weights, device)
    names, untrained = asked_schemes(experiment, weights, request.schemes or ("all",))
    built = {name: build_scheme(name, experiment, weights) for name in names}
    points, left_out = plan([own.scheme for own in built.values()], grid)
    asked = Sweep(
        experiment=experiment,
        weights=weights,
        test=test,
        built=built,
        points=points,
        grid=grid,
        setting=Setting(request.seed, device, request.precision, request.compiled),
    )
    return asked, [*untrained, *left_out]


def _remarks(sweep: "Sweep") -> list[str]:
    """What a user should know of the weights before believing the numbers, and of the speed."""
    from simulator.description.origin import data_name
    from simulator.device import native

    weights, setting = sweep.weights, sweep.setting
    remarks = [f"weights from {weights.folder}"]
    if native(setting.device, setting.precision) != setting.precision:
        remarks.append(
            f"this device has no arithmetic of {setting.precision}; --precision fp32 is faster"
        )
    if weights.trained_on != {weights.dataset.key}:
        same = weights.trained_on == {data_name(weights.folder, weights.dataset)}
        remarks.append(
            "these weights were made with the training images of --data, beside other test images"
            if same
            else "these weights were made with other data than --data: images for training or for "
            "the test differ"
        )
    return remarks


def _show(results: "pd.DataFrame") -> None:
    """Print accuracy in percent, one line per scheme, channel and k, one column per SNR."""
    import pandas as pd

    percent = results.assign(accuracy=(100 * results["accuracy"]).round(1))
    table = percent.pivot_table(
        index=["channel", "channel_uses", "scheme"],
        columns="snr_db",
        values="accuracy",
        sort=True,
    )
    table.columns = pd.Index([f"{snr:g}" for snr in table.columns], name="snr_db")
    click.echo("accuracy in % at SNR (Es/N0 per channel use) in dB")
    click.echo(table.to_string())
