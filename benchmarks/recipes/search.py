"""Presets of `semlink search`: how long, in which space, at which size.

`cpu` searches plain convolutions, because depthwise ones are slow on a CPU; `gpu` searches the
space of DARTS. Networks of the preset `cpu` have the shape of the hand-made student: resolution is
pooled early, and width grows (DECISIONS 42).
"""

from dataclasses import replace

from models import CellShape
from models.nas.fitting import encoder_parameters
from models.nas.staged_space import STAGES
from simulator.errors import UserError
from simulator.schemes.experiment import Experiment
from simulator.search.config import (
    BilevelConfig,
    SearchConfig,
    SearchPreset,
    StagedSearchConfig,
)

CELLS = ("cpu", "gpu")
NAMES = ("stages", *CELLS)
Cells = SearchPreset[SearchConfig]


def preset(recipe: Experiment, name: str) -> SearchPreset[BilevelConfig]:
    """The preset of this name for a recipe. Raises: UserError if there is none."""
    if name not in NAMES:
        raise UserError(f"--preset must be one of {', '.join(NAMES)}, got {name!r}")
    return cells(recipe, name) if name in CELLS else _stages(recipe)


def _stages(recipe: Experiment) -> SearchPreset[StagedSearchConfig]:
    """Images averaged down to half their side; networks as expensive as the hand-made one."""
    small = recipe.embedded_data is not None
    model = recipe.student.model
    space = replace(STAGES, projected_dim=model.feature_dim)
    if small:
        space = replace(space, stages=2, widths=(16, 24, 32, 48, 64), stems=(8, 16))
    config = StagedSearchConfig(
        space=space,
        shrink=2,
        image_size=8 if small else 16,
        images=10_000,
        epochs=20 if small else 10,
        batch_size=32 if small else 64,
        temperature=(1.0, 0.5),
        weights_rate=(0.05, 0.001),
        weights_decay=3e-4,
        architecture_rate=5e-2,
        architecture_decay=0.0,
        clip=5.0,
        warmup=0.25,
        loss=recipe.student.loss,
        penalty=0.1,
        target=encoder_parameters(model, image_channels=1 if small else 3),
        stable_epochs=10,
        proposals=8,
        rungs=(1, 2, 4),
        precision="fp32",
    )
    return SearchPreset("stages", config, retraining_epochs=20 if small else 10)


def cells(recipe: Experiment, name: str) -> Cells:
    """A search of cells: `cpu` or `gpu`."""
    found = _cpu(recipe)
    found = _gpu(found) if name == "gpu" else found
    return _small(found) if recipe.embedded_data else found


def _cpu(recipe: Experiment) -> Cells:
    """Mixed operations, images at half their side, half the width of the deployed network."""
    shape = CellShape(
        stem=24,
        widths=(32, 64, 96),
        normal_cells=(0, 1, 1),
        projected_dim=recipe.student.model.feature_dim,
        residual=True,
    )
    config = SearchConfig(
        space="conv",
        shape=replace(shape, widths=(16, 32, 48)),
        deployed=shape,
        image_size=16,
        images=10_000,
        epochs=20,
        batch_size=64,
        operations="mixed",
        temperature=(10.0, 0.1),
        weights_rate=(0.1, 0.001),
        weights_decay=3e-4,
        architecture_rate=1e-2,
        architecture_decay=1e-3,
        clip=5.0,
        warmup=0.3,
        loss=recipe.student.loss,
        penalty=0.1,
        target=1.0e6,
        auxiliary_skip=True,
        most_skips=2,
        stable_epochs=10,
        precision="bf16",
    )
    return SearchPreset("cpu", config, retraining_epochs=10)


def _gpu(cpu: Cells) -> Cells:
    """Mixed operations, 50 epochs, 8 cells; the learning rates of DARTS for batches of 256."""
    shape = replace(cpu.search.shape, stem=48, widths=(16, 32, 64), normal_cells=(2, 2, 1))
    search = replace(
        cpu.search,
        space="darts",
        shape=shape,
        deployed=replace(shape, widths=(32, 64, 128)),
        image_size=32,
        images=25_000,
        epochs=50,
        batch_size=256,
        architecture_rate=6e-4,
    )
    return SearchPreset("gpu", search, retraining_epochs=20)


def _small(found: Cells) -> Cells:
    """For the digits: two stages, small batches, single precision; some tens of seconds."""
    shape = replace(found.search.shape, stem=8, widths=(8, 16), normal_cells=(0, 1))
    search = replace(
        found.search,
        space="conv",
        shape=shape,
        deployed=replace(shape, widths=(12, 24)),
        image_size=8,
        batch_size=32,
        operations="sampled",
        weights_rate=(0.05, 0.001),
        architecture_rate=2e-2,
        target=4.0e4,
        precision="fp32",
    )
    return found._replace(search=search, retraining_epochs=20)
