"""A search on a recipe's data: halves of the data, seeds, and the choice of the best result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from simulator.data.dataset import Dataset, to_float
from simulator.description.basis import Basis, Part
from simulator.description.stages import LossWeights
from simulator.errors import UserError
from simulator.parse import in_range, parse_count
from simulator.search.config import BilevelConfig, SearchConfig, SearchPreset, StagedSearchConfig
from simulator.search.cost import cost_table, network_costs
from simulator.search.halving import Finish, proposed
from simulator.search.loop import Batch, Half, History, SearchTask, Take, search
from simulator.search.relaxed import Relaxed, RelaxedCells, RelaxedStages
from simulator.storage.files import load_tensors, write_table
from simulator.storage.folders import TRAINING, check_writable, locked
from simulator.training.loop import Checkpoint, fresh
from simulator.training.run import TrainingRun, classifier_accuracy
from simulator.training.student import train_student
from simulator.training.teachers import Views, cached_teacher_views, teacher_views, train_teachers

MOST_PENALTY = 1000.0
GUIDED = {"kd", "ce"}  # with distillation, or with labels only
HELD_BACK, HELD_BATCH = 1000, 250  # training images in neither half, for the loss after an epoch


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A search: its settings, data and teachers. It writes to `run.folder`."""

    run: TrainingRun
    preset: SearchPreset[BilevelConfig]
    views: Views  # outputs of the teachers


class Found(NamedTuple):
    """The result of a search from one seed."""

    seed: int
    student: StudentConfig
    history: History


def taught_views(run: TrainingRun) -> Views:
    """Outputs of the teachers in `run.taught_in` for the shared views, from the cache.

    Raises: UserError naming the command that computes them, if they are missing.
    """
    views = cached_teacher_views(replace(_teaching(run), taught_in=run.taught_in))
    if views is None:
        raise UserError(
            f"{run.taught_in} must hold the outputs of this recipe's teachers for these images; "
            f"run {run.recipe.training_command(f' --stage cache --out {run.taught_in}')}, or add "
            "--training DIR"
        )
    return views


def taught_seed(folder: Path) -> int:
    """Seed of the training run in this folder, which determines its shared views; 0 if none."""
    path = folder / "weights" / "teacher.safetensors"
    return int(load_tensors(path)[1]["origin"]["seed"]) if path.exists() else 0


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


def search_run(
    recipe: Basis,
    preset: SearchPreset[BilevelConfig],
    *,
    dataset: Dataset,
    taught_in: Path,
    folder: Path,
    device: torch.device,
    deadline: float = math.inf,
    teach_there: bool = True,
) -> SearchRun:
    """Prepare a search with the teachers of the training run in `taught_in`.

    If the data set is embedded, missing teachers are trained first: in `taught_in` if
    `teach_there`, else in the folder `teaching` of `folder`.
    Raises: UserError if the data, the teachers or their outputs are missing.
    """
    run = TrainingRun(
        recipe=recipe,
        dataset=dataset,
        folder=folder,
        seed=taught_seed(taught_in),
        device=device,
        deadline=deadline,
        taught_in=taught_in,
    )
    _ = run.training, run.validation  # raises an error if the data lacks either
    check_writable(folder)
    if not recipe.embedded_data:
        return SearchRun(run=run, preset=preset, views=taught_views(run))
    return _taught_now(run, preset, teach_there=teach_there)


def _taught_now(
    run: TrainingRun, preset: SearchPreset[BilevelConfig], *, teach_there: bool
) -> SearchRun:
    """The search on an embedded data set. Missing teachers are trained first, within seconds."""
    missing = not all(run.path(name).exists() for name in run.recipe.teachers)
    if missing and not teach_there:
        run, teach_there = replace(run, taught_in=run.folder / "teaching"), True
    if teach_there:
        _teach(run)
    if cached_teacher_views(_teaching(run)):
        return SearchRun(run=run, preset=preset, views=taught_views(run))
    asked = replace(run, folder=run.folder / "teaching")
    return SearchRun(run=run, preset=preset, views=teacher_views(asked, train_teachers(asked)))


def _teaching(run: TrainingRun) -> TrainingRun:
    """The training run whose teachers a search uses."""
    assert run.taught_in is not None
    return replace(run, folder=run.taught_in, taught_in=None)


def _teach(run: TrainingRun) -> None:
    """Train the teachers in their folder, and cache their outputs."""
    teaching = _teaching(run)
    with locked(teaching.folder, TRAINING):
        teacher_views(teaching, train_teachers(teaching))


def adjusted(
    preset: SearchPreset[BilevelConfig],
    *,
    penalty: float,
    target: str | None = None,
    teaching: str = "kd",
    image_size: int | None = None,
    epochs: int | None = None,
) -> SearchPreset[BilevelConfig]:
    """The preset with these options of the command line. Raises: UserError naming the option."""
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
