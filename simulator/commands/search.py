"""`semlink search`: an architecture for a recipe's student, by KDL-DARTS."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pandas as pd

from simulator.description.experiment import Experiment
from simulator.description.stages import LossWeights
from simulator.device import native
from simulator.errors import Stopped, TimeUp, UserError
from simulator.parse import MOST_SEED, in_range, parse_count
from simulator.resolve import (
    cell_figures,
    dataset_of,
    deadline_in,
    device_named,
    recipe_named,
    search_preset,
)
from simulator.search.config import SearchPreset
from simulator.search.run import (
    choose,
    search_seed,
    taught_seed,
    taught_views,
    write_found,
)
from simulator.search.task import Found, SearchRun
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable
from simulator.training.run import TrainingRun
from simulator.training.teachers import teacher_views, train_teachers

MOST_SEEDS = 100


MOST_VIEWS = 1000


MOST_PENALTY = 1000.0


GUIDED = {"kd", "ce"}  # with the teacher, or by labels alone


def search(
    recipe: str,
    *,
    preset: str,
    penalty: float,
    target_params: str | None,
    teaching: str,
    seeds: int,
    seed: int,
    images_size: int | None,
    epochs: int | None,
    data: Path | None,
    training: Path | None,
    minutes: float | None,
    fresh: bool,
    device: str,
    out: Path | None,
) -> None:
    """Search from every seed, retrain shortly if there are several, write the best."""
    experiment = recipe_named(recipe)
    chosen = adjusted(
        search_preset(experiment, preset),
        penalty=penalty,
        target=target_params,
        teaching=teaching,
        image_size=images_size,
        epochs=epochs,
    )
    in_range("--seeds", seeds, 1, MOST_SEEDS)
    in_range("--seed", seed, 0, MOST_SEED - seeds)
    taught_in = training or Path("results/runs") / recipe
    folder = out or taught_in / "search" / f"{preset}_{teaching}_lambda{penalty:g}"
    deadline = deadline_in(minutes)
    start = time.perf_counter()
    try:
        whole = search_run(
            experiment,
            chosen,
            data=data,
            taught_in=taught_in,
            folder=folder,
            device=device,
            deadline=deadline,
        )
        if fresh:
            forget_search(folder)
        found = [search_seed(whole, seed + more) for more in range(seeds)]
        best, accuracies = choose(whole, found)
    except TimeUp:
        click.echo(f"stopped after {minutes:g} min; run the same command again to go on")
        return
    except KeyboardInterrupt:
        raise Stopped("run the same command again to go on from the last checkpoint") from None
    write_results(whole, found, best, accuracies)
    click.echo(f"{(time.perf_counter() - start) / 60:.1f} min")


def search_run(
    experiment: Experiment,
    preset: SearchPreset,
    *,
    data: Path | None,
    taught_in: Path,
    folder: Path,
    device: str = "cpu",
    deadline: float = math.inf,
    views: int | None = None,
) -> SearchRun:
    """A search ready to begin, taught by the training in `taught_in`.

    With another number of views than the recipe's, its teachers are asked here, and what they say
    is kept in `folder`.
    Raises: UserError if the data, the teachers or what they say is not there.
    """
    own_views = views not in (None, experiment.views)
    if views is not None:
        experiment = _with_views(experiment, views)
    run = TrainingRun(
        experiment=experiment,
        dataset=dataset_of(experiment, data),
        folder=folder,
        seed=taught_seed(taught_in),
        device=device_named(device),
        deadline=deadline,
        taught_in=taught_in,
    )
    _ = run.training, run.validation  # the data must hold both
    check_writable(folder)
    there = replace(run, folder=taught_in, taught_in=None)
    if experiment.embedded_data:  # a matter of seconds
        teachers = train_teachers(there)
        if not own_views:
            teacher_views(there, teachers)
    if not own_views:
        return SearchRun(run=run, preset=preset, views=taught_views(run))
    if missing := [name for name in experiment.teachers if not run.path(name).exists()]:
        raise UserError(
            f"{taught_in} must hold the weights of {', '.join(missing)}; run semlink train "
            f"{experiment.name} --stage teacher --out {taught_in}, or name --training DIR"
        )
    asked = replace(run, folder=folder / "teaching")
    return SearchRun(run=run, preset=preset, views=teacher_views(asked, train_teachers(asked)))


def _with_views(experiment: Experiment, views: int) -> Experiment:
    in_range("--views", views, 1, MOST_VIEWS)
    try:
        return replace(experiment, views=views)
    except ValueError as error:
        raise UserError(f"--views: {error}") from None


def adjusted(
    preset: SearchPreset,
    *,
    penalty: float,
    target: str | None = None,
    teaching: str = "kd",
    image_size: int | None = None,
    epochs: int | None = None,
) -> SearchPreset:
    """A preset with what the options say in place of its own."""
    if not 0 <= penalty <= MOST_PENALTY:
        raise UserError(f"--lambda must be from 0 to {MOST_PENALTY:g}, got {penalty:g}")
    config = replace(preset.search, penalty=penalty)
    if target is not None:
        config = replace(config, target=float(parse_count("--target-params", target)))
    if teaching not in GUIDED:
        raise UserError(f"--teaching must be kd or ce, got {teaching!r}")
    if teaching == "ce":
        config = replace(config, loss=LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0))
    if image_size is not None:
        config = replace(config, image_size=in_range("--images-size", image_size, 4, 1024))
    if epochs is not None:
        config = replace(config, epochs=in_range("--epochs", epochs, 1, 10_000))
    return preset._replace(search=config)


def write_results(
    whole: SearchRun, found: list[Found], best: Found, accuracies: dict[int, float]
) -> None:
    """Genotypes, figures and the description of what was run; tells what was found."""
    folder = whole.run.folder
    told = write_found(whole, best, folder / "genotype.json", validation=accuracies.get(best.seed))
    write_table(folder / "search.csv", pd.DataFrame(best.history))
    write_json(folder / "search.json", _description(whole, found))
    figures = cell_figures(best, folder / "figures", told)
    for one in found:  # last: whoever finds them need not look for the rest
        path = folder / "genotypes" / f"seed_{one.seed}.json"
        write_found(whole, one, path, validation=accuracies.get(one.seed))
    click.echo(_summary(told))
    for path in (folder / "genotype.json", *figures):
        click.echo(path)


def _description(whole: SearchRun, found: list[Found]) -> dict[str, Any]:
    run = whole.run
    return {
        "recipe": run.experiment.name,
        "preset": whole.preset.name,
        "search": describe(whole.preset.search),
        "precision": native(run.device, whole.preset.search.precision),
        "retraining_epochs": whole.preset.retraining_epochs,
        "seeds": [one.seed for one in found],
        "data": {"name": run.dataset.name, "key": run.dataset.key},
        "training_seed": run.seed,
        "environment": environment(run.device),
    }


def _summary(told: dict[str, Any]) -> str:
    genotype = told["student"]["genotype"]
    lines = [
        f"seed {told['seed']}: {told['parameters']:,} parameters, {told['macs']:,} MACs, "
        f"{told['cpu_ms']:g} ms per image"
    ]
    for kind in ("normal", "reduce"):
        nodes = [
            " + ".join(f"{name}({source})" for source, name in node) for node in genotype[kind]
        ]
        lines.append(f"  {kind}: " + "; ".join(nodes))
    if told["validation_accuracy"] is not None:
        lines.append(f"  validation accuracy {100 * told['validation_accuracy']:.2f} %")
    return "\n".join(lines)


def forget_search(folder: Path) -> None:
    """Remove what earlier searches left here: checkpoints, retrained students, cost tables."""
    for pattern in ("checkpoints/search_*", "checkpoints/student_seed*", "weights/student_seed*"):
        for path in folder.glob(pattern):
            path.unlink()
    for path in folder.glob("cache/costs_*"):
        path.unlink()
