"""What several commands do first: recipe, data, device, weights and grid from their options."""

import importlib
import math
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from simulator.data.dataset import Dataset, Split, load_dataset
from simulator.description.experiment import Experiment, SweepConfig
from simulator.engine.grid import Grid
from simulator.errors import UserError
from simulator.parse import (
    MOST_SEED,
    in_range,
    parse_channel_uses,
    parse_channels,
    parse_names,
    parse_realizations,
    parse_snr_db,
)
from simulator.search.config import SearchPreset
from simulator.search.student import read_student
from simulator.search.task import Found
from simulator.storage.environment import ROOT
from simulator.storage.folders import forget_figures

CIFAR100 = (100, 3, 32, 32)  # classes and image shape, by which published curves are drawn


def recipe_named(name: str) -> Experiment:
    """The recipe of this name. Raises: UserError if there is none."""
    recipes = {recipe.__name__: recipe for recipe in _benchmarks("recipes").RECIPES}
    if name not in recipes:
        raise UserError(f"RECIPE must be one of {', '.join(recipes)}, got {name!r}")
    experiment: Experiment = recipes[name]()
    return experiment


def _benchmarks(module: str) -> Any:
    """A module of `benchmarks`, found at run time: the simulator never imports it."""
    return importlib.import_module(f"benchmarks.{module}")


def dataset_of(experiment: Experiment, data: Path | None) -> Dataset:
    """The recipe's own data, or that of --data. Raises: UserError if it needs --data."""
    if data is None and not experiment.embedded_data:
        raise UserError(f"recipe {experiment.name} needs images: add --data DIR")
    return load_dataset(data)


def device_named(name: str) -> torch.device:
    """A device that torch can use here. Raises: UserError if it cannot."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"--device must be one that torch can use here, got {name!r}") from None
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise UserError(f"--device must be cpu or cuda, got {name!r}")
    return torch.device("cuda", device.index or 0)


def check_compiler() -> None:
    """Raises: UserError if there is no C++ compiler, which torch.compile needs on a CPU."""
    names = (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")
    if not any(map(shutil.which, names)):
        raise UserError(
            "--compile needs a C++ compiler, but neither g++ nor clang++ is there; install one, "
            "or leave out --compile"
        )


def first_images(split: Split, images: int | None) -> Split:
    """The first so many images, or all. Raises: UserError if there are not so many."""
    if images is None:
        return split
    in_range("--images", images, 1, len(split.labels))
    return Split(images=split.images[:images], labels=split.labels[:images])


def grid_of(
    default: SweepConfig,
    channels: str | None,
    snr_db: str | None,
    channel_uses: str | None,
    realizations: str | None,
    seed: int,
) -> Grid:
    """The recipe's grid, with what the options say in place of its own."""
    names = default.channels if channels is None else parse_names(channels)
    repeats, single = parse_realizations(realizations) if realizations else (None, {})
    return Grid(
        channels=parse_channels(names),
        snr_db=default.snr_db if snr_db is None else parse_snr_db(snr_db),
        channel_uses=(
            default.channel_uses if channel_uses is None else parse_channel_uses(channel_uses)
        ),
        realizations=repeats or default.realizations,
        realizations_of=single,
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )


def weights_folder(experiment: Experiment, asked: Path | None) -> Path:
    """The folder of weights: the first that holds student, head and codec."""
    needed = ("student", "head", "codec")
    data = "" if experiment.embedded_data else " --data DIR"
    hint = f"semlink train {experiment.name}{data}"
    return find_weights(experiment.name, asked, ROOT, parts=needed, hint=hint)


def draw(rows: pd.DataFrame, run: dict[str, Any], folder: Path) -> list[Path]:
    """Every figure of a sweep; returns the files written."""
    forget_figures(folder)
    channels, height, width = run["data"]["image_shape"]
    figures: list[Path] = _benchmarks("figures.draw").plot_all(
        rows,
        folder,
        title=run["data"]["title"],
        source_values=channels * height * width,
        num_classes=run["data"]["classes"],
        published=run.get("recipe", {}).get("name") == "cifar100"
        and (run["data"]["classes"], channels, height, width) == CIFAR100,
    )
    return figures


def search_preset(experiment: Experiment, name: str) -> SearchPreset:
    """A recipe's preset of an architecture search. Raises: UserError if there is none."""
    preset: SearchPreset = _benchmarks("recipes.search").preset(experiment, name)
    return preset


def cell_figures(found: Found, folder: Path, told: dict[str, Any]) -> list[Path]:
    """The pictures of a search; returns the files written."""
    title = (
        f"preset {told['preset']}, lambda {told['lambda']:g}, seed {told['seed']}: "
        f"{told['parameters']:,} parameters"
    )
    if found.student.shape.residual:
        title += "; every node adds input 1 too"
    figures: list[Path] = _benchmarks("figures.cells").draw_search(
        found.student.genotype, found.history, folder, title=title
    )
    return figures


def with_student(experiment: Experiment, file: Path | None) -> Experiment:
    """The recipe with a searched student in place of its own. Raises: UserError."""
    if file is None:
        return experiment
    model = read_student(file)
    needed = experiment.student.model.feature_dim
    if model.feature_dim != needed:
        raise UserError(f"--student must give {needed} features, got {model.feature_dim}")
    return replace(experiment, student=replace(experiment.student, model=model))


def deadline_in(minutes: float | None) -> float:
    """The deadline of --minutes, of time.monotonic()."""
    if minutes is None:
        return math.inf
    if not minutes > 0:
        raise UserError(f"--minutes must be above 0, got {minutes:g}")
    return time.monotonic() + 60 * minutes


def draw_link(rows: pd.DataFrame, folder: Path, *, title: str, about: str) -> list[Path]:
    """The figure of `semlink link`, if there is one to draw; returns the files written."""
    for kind in ("png", "pdf"):
        (folder / f"link.{kind}").unlink(missing_ok=True)
    figures: list[Path] = _benchmarks("figures.draw").plot_link(
        rows, folder, title=title, about=about
    )
    return figures


def find_weights(
    recipe: str, asked: Path | None, root: Path, *, parts: Iterable[str], hint: str
) -> Path:
    """The folder of weights to use: the one asked for, one's own training, or the committed one.

    One's own training counts when it is finished, that is when it holds all `parts`; `hint` is the
    command that trains. Raises: UserError if none is there.
    """
    own = Path("results/runs") / recipe / "weights"
    committed = root / "results/reference" / recipe / "weights"
    if asked is not None:
        if not asked.is_dir():
            raise UserError(f"--weights must be a folder of trained weights, got {asked}")
        return asked
    names = [f"{part}.safetensors" for part in parts]
    for folder in (own, committed):
        if all((folder / name).exists() for name in names):
            return folder
    raise UserError(f"recipe {recipe} has no trained weights yet; run {hint}")
