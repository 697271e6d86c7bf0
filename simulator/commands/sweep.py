"""`semlink sweep`: check everything, evaluate what the journal lacks, write tables and figures."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pandas as pd

from channels.names import channel_from_name
from simulator.data.dataset import Dataset, Split
from simulator.description.experiment import Experiment
from simulator.description.origin import data_name
from simulator.device import Precision, native
from simulator.engine.evaluate import Setting
from simulator.engine.grid import Grid, Point, plan
from simulator.engine.job import FOLDER as PREPARED
from simulator.engine.job import Job, check_same, open_pool
from simulator.engine.journal import Journal
from simulator.engine.run import Results, facts_of, noiseless_accuracy, run_sweep
from simulator.errors import Stopped, UserError
from simulator.parse import MOST_REALIZATIONS, MOST_WORKERS, in_range
from simulator.resolve import (
    check_compiler,
    dataset_of,
    device_named,
    draw,
    first_images,
    grid_of,
    recipe_named,
    weights_folder,
    with_student,
)
from simulator.scheme import Adapted, Scheme
from simulator.schemes.build import TrainedParts, asked_schemes
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import (
    CHOICES,
    check_writable,
    forget_choices,
    forget_prepared,
    forget_results,
)

COLUMNS = [
    *("scheme", "channel", "snr_db", "channel_uses", "bandwidth_ratio", "images", "realizations"),
    *("correct", "transmissions", "accuracy", "ci_low", "ci_high"),
    *("mc_low", "mc_high", "delivered"),
    *("train_seed", "settings"),
]


def sweep(
    recipe: str,
    *,
    channels: str | None,
    snr_db: str | None,
    channel_uses: str | None,
    schemes: str | None,
    images: int | None,
    realizations: str | None,
    mc: float | None,
    max_realizations: int,
    seed: int,
    precision: Precision,
    compiled: bool,
    bit_true: bool,
    workers: int | None,
    cluster: str | None,
    fresh: bool,
    data: Path | None,
    weights: Path | None,
    device: str,
    out: Path | None,
    student: Path | None = None,
) -> None:
    """`semlink sweep`: evaluate what is not in the journal, then write tables and figures."""
    experiment = with_student(recipe_named(recipe), student)
    experiment = _decoding_all(experiment) if bit_true else experiment
    grid = grid_of(experiment.sweep, channels, snr_db, channel_uses, realizations, seed)
    grid = _with_stop_rule(grid, mc, max_realizations)
    if workers is not None:
        in_range("--workers", workers, 1, MOST_WORKERS)
    target = device_named(device)
    if compiled:
        check_compiler()
    dataset = dataset_of(experiment, data)
    test = first_images(dataset.test, images)
    parts = TrainedParts(experiment, dataset, weights_folder(experiment, weights), target)
    asked, untrained = asked_schemes(experiment, dataset, parts.folder, schemes)
    identified = {name: parts.identified(name) for name in asked}
    built = [scheme for scheme, _ in identified.values()]
    points, left_out = plan(built, grid)
    left_out = [*untrained, *left_out]
    noiseless = noiseless_accuracy(parts.classifier(), test, target)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)

    start = time.perf_counter()
    used = sorted({point.scheme for point in points})
    job = Job(
        experiment=experiment,
        name=dataset.name,
        classes=dataset.classes,
        data_key=dataset.key,
        weights=parts.folder.resolve(),
        folder=folder.resolve() / PREPARED,
        setting=Setting(seed, target, precision, compiled),
        images=len(test.labels),
        identities={name: identified[name][1] for name in used},
    )
    facts = facts_of(built, points, test, num_classes=dataset.num_classes)
    with Journal(folder) as journal, _resumable(journal, fresh=fresh):
        if not fresh:
            check_same(journal.abouts, job.about, folder)
        for line in [*left_out, *_remarks(parts, dataset, job.setting), *journal.remarks]:
            click.echo(f"semlink: {line}", err=True)
        job.write_images(test, dataset.validation)
        transmissions = sum(len(test.labels) * grid.repeats(point.channel) for point in points)
        pool = open_pool(job, workers=workers, cluster=cluster, transmissions=transmissions)
        try:
            if fresh:
                journal.forget()
                forget_results(folder)
            journal.begin(job.about)
            results = run_sweep(points, grid, facts, pool=pool, store=journal)
        finally:
            pool.close()
        forget_prepared(job.folder)
        run = {
            "schemes": list(asked),
            "left_out": left_out,
            **_description(job, grid, parts),
            "data": _about(dataset, test),
            "noiseless_accuracy": noiseless,
            "journal": journal.about_key,
            "wall_seconds": round(time.perf_counter() - start, 1),
        }
        _write(folder, results, run, _choices(built, points))


@contextmanager
def _resumable(journal: Journal, *, fresh: bool) -> Iterator[None]:
    """Turn Ctrl-C into what is kept and how to go on. Raises: Stopped."""
    try:
        yield
    except KeyboardInterrupt:
        begun_anew = fresh and journal.about_key
        without = " without --fresh" if begun_anew else ""
        kept = len(Journal(journal.path.parent))  # the last ones may be on disk and not yet noted
        raise Stopped(
            f"{kept} finished units are in {journal.path}; run the same command again"
            f"{without} to go on"
        ) from None


def _choices(schemes: Sequence[Scheme], points: Sequence[Point]) -> pd.DataFrame:
    """What schemes chose on validation images at the points of a sweep."""
    rows: list[dict[str, Any]] = []
    for scheme in schemes:
        if isinstance(scheme, Adapted):
            own = [point for point in points if point.scheme == scheme.name]
            rows += scheme.choices(
                [(channel_from_name(point.channel), point.snr_db, point.k) for point in own]
            )
    return pd.DataFrame(rows)


def _decoding_all(experiment: Experiment) -> Experiment:
    """The experiment with every block of bits decoded."""
    baselines = tuple(baseline.decoding_all() for baseline in experiment.baselines)
    return replace(experiment, baselines=baselines)


def _with_stop_rule(grid: Grid, mc: float | None, max_realizations: int) -> Grid:
    """The grid with --mc and --max-realizations."""
    if mc is not None and not 0 < mc < 100:
        raise UserError(f"--mc must be a half-width between 0 and 100 points, got {mc:g}")
    in_range("--max-realizations", max_realizations, 1, MOST_REALIZATIONS)
    return replace(grid, mc=mc, max_realizations=max_realizations)


def _remarks(parts: TrainedParts, dataset: Dataset, setting: Setting) -> list[str]:
    """What a user should know of the weights before believing the numbers, and of the speed."""
    remarks = [f"weights from {parts.folder}"]
    if native(setting.device, setting.precision) != setting.precision:
        remarks.append(
            f"this device has no arithmetic of {setting.precision}; --precision fp32 is faster"
        )
    if parts.trained_on != {dataset.key}:
        same = parts.trained_on == {data_name(parts.folder, dataset)}
        remarks.append(
            "these weights were made with the training images of --data, beside other test images"
            if same
            else "these weights were made with other data than --data: images for training or for "
            "the test differ"
        )
    return remarks


def _description(job: Job, grid: Grid, parts: TrainedParts) -> dict[str, Any]:
    """What makes the numbers besides the data: recipe, grid, weights, versions, machine."""
    setting = job.setting
    return {
        "recipe": describe(job.experiment),
        "grid": {**describe(grid), "channels": [channel.name for channel in grid.channels]},
        "seed": setting.seed,
        "precision": setting.precision,
        "compiled": setting.compiled,
        "train_seed": parts.train_seed,
        "weights": {
            name: {"sha256": parts.hashes[name], "origin": origin}
            for name, origin in parts.origins.items()
        },
        "environment": environment(setting.device),
    }


def _about(dataset: Dataset, test: Split) -> dict[str, Any]:
    channels, height, width = dataset.image_shape
    colour = "grey" if channels == 1 else "RGB"
    return {
        "name": dataset.name,
        "title": f"{dataset.name}, {height}x{width} {colour}, {dataset.num_classes} classes",
        "hash": dataset.key,
        "test_images": len(test.labels),
        "image_shape": list(dataset.image_shape),
        "classes": dataset.num_classes,
    }


def _write(folder: Path, results: Results, run: dict[str, Any], choices: pd.DataFrame) -> None:
    """Tables, description and figures into the run's folder; the table also to the screen."""
    table = results.table.assign(train_seed=run["train_seed"])[COLUMNS]
    write_table(folder / "results.csv", table)
    write_table(folder / "results.parquet", table)
    write_table(folder / "timing.csv", results.timing)
    forget_choices(folder)
    if len(choices):
        write_table(folder / CHOICES, choices)
    write_json(folder / "run.json", run)
    figures = draw(table, run, folder / "figures")
    _show(table)
    noiseless = run["noiseless_accuracy"]
    click.echo(
        f"noiseless: {100 * noiseless['accuracy']:.1f} % (student and head, no channel; "
        f"95 % interval {100 * noiseless['ci_low']:.1f} to {100 * noiseless['ci_high']:.1f} %)"
    )
    click.echo(f"table:   {folder / 'results.csv'}")
    for figure in figures:
        click.echo(f"figure:  {figure}")


def _show(results: pd.DataFrame) -> None:
    """Print accuracy in percent, one line per scheme, channel and k, one column per SNR."""
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
