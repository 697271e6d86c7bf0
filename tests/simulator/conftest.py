"""Fixtures shared by the tests of training."""

from pathlib import Path

import pytest
import torch

from benchmarks.recipes.digits import digits
from simulator.data.embedded import embedded
from simulator.training.run import TrainingRun


@pytest.fixture
def run(tmp_path: Path) -> TrainingRun:
    """A training run of the recipe `digits` in an empty folder."""
    return TrainingRun(
        recipe=digits(),
        dataset=embedded("digits"),
        folder=tmp_path,
        seed=0,
        device=torch.device("cpu"),
    )
