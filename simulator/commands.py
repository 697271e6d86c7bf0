"""What the commands do: read options, check everything, then work, then write."""

import importlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch

from models import PretrainedTeacherConfig
from simulator.adaptive import adaptive_table
from simulator.compare import compare as compare_schemes
from simulator.config import Experiment, SweepConfig, Variant, describe
from simulator.data import Dataset, Split, load_dataset
from simulator.distill import (
    student_features,
    train_codec,
    train_head,
    train_student,
    train_variant,
)
from simulator.doctor import check_channels, found_data, versions
from simulator.end_to_end import train_deep_jscc
from simulator.errors import Stopped, TimeUp, UserError
from simulator.evaluate import Setting
from simulator.journal import Journal
from simulator.options import (
    MOST_REALIZATIONS,
    MOST_SEED,
    MOST_WORKERS,
    find_weights,
    in_range,
    parse_channel_uses,
    parse_channels,
    parse_names,
    parse_realizations,
    parse_snr_db,
)
from simulator.parts import recipe_parts
from simulator.records import (
    ROOT,
    check_writable,
    environment,
    forget,
    forget_figures,
    forget_prepared,
    forget_results,
    load_tensors,
    read_results,
    write_json,
    write_table,
)
from simulator.schemes import TrainedParts, scheme_names
from simulator.size_table import size_table
from simulator.sweep import (
    Grid,
    Results,
    facts_of,
    noiseless_accuracy,
    plan,
    run_sweep,
)
from simulator.sweep_job import FOLDER as PREPARED
from simulator.sweep_job import Job, check_same, open_pool
from simulator.teachers import teacher_views, train_teachers
from simulator.training_run import TrainingRun

COLUMNS = [
    *("scheme", "channel", "snr_db", "channel_uses", "bandwidth_ratio", "images", "realizations"),
    *("correct", "transmissions", "accuracy", "ci_low", "ci_high"),
    *("mc_low", "mc_high", "delivered"),
    *("train_seed", "settings"),
]
STAGES = ("teacher", "cache", "stage1", "head", "stage2", "all")


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
    precision: str,
    bit_true: bool,
    workers: int | None,
    cluster: str | None,
    fresh: bool,
    data: Path | None,
    weights: Path | None,
    device: str,
    out: Path | None,
) -> None:
    """`semlink sweep`: evaluate what is not in the journal, then write tables and figures."""
    experiment = _decoding_all(_recipe(recipe)) if bit_true else _recipe(recipe)
    grid = _grid(experiment.sweep, channels, snr_db, channel_uses, realizations, seed)
    grid = _with_stop_rule(grid, mc, max_realizations)
    if workers is not None:
        in_range("--workers", workers, 1, MOST_WORKERS)
    names = scheme_names(experiment)
    asked = names if schemes in (None, "all") else parse_names(str(schemes))
    target = _device(device)
    dataset = _dataset(experiment, data)
    test = _first(dataset.test, images)
    parts = TrainedParts(experiment, dataset, _weights(experiment, weights), target)
    identified = {name: parts.identified(name) for name in asked}
    built = [scheme for scheme, _ in identified.values()]
    points, left_out = plan(built, grid)
    noiseless = noiseless_accuracy(parts.noiseless(), test, target)
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
        setting=Setting(seed, target, precision),
        images=len(test.labels),
        identities={name: identified[name][1] for name in used},
    )
    facts = facts_of(built, points, test, num_classes=dataset.num_classes)
    with Journal(folder) as journal:
        if not fresh:
            check_same(journal.abouts, job.about, folder)
        for line in [*left_out, *_remarks(parts, dataset), *journal.remarks]:
            click.echo(f"semlink: {line}", err=True)
        job.write_images(test)
        transmissions = sum(len(test.labels) * grid.repeats(point.channel) for point in points)
        pool = open_pool(job, workers=workers, cluster=cluster, transmissions=transmissions)
        if fresh:
            journal.forget()
            forget_results(folder)
        journal.begin(job.about)
        try:
            results = run_sweep(points, grid, facts, pool=pool, store=journal)
        except KeyboardInterrupt:
            raise Stopped(
                f"{len(journal)} finished units are in {journal.path}; run the same command again "
                "to go on"
            ) from None
        finally:
            pool.close()
        forget_prepared(job.folder)
        run = {
            "recipe": describe(experiment),
            "grid": {**describe(grid), "channels": [channel.name for channel in grid.channels]},
            "schemes": list(asked),
            "seed": seed,
            "precision": precision,
            "train_seed": parts.train_seed,
            "data": _about(dataset, test),
            "noiseless_accuracy": noiseless,
            "weights": {
                name: {"sha256": parts.hashes[name], "origin": origin}
                for name, origin in parts.origins.items()
            },
            "journal": journal.about_key,
            "left_out": left_out,
            "wall_seconds": round(time.perf_counter() - start, 1),
            "environment": environment(target),
        }
        _write(folder, results, run)


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


def train(
    recipe: str,
    *,
    stage: str,
    variants: str | None,
    data: Path | None,
    seed: int,
    fresh: bool,
    minutes: float | None,
    teacher: str | None,
    device: str,
    out: Path | None,
) -> None:
    """`semlink train`: the stages in order; finished ones are taken from `out`."""
    experiment = _recipe(recipe)
    if teacher is not None:
        model = PretrainedTeacherConfig(source=teacher)
        alone = replace(experiment.teacher, model=model)
        experiment = replace(experiment, teacher=alone, more_teachers=())
    chosen = _variants(experiment, variants)
    run = TrainingRun(
        experiment=experiment,
        dataset=_dataset(experiment, data),
        folder=out or Path("results/runs") / recipe,
        seed=in_range("--seed", seed, 0, MOST_SEED),
        device=_device(device),
        deadline=_deadline(minutes),
    )
    _ = run.training, run.validation  # the data must hold both
    check_writable(run.folder)
    if fresh:
        forget(run.folder, recipe_parts(experiment))
    start = time.perf_counter()
    try:
        _train(run, stage, chosen)
    except TimeUp:
        click.echo(f"stopped after {minutes:g} min; run the same command again to go on")
        return
    except KeyboardInterrupt:
        raise Stopped("run the same command again to go on from the last checkpoint") from None
    click.echo(f"validation accuracy (a guess: {100 / run.num_classes:.3g} %)")
    for part in recipe_parts(experiment):
        if not run.path(part).exists():
            continue
        accuracy = load_tensors(run.path(part))[1]["history"][-1]["validation"]
        click.echo(f"  {part:15} {100 * accuracy:6.2f} %")
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"weights: {run.folder / 'weights'}  ({minutes:.1f} min)")


def _train(run: TrainingRun, stage: str, variants: Sequence[Variant]) -> None:
    """Every stage up to the one asked for, then the variants; `all` ends with deep JSCC."""
    last = STAGES.index(stage)
    teachers = train_teachers(run)
    if last < STAGES.index("cache"):
        return
    views = teacher_views(run, teachers)
    if last < STAGES.index("stage1"):
        return
    student = train_student(run, views)
    if last < STAGES.index("head"):
        return
    features = student_features(run, student)
    head = train_head(run, student, features)
    if last < STAGES.index("stage2"):
        return
    train_codec(run, student, head, features, views)
    for variant in variants:
        train_variant(run, variant, views)
    if stage == "all":
        for uses in run.experiment.deep_jscc.uses:
            train_deep_jscc(run, uses)


def _deadline(minutes: float | None) -> float:
    if minutes is None:
        return math.inf
    if not minutes > 0:
        raise UserError(f"--minutes must be above 0, got {minutes:g}")
    return time.monotonic() + 60 * minutes


def _variants(experiment: Experiment, names: str | None) -> Sequence[Variant]:
    """The variants that an option names."""
    if names is None:
        return ()
    if names == "all":
        return experiment.variants
    return [experiment.variant(name) for name in parse_names(names)]


def plot(folder: Path, *, out: Path | None) -> None:
    """`semlink plot`: figures from saved rows."""
    rows, run = read_results(folder)
    target = (out or folder) / "figures"
    check_writable(target)
    for figure in _draw(rows, run, target):
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
) -> None:
    """`semlink adapt`: the budget rule and what it costs, into adaptive.csv."""
    experiment = _recipe(recipe)
    if not 0 < retention <= 1:
        raise UserError(f"--retention must be above 0 and at most 1, got {retention:g}")
    grid = _grid(experiment.sweep, channels, snr_db, channel_uses, realizations, seed)
    target = _device(device)
    dataset = _dataset(experiment, data)
    if dataset.validation is None:
        raise UserError("the budget rule is made on validation images, but the data holds none")
    parts = TrainedParts(experiment, dataset, _weights(experiment, weights), target)
    chosen = parts.scheme(scheme)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)
    rows = adaptive_table(
        chosen,
        grid,
        validation=dataset.validation,
        test=_first(dataset.test, images),
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
) -> None:
    """`semlink table`: size, cost and clean accuracy of teacher and students."""
    experiment = _recipe(recipe)
    dataset = _dataset(experiment, data)
    folder = out or Path("results/runs") / recipe
    check_writable(folder)
    cpu = torch.device("cpu")
    parts = TrainedParts(experiment, dataset, _weights(experiment, weights), cpu)
    if parts.teacher() is None:
        click.echo(f"semlink: no teacher in {parts.folder}: no retention", err=True)
    rows = size_table(
        parts,
        _first(dataset.test, images),
        realizations=in_range("--realizations", realizations, 1, MOST_REALIZATIONS),
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )
    write_table(folder / "sizes.csv", rows)
    click.echo(rows.set_index("name").T.to_string())
    click.echo(f"table:   {folder / 'sizes.csv'}")


def doctor(*, data: Path | None, device: str) -> bool:
    """`semlink doctor`: print what is installed and measured; True if all is well."""
    target = _device(device)
    click.echo(versions(target))
    click.echo(found_data(data))
    table = check_channels(target)
    click.echo(table.to_string(index=False))
    bad = int((table["verdict"] != "ok").sum())
    click.echo("all channels agree with theory" if not bad else f"{bad} measurements are off")
    return not bad


def _grid(
    default: SweepConfig,
    channels: str | None,
    snr_db: str | None,
    channel_uses: str | None,
    realizations: str | None,
    seed: int,
) -> Grid:
    """The recipe's grid, with what the options say in place of its own."""
    names = default.channels if channels is None else parse_names(channels)
    repeats, single = parse_realizations(realizations) if realizations else (None, {})
    return Grid(
        channels=parse_channels(names),
        snr_db=default.snr_db if snr_db is None else parse_snr_db(snr_db),
        channel_uses=(
            default.channel_uses if channel_uses is None else parse_channel_uses(channel_uses)
        ),
        realizations=repeats or default.realizations,
        realizations_of=single,
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )


def _weights(experiment: Experiment, asked: Path | None) -> Path:
    """The folder of weights: the first that holds student, head and codec."""
    needed = ("student", "head", "codec")
    data = "" if experiment.embedded_data else " --data DIR"
    hint = f"semlink train {experiment.name}{data}"
    return find_weights(experiment.name, asked, ROOT, parts=needed, hint=hint)


def _remarks(parts: TrainedParts, dataset: Dataset) -> list[str]:
    """What a user should know of the weights before believing the numbers."""
    remarks = [f"weights from {parts.folder}"]
    if parts.trained_on != {dataset.key}:
        remarks.append("these weights were trained on other images than those of --data")
    return remarks


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


def _write(folder: Path, results: Results, run: dict[str, Any]) -> None:
    """Tables, description and figures into the run's folder; the table also to the screen."""
    table = results.table.assign(train_seed=run["train_seed"])[COLUMNS]
    write_table(folder / "results.csv", table)
    write_table(folder / "results.parquet", table)
    write_table(folder / "timing.csv", results.timing)
    write_json(folder / "run.json", run)
    figures = _draw(table, run, folder / "figures")
    _show(table)
    noiseless = run["noiseless_accuracy"]
    click.echo(
        f"noiseless: {100 * noiseless['accuracy']:.1f} % (student and head, no channel; "
        f"95 % interval {100 * noiseless['ci_low']:.1f} to {100 * noiseless['ci_high']:.1f} %)"
    )
    click.echo(f"table:   {folder / 'results.csv'}")
    for figure in figures:
        click.echo(f"figure:  {figure}")


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
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise UserError(f"--device must be cpu or cuda, got {name!r}")
    return torch.device("cuda", device.index or 0)


def _first(split: Split, images: int | None) -> Split:
    if images is None:
        return split
    in_range("--images", images, 1, len(split.labels))
    return Split(images=split.images[:images], labels=split.labels[:images])


def _draw(rows: pd.DataFrame, run: dict[str, Any], folder: Path) -> list[Path]:
    forget_figures(folder)
    channels, height, width = run["data"]["image_shape"]
    figures: list[Path] = _benchmarks("figures").plot_all(
        rows,
        folder,
        title=run["data"]["title"],
        source_values=channels * height * width,
        num_classes=run["data"]["classes"],
        published=run.get("recipe", {}).get("name") == "cifar100",
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
