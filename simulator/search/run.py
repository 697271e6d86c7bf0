"""A search on a recipe's data: its halves, its seeds, short retraining, the choice."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from channels.streams import Streams
from models import Genotype, GenotypeCnnConfig, ImageClassifier, StudentConfig
from models.nas.search_space import Architecture, CostTable, Supernet
from simulator.data.dataset import Dataset, to_float
from simulator.description.basis import Basis, Part
from simulator.description.stages import LossWeights, StudentStage
from simulator.device import native
from simulator.errors import UserError
from simulator.parse import in_range, parse_count
from simulator.search.config import SearchConfig, SearchPreset
from simulator.search.cost import cost_table, network_costs
from simulator.search.loop import Batch, Half, History, SearchTask, Take, search
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import load_tensors, write_json, write_table
from simulator.storage.folders import TRAINING, check_writable, locked, remove
from simulator.training.cache import cached
from simulator.training.loop import Checkpoint, fresh
from simulator.training.run import TrainingRun, classifier_accuracy
from simulator.training.student import train_student
from simulator.training.teachers import Views, teacher_views, told_views, train_teachers

MOST_VIEWS = 1000
MOST_PENALTY = 1000.0
GUIDED = {"kd", "ce"}  # with the teacher, or by labels alone
HELD_BACK, HELD_BATCH = 1000, 250  # training images of neither half, for the loss of an epoch


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A search: its settings, data and teachers. It writes to `run.folder`."""

    run: TrainingRun
    preset: SearchPreset
    views: Views  # what the teachers say


class Found(NamedTuple):
    """The result of a search from one seed."""

    seed: int
    student: GenotypeCnnConfig
    history: History


def taught_views(run: TrainingRun) -> Views:
    """The cached outputs for the shared views of the teachers in `run.taught_in`.

    Raises: UserError naming the command that computes them if they are missing.
    """
    views = told_views(replace(_teaching(run), taught_in=run.taught_in))
    if views is None:
        raise UserError(
            f"{run.taught_in} must hold the outputs of this recipe's teachers for these images; "
            f"run semlink train {run.recipe.name} --stage cache --out {run.taught_in}, or name "
            "--training DIR"
        )
    return views


def taught_seed(folder: Path) -> int:
    """The seed of the training in this folder: its views are those that were taught. 0 if none."""
    path = folder / "weights" / "teacher.safetensors"
    return int(load_tensors(path)[1]["origin"]["seed"]) if path.exists() else 0


def search_seed(whole: SearchRun, seed: int) -> Found:
    """One search with its initial weights and draws; resumed from its checkpoint."""
    task, history = searched_task(whole, seed)
    config, plans = whole.preset.search, task.plans()
    genotype = Genotype(space=config.space, normal=plans.normal, reduce=plans.reduce)
    return Found(seed, GenotypeCnnConfig(genotype=genotype, shape=config.deployed), history)


def searched_task(whole: SearchRun, seed: int) -> tuple[SearchTask, History]:
    """The supernet and the architecture as they are after the search, and its history."""
    run = whole.run
    task, path = search_task(whole, seed), run.folder / "history" / f"search_{seed}.csv"
    checkpoint = Checkpoint(
        path=search_checkpoint(whole, seed), key=search_key(whole, seed), deadline=run.deadline
    )
    history = search(
        task,
        streams=Streams(seed=seed),
        checkpoint=checkpoint,
        log=lambda entries: write_table(path, pd.DataFrame(entries)),
    )
    return task, history


def search_checkpoint(whole: SearchRun, seed: int) -> Path:
    """Where a search keeps its state; it stays there afterwards."""
    return whole.run.folder / "checkpoints" / f"search_{seed}.safetensors"


def search_key(whole: SearchRun, seed: int) -> str:
    """Equal for searches of the same description, data, teachers and seed."""
    recipe = whole.run.recipe
    description = (*recipe.seen, whole.preset.search, seed)
    return whole.run.origin(Part(f"search_{seed}", description, tuple(recipe.teachers))).key


def search_task(whole: SearchRun, seed: int) -> SearchTask:
    """The supernet with fresh weights, and the halves of the data."""
    run, config = whole.run, whole.preset.search
    streams, space = Streams(seed=seed), config.search_space
    supernet = fresh(
        lambda: Supernet(space, config.shape, **run.dataset.sizes),
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
        batches=lambda half, epoch: _take(whole, epoch % run.recipe.views, first[half]),
        validation=list(
            map(_take(whole, 0, training - held), torch.arange(held).split(HELD_BATCH))
        ),
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


def costs_of(run: TrainingRun, config: SearchConfig) -> CostTable:
    """The cost table, kept beside the search: times differ from one measurement to the next."""

    def compute() -> dict[str, Tensor]:
        table = cost_table(config, image_shape=run.dataset.image_shape)
        fixed = torch.tensor(table.fixed, dtype=torch.float64)
        return {"fixed": fixed, "normal": table.normal, "reduce": table.reduce}

    about = (config.space, config.deployed, config.cost)
    kept = cached(run, Part(f"costs_{config.cost}", about), compute)
    return CostTable(float(kept["fixed"]), kept["normal"], kept["reduce"])


def retrain(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> ImageClassifier:
    """A student trained as the recipe's, for so many epochs; kept as the part student_NAME.

    All compared networks are retrained like this, hand-made ones too.
    """
    part, stage = _retraining(whole, name, model, epochs)
    return train_student(whole.run, part, stage, whole.views)


def retraining_key(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> str:
    """Equal for retrainings of the same description, data, teachers and seed."""
    part, _ = _retraining(whole, name, model, epochs)
    return whole.run.origin(part).key


def _retraining(
    whole: SearchRun, name: str, model: StudentConfig, epochs: int
) -> tuple[Part, StudentStage]:
    recipe = whole.run.recipe
    training = replace(recipe.student.training, epochs=epochs)
    stage = replace(recipe.student, model=model, training=training)
    return recipe.student_parts(name, stage).student, stage


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


def read_student(path: Path) -> GenotypeCnnConfig:
    """The student of a genotype file. Raises: UserError naming the file."""
    try:
        return GenotypeCnnConfig.from_json(json.loads(path.read_text(encoding="utf-8"))["student"])
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise UserError(
            f"{path} must be a genotype of semlink search, but is a folder; name the genotype.json "
            "in it"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} must be a genotype of semlink search, but: {reason}") from None


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


def search_run(
    recipe: Basis,
    preset: SearchPreset,
    *,
    dataset: Dataset,
    taught_in: Path,
    folder: Path,
    device: torch.device,
    deadline: float = math.inf,
    views: int | None = None,
    teach_there: bool = True,
) -> SearchRun:
    """A search ready to begin, taught by the training in `taught_in`.

    Teachers of an embedded data set that are missing are trained, there or (not `teach_there`) in
    `folder`. With another number of views than the recipe's, the teachers' outputs are computed
    here and kept in `folder`.
    Raises: UserError if the data, the teachers or their outputs are missing.
    """
    own_views = views not in (None, recipe.views)
    recipe = recipe if views is None else _with_views(recipe, views)
    run = TrainingRun(
        recipe=recipe,
        dataset=dataset,
        folder=folder,
        seed=taught_seed(taught_in),
        device=device,
        deadline=deadline,
        taught_in=taught_in,
    )
    _ = run.training, run.validation  # the data must hold both
    check_writable(folder)
    missing = [name for name in recipe.teachers if not run.path(name).exists()]
    if recipe.embedded_data and missing and not teach_there:
        run, teach_there = replace(run, taught_in=folder / "teaching"), True
    if recipe.embedded_data and teach_there:  # a matter of seconds
        _teach(run, views=not own_views)
        missing = []
    if not own_views and (told_views(_teaching(run)) or not recipe.embedded_data):
        return SearchRun(run=run, preset=preset, views=taught_views(run))
    if missing:
        raise UserError(
            f"{taught_in} must hold the weights of {', '.join(missing)}; run semlink train "
            f"{recipe.name} --stage teacher --out {taught_in}, or name --training DIR"
        )
    asked = replace(run, folder=folder / "teaching")
    return SearchRun(run=run, preset=preset, views=teacher_views(asked, train_teachers(asked)))


def _teaching(run: TrainingRun) -> TrainingRun:
    """The training whose teachers teach a search."""
    assert run.taught_in is not None
    return replace(run, folder=run.taught_in, taught_in=None)


def _teach(run: TrainingRun, *, views: bool) -> None:
    """Train the teachers in the folder of their training, and ask them about its views."""
    teaching = _teaching(run)
    with locked(teaching.folder, TRAINING):
        teachers = train_teachers(teaching)
        if views:
            teacher_views(teaching, teachers)


def _with_views(recipe: Basis, views: int) -> Basis:
    in_range("--views", views, 1, MOST_VIEWS)
    try:
        return replace(recipe, views=views)
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
    """A preset with the given options in place of its values."""
    if not 0 <= penalty <= MOST_PENALTY:
        raise UserError(f"--lambda must be from 0 to {MOST_PENALTY:g}, got {penalty:g}")
    config = replace(preset.search, penalty=penalty)
    if target is not None:
        config = replace(config, target=float(parse_count(target, option="--target-params")))
    if teaching not in GUIDED:
        raise UserError(f"--teaching must be kd or ce, got {teaching!r}")
    if teaching == "ce":
        config = replace(config, loss=LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0))
    if image_size is not None:
        config = replace(config, image_size=in_range("--images-size", image_size, 4, 1024))
    if epochs is not None:
        config = replace(config, epochs=in_range("--epochs", epochs, 1, 10_000))
    return preset._replace(search=config)


def write_search(
    whole: SearchRun,
    found: list[Found],
    best: Found,
    accuracies: dict[int, float],
    *,
    draw: Callable[[Found, Path, dict[str, Any]], list[Path]],
) -> tuple[dict[str, Any], list[Path]]:
    """Genotypes, figures and the description of what was run.

    `draw(found, folder, told)` draws the figures. Returns the content of genotype.json for the
    best search, and the files written.
    """
    folder = whole.run.folder
    told = write_found(whole, best, folder / "genotype.json", validation=accuracies.get(best.seed))
    write_table(folder / "search.csv", pd.DataFrame(best.history))
    write_json(folder / "search.json", _description(whole, found))
    figures = draw(best, folder / "figures", told)
    for one in found:  # last: whoever finds them need not look for the rest
        path = folder / "genotypes" / f"seed_{one.seed}.json"
        write_found(whole, one, path, validation=accuracies.get(one.seed))
    return told, [folder / "genotype.json", *figures]


def _description(whole: SearchRun, found: list[Found]) -> dict[str, Any]:
    run = whole.run
    return {
        "recipe": run.recipe.name,
        "preset": whole.preset.name,
        "search": describe(whole.preset.search),
        "precision": native(run.device, whole.preset.search.precision),
        "retraining_epochs": whole.preset.retraining_epochs,
        "seeds": [one.seed for one in found],
        "data": {"name": run.dataset.name, "key": run.dataset.key},
        "training_seed": run.seed,
        "environment": environment(run.device),
    }


def summary(told: dict[str, Any]) -> str:
    """A genotype in words: its size, both cells, its validation accuracy."""
    genotype = told["student"]["genotype"]
    size = f"{told['parameters']:,} parameters, {told['macs']:,} MACs"
    lines = [f"seed {told['seed']}: {size}, {told['cpu_ms']:g} ms per image"]
    for kind in ("normal", "reduce"):
        nodes = (" + ".join(f"{name}({source})" for source, name in own) for own in genotype[kind])
        lines.append(f"  {kind}: " + "; ".join(nodes))
    if told["validation_accuracy"] is not None:
        lines.append(f"  validation accuracy {100 * told['validation_accuracy']:.2f} %")
    return "\n".join(lines)


def forget_search(folder: Path) -> None:
    """Remove what earlier searches left here: checkpoints, retrained students, cost tables."""
    remove(folder, "checkpoints/search_*", "checkpoints/student_seed*")
    remove(folder, "weights/student_seed*", "cache/costs_*")
