"""From names to objects: recipe, data, device, weights and grid; and what `benchmarks` draws.

This is the only module that imports `benchmarks`, and only when something from it is needed.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
import torch

from channels.base import Channel
from channels.names import channel_from_name
from models import GenotypeCnnConfig
from simulator.data.dataset import Dataset, Split, load_dataset
from simulator.data.embedded import embedded
from simulator.description.trial import Trial
from simulator.engine.grid import Grid, by_name
from simulator.errors import UserError
from simulator.left_out import left_out_of
from simulator.measures.choose import chosen
from simulator.names import MEASURES, Measure
from simulator.parse import MOST_SEED, Realizations, as_known, in_range, one_of, parse_recipe
from simulator.schemes.experiment import Experiment, SweepConfig
from simulator.schemes.recipe_file import read_recipe
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.search.config import BilevelConfig, SearchPreset
from simulator.search.run import Found
from simulator.search.written import read_student
from simulator.storage.environment import REFERENCE
from simulator.storage.folders import check_writable, remove
from simulator.training.weights import Weights

if TYPE_CHECKING:
    from benchmarks.figures.captions import DataText
    from benchmarks.open.submit import Submissions

CIFAR100 = (100, 3, 32, 32)  # classes and image shape for which there are published curves


def _recipes() -> dict[str, Experiment]:
    from benchmarks.recipes import RECIPES

    return {recipe.name: recipe for recipe in (make() for make in RECIPES)}


def scheme_labels() -> dict[str, list[str]]:
    """Meaning of each label -> the names of schemes with it, such as `separate:genie`."""
    found: dict[str, dict[str, None]] = {}  # each name once, in the order of recipes
    for own in (scheme for recipe in _recipes().values() for scheme in recipe.schemes):
        for label in () if own.ablation else own.labels:
            found.setdefault(label.meaning, {})[f"{own.name}:{label.text}"] = None
    return {meaning: list(names) for meaning, names in found.items()}


def scheme_names() -> list[str]:
    """The schemes of all recipes, without ablations, in the order of tables."""
    return list(dict.fromkeys(name for own in _recipes().values() for name in own.scheme_names))


def recipe_named(name: str, *, student: Path | None = None) -> Experiment:
    """The recipe of this name, or in a file NAME.toml.

    `student` is the file of a searched student, which replaces that of the recipe.
    Raises: UserError if there is no such recipe, or if the file holds no student that fits.
    """
    recipes = _recipes()
    if name.endswith(".toml"):
        experiment = read_recipe(Path(name), recipes)
    else:
        experiment = recipes[parse_recipe(name)]
    if student is None:
        return experiment
    model = read_student(student)
    needed = experiment.student.model.feature_dim
    if model.feature_dim != needed:
        raise UserError(f"--student must give {needed} features, got {model.feature_dim}")
    return replace(experiment, student=replace(experiment.student, model=model))


def dataset_of(experiment: Experiment, data: Path | None, resize: int | None = None) -> Dataset:
    """The recipe's own data, or that of --data.

    Raises: UserError if the recipe needs --data, or if the images of --data differ in kind from
    those that the recipe brings.
    """
    if data is not None and not data.exists():
        raise UserError(f"--data {data}: no such folder")
    if folder := data or experiment.data:
        if experiment.embedded_data is None:
            return load_dataset(folder, resize=resize)
        return _like_embedded(experiment, folder, resize)
    if resize is not None:
        raise UserError("--resize rescales the images of --data: add --data DIR, or leave it out")
    if experiment.embedded_data is None:
        raise UserError(f"recipe {experiment.name} needs images: add --data DIR")
    return embedded(experiment.embedded_data)


def _like_embedded(experiment: Experiment, folder: Path, resize: int | None) -> Dataset:
    """Load images with the classes and the colours (grey or RGB) of those that a recipe brings.

    Raises: UserError if the folder holds other classes or colours, or cannot be read.
    """
    own = embedded(experiment.embedded_data or "")
    wrong = UserError(
        f"recipe {experiment.name} brings its own images; use recipe images for --data"
    )
    try:
        dataset = load_dataset(folder, resize=resize)
    except UserError:
        raise wrong from None
    if (own.image_shape[0], own.classes) != (dataset.image_shape[0], dataset.classes):
        raise wrong
    return dataset


def device_named(name: str) -> torch.device:
    """A device that torch can use here. Raises: UserError that says why it cannot."""
    try:
        device = torch.device(str(name).lower())
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device must be cpu or cuda, got {name!r}")
    if device.type == "cpu":
        return torch.device("cpu")
    number, index = torch.cuda.device_count(), device.index or 0
    if index >= number:
        raise UserError(
            f"--device must be one that torch can use here, got {name!r}: {_why(number)}"
        )
    return torch.device("cuda", index)


def _why(gpus: int) -> str:
    """Why torch cannot use a GPU, and the way out."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch is built without CUDA; install one with CUDA, or leave out --device"
    if not gpus:
        return "torch finds no GPU; nvidia-smi says whether the driver does, or leave out --device"
    return f"torch finds {gpus} GPU{'s' * (gpus > 1)}, cuda:0 to cuda:{gpus - 1}"


def check_compiler() -> None:
    """Raises: UserError if there is no C++ compiler, which torch.compile needs on a CPU."""
    names = (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")
    if not any(map(shutil.which, names)):
        raise UserError(
            "--compile needs a C++ compiler, but neither g++ nor clang++ is there; install one, "
            "or leave out --compile"
        )


def first_images(split: Split, images: int | None) -> Split:
    """The first `images` images, or all for None. Raises: UserError if there are fewer."""
    if images is None:
        return split
    in_range("--images", images, 1, len(split.labels))
    return Split(images=split.images[:images], labels=split.labels[:images])


def channels_named(
    names: Sequence[str | Channel], *, option: str = "--channels"
) -> tuple[Channel, ...]:
    """Channel names to channels, in the given order, without repeats. Raises: UserError."""
    try:
        channels = [channel_from_name(own) if isinstance(own, str) else own for own in names]
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
    return tuple(by_name(channels, option=option).values())


def grid_of(
    default: SweepConfig,
    *,
    channels: Sequence[str | Channel] | None = None,
    snr_db: tuple[float, ...] | None = None,
    channel_uses: tuple[int, ...] | None = None,
    realizations: Realizations | None = None,
    seed: int = 0,
) -> Grid:
    """The recipe's grid, with the given values in place of its own. Raises: UserError."""
    draws = realizations or Realizations()
    swept = channels_named(channels or default.channels)
    names = [channel.name for channel in swept]
    single = {
        as_known(name, names)
        if as_known(name, names) in names
        else channels_named((name,), option="--realizations")[0].name: number
        for name, number in draws.single.items()
    }
    if alien := next((name for name in single if name not in names), None):
        raise UserError(
            f"--realizations must be of channels that are swept ({', '.join(names)}), got {alien}; "
            "add it to --channels, or leave it out"
        )
    return Grid(
        channels=swept,
        snr_db=snr_db or default.snr_db,
        channel_uses=channel_uses or default.channel_uses,
        realizations=draws.every or default.realizations,
        realizations_of=single,
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )


class Trained(NamedTuple):
    """A recipe, with the changes made by its training run, and the weights."""

    experiment: Experiment
    weights: Weights


def weights_of(
    experiment: Experiment,
    dataset: Dataset,
    asked: Path | None,
    device: torch.device,
    *,
    must: bool = True,
) -> Trained:
    """The weights in the folder `asked`, else those in results/runs, else the committed ones.

    Those in results/runs are used if they hold student, head and codec. Raises: UserError if there
    are no weights; with `must=False`, only a scheme that needs weights raises an error later.
    """
    folder = _weights_folder(experiment, must=must) if asked is None else asked
    if asked is not None and not folder.is_dir():
        raise UserError(f"--weights must be a folder of trained weights, got {folder}")
    if asked is not None and (folder / "weights").is_dir():
        raise UserError(f"--weights must be the folder of the files, {folder / 'weights'}")
    experiment = Trial.of(folder).applied(experiment)
    return Trained(experiment, Weights(experiment, dataset, folder, device))


def _weights_folder(experiment: Experiment, *, must: bool) -> Path:
    needed = (*experiment.student_parts(), experiment.one(RkdScConfig).codec_part(experiment))
    for results in (Path("results/runs"), REFERENCE):
        folder = results / experiment.name / "weights"
        if all((folder / f"{part.name}.safetensors").exists() for part in needed):
            return folder
    if not must:
        return Path("results/runs") / experiment.name / "weights"
    raise UserError(
        f"recipe {experiment.name} has no trained weights in results/runs/{experiment.name}; name "
        "those of your training run (--weights OUT/weights), or run "
        f"{experiment.training_command()}"
    )


def deadline_in(minutes: float | None) -> float:
    """The deadline set by --minutes, as a value of time.monotonic()."""
    if minutes is None:
        return math.inf
    if not minutes > 0:
        raise UserError(f"--minutes must be above 0, got {minutes:g}")
    return time.monotonic() + 60 * minutes


def search_preset(experiment: Experiment, name: str) -> SearchPreset[BilevelConfig]:
    """A recipe's preset of an architecture search. Raises: UserError if there is none."""
    from benchmarks.recipes.search import preset

    return preset(experiment, name)


def draw(
    rows: pd.DataFrame,
    run: dict[str, Any],
    folder: Path,
    *,
    schemes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
    axis: Measure = "accuracy",
    width: Literal["auto", "column", "text"] = "auto",
    added: Path | pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Path]:
    """Draw figures of a sweep or a selection of it, as `semlink plot`; return the files written.

    Raises: UserError if the sweep does not hold one of the names, if the folder cannot be written
    to, if a curve cannot be added, or if a name is wrong.
    """
    from benchmarks.figures.added import read_curves
    from benchmarks.figures.draw import plot_all

    one_of("--axis", axis, MEASURES)
    one_of("--width", width, ("auto", "column", "text"))
    check_writable(folder)
    return plot_all(
        rows,
        folder,
        text=_data_text(run),
        published=_like_published(run),
        choose=partial(chosen, schemes=schemes, channels=channels, channel_uses=channel_uses),
        named=schemes is not None,
        measure=axis,
        width=width,
        added=read_curves(added) if isinstance(added, Path) else added,
        names=names,
    )


def _data_text(run: dict[str, Any]) -> "DataText":
    """What the figures report about the data of a sweep."""
    from benchmarks.figures.captions import DataText

    clean = run.get("noiseless_accuracy")
    return DataText(
        title=run["data"]["title"],
        source_values=math.prod(run["data"]["image_shape"]),
        num_classes=run["data"]["classes"],
        noiseless=clean and (clean["accuracy"], clean["ci_low"], clean["ci_high"]),
        left_out=tuple(left_out_of(run)),
        noted=tuple(run["data"].get("remarks", ())),
    )


def _like_published(run: dict[str, Any]) -> bool:
    """Whether published curves are to be drawn beside those of a sweep."""
    data = run["data"]
    shape = (data["classes"], *data["image_shape"])
    return run.get("recipe", {}).get("name") == "cifar100" and shape == CIFAR100


def report(sweeps: Sequence[tuple[Path, pd.DataFrame, dict[str, Any]]], path: Path) -> None:
    """Write one HTML page of finished sweeps, each given as its folder, rows and description.

    Raises: UserError if a sweep cannot be shown, or the file cannot be written.
    """
    from benchmarks.report.content import content_of
    from benchmarks.report.page import write_page

    if path.is_dir():
        raise UserError(f"--out must be a file to write, got the folder {path}")
    check_writable(path.parent)
    write_page(
        path,
        [
            content_of(folder, rows, run, _data_text(run), published=_like_published(run))
            for folder, rows, run in sweeps
        ],
    )


def explore(trained: Trained, test: Split, folder: Path) -> None:
    """Write the page of a trained link. Raises: UserError as `write_folder`."""
    from benchmarks.baselines.separate import SeparateConfig
    from benchmarks.explore.folder import write_folder

    config, schemes = trained.experiment.one(RkdScConfig), trained.experiment.schemes
    separate = next((own for own in schemes if type(own) is SeparateConfig), None)
    write_folder(config, trained.weights, test, folder, separate=separate)


def open_submissions(
    name: str, data: Path | None, folder: Path, *, fresh: bool, say: Callable[[str], None]
) -> "Submissions":
    """Return the submissions that takes entries of a task of the open benchmark.

    Raises: UserError for an unknown task, or for images that cannot be read.
    """
    from benchmarks.open.submit import Submissions
    from benchmarks.open.task import task_named

    task = task_named(name)
    dataset = dataset_of(recipe_named(task.recipe), data)
    return Submissions(task=task, dataset=dataset, folder=folder, fresh=fresh, say=say)


def enter_own(submissions: "Submissions", schemes: Sequence[str], weights: Path | None) -> None:
    """Enter trained schemes of semlink. Raises: UserError as `weights_of` and `Submissions`."""
    experiment = recipe_named(submissions.task.recipe)
    trained = weights_of(experiment, submissions.dataset, weights, torch.device("cpu"))
    submissions.take_own(trained.experiment, trained.weights, schemes)


def leaderboard(folder: Path) -> Path:
    """Write the leaderboard of the open benchmark. Raises: UserError as `board_of`."""
    from benchmarks.open.submit import board_of

    return board_of(folder)


def draw_link(rows: pd.DataFrame, folder: Path, *, title: str, about: str) -> list[Path]:
    """Draw the figure of `semlink link`, if it would show anything; return the files written."""
    from benchmarks.figures.draw import plot_link

    remove(folder, "link.png", "link.pdf", "link.txt", "link.tex")
    return plot_link(rows, folder, title=title, about=about)


def search_figures(found: Found, folder: Path, told: dict[str, Any]) -> list[Path]:
    """Draw the figures of a search; return the files written."""
    from benchmarks.figures.cells import draw_cells, draw_evolution

    title = (
        f"preset {told['preset']}, lambda {told['lambda']:g}, seed {told['seed']}: "
        f"{told['parameters']:,} parameters"
    )
    files = draw_evolution(found.history, folder, title=title)
    if not isinstance(found.student, GenotypeCnnConfig):
        return files
    if found.student.shape.residual:
        title += "; every node adds input 1 too"
    return draw_cells(found.student.genotype, folder, title=title) + files
