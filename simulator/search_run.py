"""A search on a recipe's data: its halves, its seeds, short retraining, the choice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from channels.streams import Streams
from models import Genotype, GenotypeCnnConfig, ImageClassifier, StudentConfig
from models.blocks import parameter_count
from models.search_space import Architecture, CostTable, Supernet
from simulator.config import Variant, describe
from simulator.data import to_float
from simulator.distill import train_student
from simulator.errors import UserError
from simulator.parts import recipe_parts, variant_parts
from simulator.records import load_tensors, write_json, write_table
from simulator.search import search
from simulator.search_config import SearchConfig, SearchPreset
from simulator.search_cost import cost_table
from simulator.search_steps import Batch
from simulator.search_task import Half, History, SearchTask, Take
from simulator.sizes import cpu_ms, macs
from simulator.teachers import Views, told_views
from simulator.train import Checkpoint, fresh
from simulator.training_run import TrainingRun, cached, classifier_accuracy

HELD_BACK, HELD_BATCH = 1000, 250  # training images of neither half, for the loss of an epoch


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A search: what, on which data, taught by whom. `run.folder` is where it writes."""

    run: TrainingRun
    preset: SearchPreset
    views: Views  # what the teachers say


class Found(NamedTuple):
    """What a search from one seed came to."""

    seed: int
    student: GenotypeCnnConfig
    history: History


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


def retrain(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> ImageClassifier:
    """A student trained as the recipe's, for so many epochs; kept as the part student_NAME.

    Whatever is compared is retrained like this, hand-made networks too.
    """
    run, part = _retraining(whole, name, model, epochs)
    return train_student(run, whole.views, part=part, stage=run.experiment.variants[0].student)


def retraining_key(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> str:
    """Equal for retrainings of the same description, data, teachers and seed."""
    run, part = _retraining(whole, name, model, epochs)
    return run.origin(part, *recipe_parts(run.experiment)[part]).key


def _retraining(
    whole: SearchRun, name: str, model: StudentConfig, epochs: int
) -> tuple[TrainingRun, str]:
    """A training with this student as its one variant, and the name of the student's part."""
    run = whole.run
    recipe = run.experiment.student
    stage = replace(recipe, model=model, training=replace(recipe.training, epochs=epochs))
    variant = Variant(name=name, student=stage, codec=run.experiment.codec)
    own = replace(run, experiment=replace(run.experiment, variants=(variant,), joint=()))
    return own, variant_parts(variant).student


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


def network_costs(student: StudentConfig, image_shape: tuple[int, int, int]) -> dict[str, float]:
    """Parameters, MACs and CPU milliseconds per image in a batch of 64 of an encoder."""
    network = fresh(lambda: student.build(image_channels=image_shape[0]), seed=0).eval()
    batch = torch.zeros(64, *image_shape)
    return {
        "parameters": parameter_count(network),
        "macs": macs(lambda: network(batch[:1])),
        "cpu_ms": round(cpu_ms(network, batch), 4),
    }


def read_student(path: Path) -> GenotypeCnnConfig:
    """The student of a genotype file. Raises: UserError naming the file."""
    try:
        return GenotypeCnnConfig.from_json(json.loads(path.read_text(encoding="utf-8"))["student"])
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} must be a genotype of semlink search, but: {reason}") from None
