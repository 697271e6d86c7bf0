"""A search and its teachers: settings, data, and the outputs that guide it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from simulator.data.dataset import Dataset
from simulator.description.basis import Basis
from simulator.errors import UserError
from simulator.search.config import BilevelConfig, SearchPreset
from simulator.storage.files import load_tensors
from simulator.storage.folders import TRAINING, check_writable, locked
from simulator.training.run import TrainingRun
from simulator.training.teachers import Views, cached_teacher_views, teacher_views, train_teachers


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A search: its settings, data and teachers. It writes to `run.folder`."""

    run: TrainingRun
    preset: SearchPreset[BilevelConfig]
    views: Views  # outputs of the teachers


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
