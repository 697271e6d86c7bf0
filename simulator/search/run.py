"""A search on a recipe's data: halves of the data, seeds, and the choice of the best result."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from channels.streams import Streams
from models import ImageClassifier, StudentConfig
from models.nas.cell_supernet import Architecture, Supernet
from models.nas.fitting import fitted
from models.nas.staged_space import Budget, fitted_to
from models.nas.staged_supernet import StagedArchitecture, StagedSupernet
from simulator.data.augment import shrunk
from simulator.data.dataset import to_float
from simulator.description.basis import Part
from simulator.errors import UserError
from simulator.search.config import BilevelConfig, SearchConfig, StagedSearchConfig
from simulator.search.cost import cost_table, network_costs
from simulator.search.halving import Finish, proposed
from simulator.search.loop import Batch, Half, History, SearchTask, Take, search
from simulator.search.prepare import SearchRun
from simulator.search.relaxed import Relaxed, RelaxedCells, RelaxedStages
from simulator.storage.files import write_table
from simulator.training.loop import Checkpoint, fresh
from simulator.training.run import TrainingRun, classifier_accuracy
from simulator.training.student import train_student

HELD_BACK, HELD_BATCH = 1000, 250  # training images in neither half, for the loss after an epoch


class Found(NamedTuple):
    """The result of a search from one seed."""

    seed: int
    student: StudentConfig
    history: History


def search_seed(whole: SearchRun, seed: int) -> Found:
    """Run the search with this seed, or resume it from its checkpoint.

    In the space of stages, its proposals are then ranked by successive halving.
    """
    task, history = searched_task(whole, seed)
    relaxed, generator = task.relaxed, Streams(seed=seed)("proposals")
    if not isinstance(relaxed, RelaxedStages):
        return Found(seed, relaxed.student(), history)
    config = relaxed.config
    models = proposed(
        config.proposals,
        relaxed.budget,
        lambda: relaxed.architecture.drawn(generator=generator),
        first=relaxed.student(),
    )
    if not models:
        raise _too_small(config)
    name = f"search_{seed}_proposal"
    ranked = finish_of(whole, seed).ranked(name, models, config.rungs)
    columns = ["proposal", "epochs", "summed_loss"]
    table = pd.DataFrame(ranked.rows, columns=columns)
    write_table(whole.run.folder / "history" / f"proposals_{seed}.csv", table)
    return Found(seed, models[ranked.winner], history)


def finish_of(whole: SearchRun, seed: int) -> Finish:
    """How the proposals of a search are trained: like the recipe's student, on smaller images."""
    config, student = whole.preset.search, whole.run.recipe.student
    training = replace(student.training, epochs=whole.preset.retraining_epochs)
    return Finish(
        run=whole.run,
        views=whole.views,
        training=training,
        side=config.image_size,
        seed=seed,
        key=search_key(whole, seed),
    )


def searched_task(whole: SearchRun, seed: int) -> tuple[SearchTask, History]:
    """Supernet and architecture after the search, and the history of the search."""
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
    """Path of the checkpoint of a search, which is kept after its end."""
    return whole.run.folder / "checkpoints" / f"search_{seed}.safetensors"


def search_key(whole: SearchRun, seed: int) -> str:
    """Key that is equal for searches with the same description, data, teachers and seed."""
    recipe = whole.run.recipe
    description = (*recipe.seen, whole.preset.search, seed)
    return whole.run.origin(Part(f"search_{seed}", description, tuple(recipe.teachers))).key


def search_task(whole: SearchRun, seed: int) -> SearchTask:
    """A supernet with fresh weights, the two halves of the data, and the held-back images."""
    run, config = whole.run, whole.preset.search
    training = len(run.training.labels)
    held = max(1, min(HELD_BACK, training // 10))
    number = min(config.images, (training - held) // 2)
    if number < 1:
        raise UserError(f"a search needs at least 3 training images, got {training}")
    first: dict[Half, int] = {"weights": 0, "architecture": number}
    return SearchTask(
        name=f"search_{seed}",
        relaxed=_relaxed(run, config, Streams(seed=seed)),
        num_images=number,
        batches=lambda half, epoch: _take(whole, epoch % run.recipe.views, first[half]),
        validation=list(
            map(_take(whole, 0, training - held), torch.arange(held).split(HELD_BATCH))
        ),
    )


def budget_of(run: TrainingRun, config: BilevelConfig) -> Budget:
    """Limits of a network: target parameters, and MACs of the hand-made student of that size."""
    channels = run.dataset.image_shape[0]
    try:
        hand_made = fitted(run.recipe.student.model, round(config.target), image_channels=channels)
    except ValueError:
        raise _too_small(config) from None
    most = network_costs(hand_made, run.dataset.image_shape)["macs"]
    return Budget(
        parameters=(0, round(config.target)), macs=(0, most), image_shape=run.dataset.image_shape
    )


def _too_small(config: BilevelConfig) -> UserError:
    return UserError(
        "--target-params must be large enough for a network of the search space, within its MACs "
        f"too, got {config.target:g}; choose a larger target"
    )


def _relaxed(run: TrainingRun, config: BilevelConfig, streams: Streams) -> Relaxed:
    """The relaxed space of a search, with fresh weights."""
    seeds = {name: streams.seed_of("init", name) for name in ("supernet", "architecture")}
    if isinstance(config, StagedSearchConfig):
        stages, shrink, budget = config.space, config.shrink, budget_of(run, config)
        if fitted_to(stages.network(dict.fromkeys(stages.decisions, 0)), budget) is None:
            raise _too_small(config)
        net = fresh(
            lambda: StagedSupernet(stages, shrink=shrink, **run.dataset.sizes),
            seed=seeds["supernet"],
        )
        values = fresh(lambda: StagedArchitecture(stages), seed=seeds["architecture"])
        return RelaxedStages(
            model=net.to(run.device),
            config=config,
            architecture=values.to(run.device),
            budget=budget,
        )
    assert isinstance(config, SearchConfig)
    space, shape = config.search_space, config.shape
    supernet = fresh(lambda: Supernet(space, shape, **run.dataset.sizes), seed=seeds["supernet"])
    architecture = fresh(lambda: Architecture(space), seed=seeds["architecture"])
    return RelaxedCells(
        model=supernet.to(run.device),
        config=config,
        space=space,
        architecture=architecture.to(run.device),
        costs=cost_table(config, image_channels=run.dataset.image_shape[0]),
    )


def _take(whole: SearchRun, view: int, first: int) -> Take:
    """Map indices to a batch of a shared view; index 0 is training image `first`."""
    run, size = whole.run, whole.preset.search.image_size
    images, labels = run.view("shared", view), run.labels

    def take(indices: Tensor) -> Batch:
        own = (indices + first).to(run.device)
        small = shrunk(to_float(images[own]), size)
        return Batch(small, labels[own], whole.views.targets(view, own))

    return take


def retrain(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> ImageClassifier:
    """Train a student like the recipe's, for `epochs` epochs; it is kept as part student_NAME.

    All networks that are compared are retrained in this way, hand-made ones too.
    """
    recipe = whole.run.recipe
    training = replace(recipe.student.training, epochs=epochs)
    stage = replace(recipe.student, model=model, training=training)
    part = recipe.student_parts(name, stage).student
    return train_student(whole.run, part, stage, whole.views)


def choose(whole: SearchRun, found: Sequence[Found]) -> tuple[Found, dict[int, float]]:
    """Retrain all results briefly; return the best on validation images, and accuracies by seed.

    A single result is returned without retraining.
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
