"""What the commands do: read options, check everything, then work, then write."""

import importlib
import time
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch

from simulator.config import Experiment, describe
from simulator.data import Dataset, Split, load_dataset
from simulator.distill import (
    student_features,
    teacher_views,
    train_codec,
    train_head,
    train_student,
    train_teacher,
)
from simulator.doctor import check_channels, found_data, versions
from simulator.end_to_end import train_deep_jscc
from simulator.errors import UserError
from simulator.options import (
    at_least,
    find_weights,
    parse_channel_uses,
    parse_channels,
    parse_names,
    parse_snr_db,
)
from simulator.records import (
    ROOT,
    check_writable,
    environment,
    read_results,
    write_json,
    write_table,
)
from simulator.schemes import TrainedParts, scheme_names
from simulator.sweep import Grid, plan, run_sweep
from simulator.training_run import TrainingRun

COLUMNS = [
    *("scheme", "channel", "snr_db", "channel_uses", "bandwidth_ratio", "images", "realizations"),
    *("correct", "transmissions", "accuracy", "ci_low", "ci_high", "delivered"),
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
    realizations: int | None,
    seed: int,
    data: Path | None,
    weights: Path | None,
    device: str,
    out: Path | None,
) -> None:
    """`semlink sweep`: evaluate, then write tables and figures below `out`."""
    experiment = _recipe(recipe)
    default = experiment.sweep
    grid = Grid(
        channels=parse_channels(parse_names(channels) if channels else default.channels),
        snr_db=default.snr_db if snr_db is None else parse_snr_db(snr_db),
        channel_uses=(
            default.channel_uses if channel_uses is None else parse_channel_uses(channel_uses)
        ),
        realizations=at_least(
            "--realizations", default.realizations if realizations is None else realizations, 1
        ),
        seed=at_least("--seed", seed, 0),
    )
    names = scheme_names(experiment)
    asked = names if schemes in (None, "all") else parse_names(str(schemes))
    target = _device(device)
    dataset = _dataset(experiment, data)
    test = _first(dataset.test, images)
    parts = TrainedParts(experiment, dataset, find_weights(recipe, weights, ROOT), target)
    points, left_out = plan([parts.scheme(name) for name in asked], grid)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)
    for line in left_out:
        click.echo(f"semlink: {line}", err=True)

    start = time.perf_counter()
    tables = run_sweep(points, grid, test, target)
    results = tables.results.assign(train_seed=parts.train_seed)[COLUMNS]
    run = {
        "recipe": describe(experiment),
        "grid": {**describe(grid), "channels": [channel.name for channel in grid.channels]},
        "schemes": list(asked),
        "seed": seed,
        "train_seed": parts.train_seed,
        "data": {
            "name": dataset.name,
            "hash": dataset.key,
            "test_images": len(test.labels),
            "image_shape": list(dataset.image_shape),
            "classes": dataset.num_classes,
        },
        "weights": parts.hashes,
        "left_out": left_out,
        "wall_seconds": round(time.perf_counter() - start, 1),
        "environment": environment(device),
    }
    write_table(folder / "results.csv", results)
    write_table(folder / "results.parquet", results)
    write_table(folder / "timing.csv", tables.timing)
    write_json(folder / "run.json", run)
    figures = _draw(results, run, folder / "figures")
    _show(results)
    click.echo(f"table:   {folder / 'results.csv'}")
    for figure in figures:
        click.echo(f"figure:  {figure}")


def train(
    recipe: str, *, data: Path | None, seed: int, fresh: bool, device: str, out: Path | None
) -> None:
    """`semlink train`: all stages in order; finished ones are taken from `out`."""
    experiment = _recipe(recipe)
    at_least("--seed", seed, 0)
    run = TrainingRun(
        experiment=experiment,
        dataset=_dataset(experiment, data),
        folder=out or Path("results/runs") / recipe,
        seed=seed,
        device=_device(device),
    )
    _ = run.training, run.validation  # the data must hold both
    check_writable(run.folder)
    if fresh:
        for path in run.folder.glob("*/*.safetensors"):
            path.unlink()
    start = time.perf_counter()
    teacher = train_teacher(run)
    views = teacher_views(run, teacher)
    student = train_student(run, views)
    features = student_features(run, student)
    head = train_head(run, student, features)
    train_codec(run, student, head, features, views)
    for uses in experiment.deep_jscc.uses:
        train_deep_jscc(run, uses)
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"weights: {run.folder / 'weights'}  ({minutes:.1f} min)")


def plot(folder: Path, *, out: Path | None) -> None:
    """`semlink plot`: figures from saved rows."""
    rows, run = read_results(folder)
    target = (out or folder) / "figures"
    check_writable(target)
    for figure in _draw(rows, run, target):
        click.echo(f"figure:  {figure}")


def doctor(*, data: Path | None, device: str) -> bool:
    """`semlink doctor`: print what is installed and measured; True if all is well."""
    target = _device(device)
    click.echo(versions(device))
    click.echo(found_data(data))
    table = check_channels(target)
    click.echo(table.to_string(index=False))
    bad = int((table["verdict"] != "ok").sum())
    click.echo("all channels agree with theory" if not bad else f"{bad} measurements are off")
    return not bad


def _recipe(name: str) -> Experiment:
    recipes = {recipe.__name__: recipe for recipe in _benchmarks("recipes").RECIPES}
    if name not in recipes:
        raise UserError(f"RECIPE must be one of {', '.join(recipes)}, got {name!r}")
    experiment: Experiment = recipes[name]()
    return experiment


def _benchmarks(module: str) -> Any:
    """A module of `benchmarks`, found at run time: the simulator never imports it."""
    return importlib.import_module(f"benchmarks.{module}")


def _dataset(experiment: Experiment, data: Path | None) -> Dataset:
    if data is None and not experiment.embedded_data:
        raise UserError(f"recipe {experiment.name} needs images: add --data DIR")
    return load_dataset(data)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"--device must be one that torch can use here, got {name!r}") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device must be cpu or cuda, got {name!r}")
    return device


def _first(split: Split, images: int | None) -> Split:
    if images is None:
        return split
    at_least("--images", images, 1)
    if images > len(split.labels):
        raise UserError(
            f"--images must be at most the {len(split.labels)} test images at hand, got {images}"
        )
    return Split(images=split.images[:images], labels=split.labels[:images])


def _draw(rows: pd.DataFrame, run: dict[str, Any], folder: Path) -> list[Path]:
    for old in folder.glob("accuracy_*"):
        old.unlink()  # of a sweep that these results replace
    channels, height, width = run["data"]["image_shape"]
    figures: list[Path] = _benchmarks("figures").plot_all(
        rows,
        folder,
        title=run["recipe"]["title"],
        source_values=channels * height * width,
        num_classes=run["data"]["classes"],
    )
    return figures


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
