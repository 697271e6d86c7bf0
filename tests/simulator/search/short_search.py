"""A recipe in which a search, its teacher and its retrainings take seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.recipes.digits import digits
from benchmarks.recipes.search import cells, preset
from simulator import resolve
from simulator.commands.train import TrainRequest, train
from simulator.schemes.experiment import Experiment
from simulator.search.config import (
    BilevelConfig,
    SearchConfig,
    SearchPreset,
    StagedSearchConfig,
)
from tests.commands import few_images


def short() -> Experiment:
    """The recipe `digits` with one view, a teacher of one epoch and a student of two epochs."""
    recipe = digits()
    own = recipe.student
    training, head = replace(own.training, epochs=2), replace(own.head, epochs=2)
    student = replace(own, training=training, head=head)
    teacher = replace(recipe.teacher, training=replace(recipe.teacher.training, epochs=1))
    return replace(recipe, views=1, teacher=teacher, student=student)


def short_preset(recipe: Experiment, name: str) -> SearchPreset[SearchConfig]:
    """The preset with a single stage of two cells, and retrainings of two epochs."""
    found = cells(recipe, name)
    shape = replace(found.search.shape, widths=(8,), normal_cells=(1,))
    search = replace(found.search, shape=shape, deployed=replace(shape, widths=(24,)))
    return found._replace(search=search, retraining_epochs=2)


def short_stages(recipe: Experiment, _name: str) -> SearchPreset[BilevelConfig]:
    """The preset `stages` with few proposals, and retrainings of two epochs."""
    found = preset(recipe, "stages")
    assert isinstance(found.search, StagedSearchConfig)
    search = replace(found.search, proposals=3, rungs=(1, 2), target=6_000)
    return found._replace(search=search, retraining_epochs=2)


def teach(folder: Path) -> Path:
    """Train a teacher and cache its outputs, in a folder; returns the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "recipe_named", lambda *_, **__: short())
        patch.setattr(resolve, "dataset_of", lambda *_: few_images())
        train(TrainRequest(recipe="digits", stage="cache", out=folder))
    return folder
