"""`semlink search`: an architecture for a recipe's student, by KDL-DARTS."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from simulator.commands.options import (
    RECIPE,
    argument,
    check_apart,
    command,
    data_option,
    device_option,
    flag,
    load_dataset_with_notes,
    minutes_option,
    note,
    option,
    out_option,
    resize_option,
    seed_option,
    trained_on,
    whole,
)
from simulator.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.schemes.experiment import Experiment
    from simulator.search.prepare import SearchRun

MOST_SEEDS = 100
MOST_EPOCHS = 10_000


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """The options of `semlink search`; None: as in the preset."""

    recipe: str = argument(type=RECIPE)
    preset: Literal["stages", "cpu", "gpu"] = option(
        default="stages", help="Search the stages of a network, or its cells (cpu, gpu)."
    )
    penalty: float = option(
        "--lambda",
        default=0.1,
        metavar="L",
        help="Weight of max(0, ln(expected parameters / target)); for stages, plus that of MACs.",
    )
    target_params: str | None = option(
        metavar="N", help="Target of the penalty, such as 800k or 1.2M.  [default: the preset's]"
    )
    teaching: Literal["kd", "ce"] = option(
        default="kd", help="The recipe's distillation loss, or only labels (the control)."
    )
    seeds: int = option(
        default=1, type=whole(1, MOST_SEEDS), help="Number of searches; the best is kept."
    )
    seed: int = seed_option("Seed of the first search.")
    images_size: int | None = option(
        metavar="H", help="Search on images downsampled to this side length."
    )
    epochs: int | None = option(
        type=whole(1, MOST_EPOCHS),
        metavar="E",
        help="Epochs of the search.  [default: the preset's]",
    )
    training: Path | None = option(
        metavar="DIR",
        help="Training run that holds the teachers (stage cache).  [default: results/runs/RECIPE]",
    )
    data: Path | None = data_option()
    resize: int | None = resize_option()
    minutes: float | None = minutes_option()
    fresh: bool = flag(help="Delete earlier searches in --out.")
    device: str = device_option()
    out: Path | None = out_option("results/runs/RECIPE/search/PRESET_TEACHING_lambdaL")

    def __post_init__(self) -> None:
        """Raises: UserError if --out lies among the images of --data."""
        check_apart(self.out, self.data)


@command(SearchRequest)
def search(request: SearchRequest) -> None:
    """Search for an architecture of the student of a recipe (KDL-DARTS).

    The teacher of recipe digits is trained first, if it is missing. Other recipes need its outputs:
    semlink train RECIPE --stage cache. Writes genotype.json for the --student of train and sweep,
    search.csv, and figures of the search and of the cells that it found.

    Stop with Ctrl-C at any time; the same command resumes from the last epoch.
    """
    from simulator import resolve
    from simulator.search import run, written
    from simulator.storage.folders import TRAINING, locked

    start = time.perf_counter()
    with trained_on(request.minutes):
        whole = _begun(request)
        with locked(whole.run.folder, TRAINING):
            if request.fresh:
                written.forget_search(whole.run.folder)
            found = [run.search_seed(whole, request.seed + more) for more in range(request.seeds)]
            best, right = run.choose(whole, found)
            told, files = written.write_search(
                whole, found, best, right, draw=resolve.search_figures
            )
        for line in (written.summary(told), *files):
            click.echo(line)
        click.echo(f"{(time.perf_counter() - start) / 60:.1f} min")


def _begun(request: SearchRequest) -> "SearchRun":
    """The requested search, with its teachers' outputs. Raises: UserError; TimeUp."""
    from simulator import resolve
    from simulator.description.trial import Trial
    from simulator.parse import MOST_SEED, in_range
    from simulator.search.config import adjusted
    from simulator.search.prepare import search_run

    experiment = resolve.recipe_named(request.recipe)
    usual, named = Path("results/runs") / experiment.name, request.training
    experiment = Trial.of((named or usual) / "weights").applied(experiment)  # as for its teachers
    preset = adjusted(
        resolve.search_preset(experiment, request.preset),
        penalty=request.penalty,
        target=request.target_params,
        teaching=request.teaching,
        image_size=request.images_size,
        epochs=request.epochs,
    )
    in_range("--seeds", request.seeds, 1, MOST_SEEDS)
    in_range("--seed", request.seed, 0, MOST_SEED - request.seeds + 1)
    if named is not None and not named.is_dir():
        raise UserError(f"--training must be the folder of a training run, got {named}")
    own_folder = f"{request.preset}_{request.teaching}_lambda{request.penalty:g}"
    dataset = load_dataset_with_notes(experiment, request.data, request.resize)
    folder = request.out or usual / "search" / own_folder
    device, deadline = resolve.device_named(request.device), resolve.deadline_in(request.minutes)
    if experiment.embedded_data is not None:
        _tell_teaching(experiment, [usual] if named is None else [named, folder / "teaching"])
    return search_run(
        experiment,
        preset,
        dataset=dataset,
        taught_in=named or usual,
        teach_there=named is None,  # the run of --training is only read
        folder=folder,
        device=device,
        deadline=deadline,
    )


def _tell_teaching(recipe: "Experiment", places: "Sequence[Path]") -> None:
    """Print that the teachers are trained first, in the last of these folders, if none has them."""
    from simulator.storage.folders import TRAINING, check_writable, locked

    files = [f"weights/{name}.safetensors" for name in recipe.teachers]
    if any(all((place / file).exists() for file in files) for place in places):
        return
    check_writable(places[-1])
    with locked(places[-1], TRAINING):
        note(f"the teacher of recipe {recipe.name} is trained first, in {places[-1]}")
