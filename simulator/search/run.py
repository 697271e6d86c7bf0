"""A search on a recipe's data: its halves, its seeds, short retraining, the choice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from channels.streams import Streams
from models import Genotype, GenotypeCnnConfig
from models.search_space import Architecture, CostTable, Supernet
from simulator.data.dataset import to_float
from simulator.errors import UserError
from simulator.search.config import SearchConfig
from simulator.search.cost import cost_table
from simulator.search.loop import search
from simulator.search.steps import Batch
from simulator.search.student import network_costs, retrain
from simulator.search.task import Found, Half, History, SearchRun, SearchTask, Take
from simulator.storage.describe import describe
from simulator.storage.files import load_tensors, write_json, write_table
from simulator.training.cache import cached
from simulator.training.loop import Checkpoint, fresh
from simulator.training.run import TrainingRun, classifier_accuracy
from simulator.training.teachers import Views, told_views

HELD_BACK, HELD_BATCH = 1000, 250  # training images of neither half, for the loss of an epoch


def taught_views(run: TrainingRun) -> Views:
    """What the teachers of the training in `run.taught_in` said of the shared views.

    Raises: UserError naming the command that makes them if they are not there.
    """
    assert run.taught_in is not None
    views = told_views(replace(run, folder=run.taught_in))
    if views is None:
        raise UserError(
            f"{run.taught_in} must hold what this recipe's teachers say of these images; run "
            f"semlink train {run.experiment.name} --stage cache --out {run.taught_in}, or name "
            "--training DIR"
        )
    return views


def taught_seed(folder: Path) -> int:
    """The seed of the training in this folder: its views are those that were taught. 0 if none."""
    path = folder / "weights" / "teacher.safetensors"
    return int(load_tensors(path)[1]["origin"]["seed"]) if path.exists() else 0


def search_seed(whole: SearchRun, seed: int) -> Found:
    """One search from its own first weights and draws; taken up where it was left."""
    task, history = searched_task(whole, seed)
    config, plans = whole.preset.search, task.plans()
    genotype = Genotype(space=config.space, normal=plans.normal, reduce=plans.reduce)
    return Found(seed, GenotypeCnnConfig(genotype=genotype, shape=config.deployed), history)


def searched_task(whole: SearchRun, seed: int) -> tuple[SearchTask, History]:
    """The supernet and the architecture as they are after the search, and its history."""
    run, name = whole.run, f"search_{seed}"
    task = search_task(whole, seed)
    history = search(
        task,
        streams=Streams(seed=seed),
        checkpoint=Checkpoint(
            path=search_checkpoint(whole, seed),
            key=search_key(whole, seed),
            deadline=run.deadline,
        ),
        log=lambda entries: write_table(
            run.folder / "history" / f"{name}.csv", pd.DataFrame(entries)
        ),
    )
    return task, history


def search_checkpoint(whole: SearchRun, seed: int) -> Path:
    """Where a search keeps its state; it stays there afterwards."""
    return whole.run.folder / "checkpoints" / f"search_{seed}.safetensors"


def search_key(whole: SearchRun, seed: int) -> str:
    """Equal for searches of the same description, data, teachers and seed."""
    experiment = whole.run.experiment
    description = (*experiment.seen, whole.preset.search, seed)
    return whole.run.origin(f"search_{seed}", description, tuple(experiment.teachers)).key


def search_task(whole: SearchRun, seed: int) -> SearchTask:
    """The supernet with fresh weights, and the halves of the data."""
    run, config = whole.run, whole.preset.search
    streams, space = Streams(seed=seed), config.search_space
    supernet = fresh(
        lambda: Supernet(
            space, config.shape, image_channels=run.image_channels, num_classes=run.num_classes
        ),
        seed=streams.seed_of("init", "supernet"),
    )
    architecture = fresh(lambda: Architecture(space), seed=streams.seed_of("init", "architecture"))
    training = len(run.training.labels)
    held = max(1, min(HELD_BACK, training // 10))
    number = min(config.images, (training - held) // 2)
    if number < 1:
        raise UserError(f"a search needs at least 3 training images, got {training}")
    first: dict[Half, int] = {"weights": 0, "architecture": number}
    return SearchTask(
        name=f"search_{seed}",
        space=space,
        model=supernet.to(run.device),
        architecture=architecture.to(run.device),
        costs=costs_of(run, config),
        config=config,
        num_images=number,
        batches=lambda half, epoch: _take(whole, epoch % run.experiment.views, first[half]),
        validation=list(_held_back(whole, training - held, held)),
    )


def _take(whole: SearchRun, view: int, first: int) -> Take:
    """Batches of a view; index 0 is training image `first`."""
    run, size = whole.run, whole.preset.search.image_size
    images, labels = run.view("shared", view), run.labels

    def take(indices: Tensor) -> Batch:
        own = (indices + first).to(run.device)
        small = functional.interpolate(to_float(images[own]), size=(size, size), mode="area")
        return Batch(small, labels[own], whole.views.targets(view, own))

    return take


def _held_back(whole: SearchRun, first: int, number: int) -> Sequence[Batch]:
    take = _take(whole, 0, first)
    return [take(indices) for indices in torch.arange(number).split(HELD_BATCH)]


def costs_of(run: TrainingRun, config: SearchConfig) -> CostTable:
    """The cost table, kept beside the search: times differ from one measurement to the next."""

    def compute() -> dict[str, Tensor]:
        table = cost_table(config, image_shape=run.dataset.image_shape)
        return {
            "fixed": torch.tensor(table.fixed, dtype=torch.float64),
            "normal": table.normal,
            "reduce": table.reduce,
        }

    about = (config.space, config.deployed, config.cost)
    kept = cached(run, f"costs_{config.cost}", made_from=(), about=about, compute=compute)
    return CostTable(float(kept["fixed"]), kept["normal"], kept["reduce"])


def choose(whole: SearchRun, found: Sequence[Found]) -> tuple[Found, dict[int, float]]:
    """The best on validation images after a short retraining, and the accuracies by seed.

    One alone is not retrained: there is no choice.
    """
    if len(found) == 1:
        return found[0], {}
    accuracies = {}
    for one in found:
        epochs = whole.preset.retraining_epochs
        model = retrain(whole, f"seed{one.seed}", one.student, epochs=epochs)
        with torch.no_grad():
            accuracies[one.seed] = classifier_accuracy(whole.run, model)
    return max(found, key=lambda one: accuracies[one.seed]), accuracies


def write_found(
    whole: SearchRun, found: Found, path: Path, *, validation: float | None = None
) -> dict[str, Any]:
    """Write a genotype with what it costs and how it was found; returns what was written."""
    config, image_shape = whole.preset.search, whole.run.dataset.image_shape
    value = {
        "key": search_key(whole, found.seed),
        "preset": whole.preset.name,
        "seed": found.seed,
        "lambda": config.penalty,
        "loss": describe(config.loss),
        "epochs": len(found.history),
        **network_costs(found.student, image_shape),
        "validation_accuracy": validation,
        "student": describe(found.student),
    }
    write_json(path, value)
    return value
