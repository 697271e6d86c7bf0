"""Benefits of features: other tasks on the codeword that was sent for classification.

`python -m benchmarks.studies.second_task RECIPE [--data DIR]` sends the test images by `rkd_sc`,
`digital_semantic` and `label_code` over the same gains and noise, and solves four tasks at the
receiver:

- fine: the class, as in a sweep;
- coarse: the super-class (CIFAR-100: its author's 20; digits: even or odd). Features are classified
  by a linear head that was fitted to clean features of training images, without a channel or a
  quantiser. The label code answers with the super-class of the decided class;
- retrieval: the nearest of the clean features of all validation images has the same class;
- instance: the nearest of the clean features of other views (shifted, mirrored) of all test images
  is of the same image. A label cannot distinguish images of one class.

Nearest is by cosine; the query of the label code is the mean feature of the decided class over
training images. `digital_semantic` has its quantised features only, no words of a few bits; an
outage of it counts as a guess in every task. second_task.csv, run.json and a figure for each
channel and k go to --out (default results/runs/RECIPE/second_task).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.figures.draw import write_figures
from benchmarks.figures.plans import FigurePlan
from benchmarks.figures.styles import channel_title, styles_of
from benchmarks.studies.second_task.answers import (
    FeatureReceiver,
    Known,
    LabelReceiver,
    QuantisedReceiver,
    TaskReceiver,
    credits_of,
    known_of,
)
from channels.names import channel_from_name
from simulator.commands.options import (
    GridRequest,
    WeightsRequest,
    command,
    note,
    option,
    out_option,
    run,
)
from simulator.data.dataset import Dataset
from simulator.engine.evaluate import BLOCK, blocks_of
from simulator.engine.grid import Grid, Point, Unit, plan, unit_streams
from simulator.errors import UserError
from simulator.progress import progress
from simulator.scheme import Tensors
from simulator.schemes.contract import split_name
from simulator.schemes.experiment import Experiment
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.statistics.intervals import accuracy_interval
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable
from simulator.training.weights import Weights

TASKS: Final = {
    "fine": "class",
    "coarse": "super-class",
    "retrieval": "retrieval of the class, recall@1",
    "instance": "retrieval of the image, recall@1",
}
SETTINGS: Final = {  # of a label code, and of all others
    True: "asks with the mean feature of the class it decides",
    False: "asks with the feature it receives",
}


@torch.inference_mode()
def credits_at(
    asked: TaskReceiver, prepared: Tensors, known: Known, point: Point, grid: Grid, labels: Tensor
) -> Mapping[str, Tensor]:
    """Credits of every image in each task, as means over realisations, each [N]."""
    channel, repeats = channel_from_name(point.channel), grid.repeats(point.channel)
    snr_db = torch.full((BLOCK, 1), point.snr_db)
    place: dict[str, Any] = {"channel": channel, "snr_db": snr_db, "k": point.k}
    blocks = [(block, asked.scheme.encode(block, **place)) for block in blocks_of(prepared)]
    totals: dict[str, Tensor] = {}
    for realization in range(repeats):
        place["streams"] = unit_streams(Unit(point, realization), channel, grid.seed)
        for number, (block, own) in enumerate(zip(blocks, labels.split(BLOCK), strict=True)):
            first = number * BLOCK
            answers = asked.answers(known, *block, **place)
            for task, earned in credits_of(answers, known, own, first).items():
                total = totals.setdefault(task, torch.zeros(len(labels), dtype=torch.float64))
                total[first : first + len(own)] += earned / repeats
    return totals


def row_of(task: str, point: Point, earned: Tensor, realizations: int) -> dict[str, Any]:
    """A task at a point, with its 95 % interval over images."""
    credit = np.clip(earned.numpy(), 0, 1)
    interval = accuracy_interval(credit)
    return {
        "task": task,
        "scheme": point.scheme,
        "channel": point.channel,
        "snr_db": point.snr_db,
        "channel_uses": point.k,
        "images": len(credit),
        "realizations": realizations,
        "correct": float(credit.sum()) * realizations,
        "accuracy": float(credit.mean()),
        "ci_low": interval.low,
        "ci_high": interval.high,
    }


@dataclass(frozen=True, kw_only=True)
class TaskRequest(WeightsRequest, GridRequest):
    """The options, which are those of `semlink sweep`."""

    schemes: tuple[str, ...] = option(
        default=("rkd_sc", "digital_semantic", "label_code"),
        help="Schemes whose receivers solve the tasks.",
    )
    out: Path | None = out_option("results/runs/RECIPE/second_task")


def second_task(request: TaskRequest) -> pd.DataFrame:
    """Send the images, solve the tasks, write the files, and return the table."""
    experiment = request.experiment()
    grid = request.grid(experiment)
    (experiment, weights), test = request.loaded(experiment, torch.device("cpu"))
    dataset = weights.dataset
    asked = {name: _asked(weights, experiment, name) for name in request.schemes}
    folder = request.out or Path("results/runs") / request.recipe_name / "second_task"
    check_writable(folder)
    ours = experiment.one(RkdScConfig).build(weights)
    known = known_of(ours, dataset, experiment.augment, test)
    points, left_out = plan([own.scheme for own in asked.values()], grid)
    note(*(own.text for own in left_out))
    rows: list[dict[str, Any]] = []
    prepared: dict[str, Tensors] = {}
    for point in progress(points, desc="second task", unit="point"):
        own = asked[point.scheme]
        if point.scheme not in prepared:
            prepared = {point.scheme: own.prepare(test)}
        earned = credits_at(own, prepared[point.scheme], known, point, grid, test.labels)
        repeats = grid.repeats(point.channel)
        rows += [row_of(task, point, credit, repeats) for task, credit in earned.items()]
    table = pd.DataFrame(rows)
    write_table(folder / "second_task.csv", table)
    run = {
        "recipe": describe(experiment),
        "grid": {**describe(grid), "channels": [channel.name for channel in grid.channels]},
        "data": {"name": dataset.name, "hash": dataset.key, "test_images": len(test.labels)},
        "weights": weights.hashes,
        "gallery": len(known.gallery),
        "environment": environment(torch.device("cpu")),
    }
    write_json(folder / "run.json", run)
    write_figures(figure_plans(table, dataset, gallery=len(known.gallery)), folder / "figures")
    return table


def _asked(weights: Weights, experiment: Experiment, name: str) -> TaskReceiver:
    """A scheme whose receiver can solve the tasks. Raises: UserError for any other."""
    config, genie = experiment.scheme(name), "genie" in split_name(name)
    if isinstance(config, RkdScConfig):
        if config.student is not None or config.codec.student != "frozen":
            raise UserError(f"--schemes must share the recipe's student, got {name!r}")
        return FeatureReceiver(config.build(weights))
    if isinstance(config, DigitalSemanticConfig) and not genie:
        components = replace(config, few_bits=None)  # numbers of words are not features
        return QuantisedReceiver(components.build(weights), config.coder(weights))
    if isinstance(config, LabelCodeConfig):
        return LabelReceiver(config.build(weights))
    raise UserError(
        "--schemes must name rkd_sc, label_code or digital_semantic, without the label genie, "
        f"got {name!r}"
    )


def figure_plans(table: pd.DataFrame, dataset: Dataset, *, gallery: int) -> Sequence[FigurePlan]:
    """A figure for each channel and k: a panel for each task."""
    plans = []
    for (channel, k), own in table.groupby(["channel", "channel_uses"], sort=False):
        images, draws = int(own["images"].max()), int(own["realizations"].max())
        shown = own.assign(
            channel=own["task"].map(TASKS),
            settings=own["scheme"].str.startswith("label_code").map(SETTINGS),
        )
        plans.append(
            FigurePlan(
                file_name=f"second_task_{str(channel).replace(':', '_')}_k{k}",
                rows=shown,
                axis="snr_db",
                styles=styles_of(table["scheme"]),
                heading=f"{dataset.name}, other tasks: {channel_title(str(channel))}, k = {k}",
                place=f"k = {k}",
                notes=f"{images:,} test images, {draws} channel realisation(s) of each. Retrieval "
                f"by cosine: the class among {gallery:,} validation images, the image among "
                f"shifted or mirrored views of all {images:,} test images; galleries are clean. "
                "The super-class head never saw a channel. Bands and bars: 95 % interval over "
                "images.",
            )
        )
    return plans


@command(TaskRequest)
def ask(request: TaskRequest) -> None:
    """Solve other tasks with the codeword that was sent; the options are those of semlink sweep."""
    torch.set_num_threads(1)
    table = second_task(request)
    percent = table.assign(accuracy=(100 * table["accuracy"]).round(1))
    index = ["task", "channel", "channel_uses", "scheme"]
    click.echo(percent.pivot_table(index=index, columns="snr_db", values="accuracy").to_string())


def main() -> None:
    """The command."""
    run(ask.click, "second_task")


if __name__ == "__main__":
    main()
