"""What features are for: other tasks on the codeword that was sent for classification.

`python -m benchmarks.second_task RECIPE [--data DIR]` sends the test images by `rkd_sc` and by
`label_code` over the same gains and noise, and asks four things of what arrives:

- fine: the class, as in a sweep;
- coarse: the super-class (CIFAR-100: its author's 20; digits: even or odd). `rkd_sc` has a linear
  head for it that was fitted to clean features of training images and never saw a channel; the
  label code names the super-class of the class it decides, which is as much as a label can do;
- retrieval: the nearest of the clean features of all validation images has the same class;
- instance: the nearest of the clean features of other views (shifted, mirrored) of all test images
  is of the same image. No label tells images of a class apart.

Nearest is by cosine; the label code asks with the mean feature of the decided class over training
images. It writes second_task.csv, run.json and a figure for each channel and k to --out (default
results/runs/RECIPE/second_task).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from benchmarks.baselines.label_code import LabelCodeScheme
from benchmarks.figure_plans import FigurePlan, channel_title, styles_of
from benchmarks.figures import write_figures
from benchmarks.superclasses import coarse_classes
from channels.names import channel_from_name
from channels.streams import Streams
from simulator.commands.shared import (
    dataset_of,
    device_named,
    first_images,
    grid_of,
    recipe_named,
    weights_folder,
)
from simulator.config import Experiment, describe
from simulator.data import Dataset, Split, augment
from simulator.errors import UserError
from simulator.evaluate import BLOCK, Setting, blocks_of, prepare_all
from simulator.link import RkdScheme, Scheme, Tensors
from simulator.options import parse_names
from simulator.points import Grid, Point, Unit, plan, unit_streams
from simulator.records import check_writable, environment, write_json, write_table
from simulator.schemes import TrainedParts
from simulator.statistics import accuracy_interval

FIT_IMAGES: Final = 10_000  # training images that the coarse head and the mean features are from
DECAY: Final = 1e-4  # of the coarse head's squared weights, on features of unit variance
TASKS: Final = {
    "fine": "class",
    "coarse": "super-class",
    "retrieval": "retrieval of the class, recall@1",
    "instance": "retrieval of the image, recall@1",
}


@dataclass(frozen=True, eq=False)
class Known:
    """What the receiver has beforehand, all of clean features.

    Shapes: coarse_of [classes]; coarse_weights [D + 1, coarse classes]; means [classes, D];
    gallery [G, D] and views [N, D] of unit length, gallery_labels [G].
    """

    coarse_of: Tensor | None
    coarse_weights: Tensor | None
    means: Tensor
    gallery: Tensor
    gallery_labels: Tensor
    views: Tensor


class Answers(NamedTuple):
    """What a receiver says of a block: fine [B], coarse [B] or None, query [B, D]."""

    fine: Tensor
    coarse: Tensor | None
    query: Tensor


def known_of(scheme: RkdScheme, dataset: Dataset, experiment: Experiment, test: Split) -> Known:
    """Features by the scheme's own student; views as training augments them, from seed 0.

    Raises: UserError if the data has no training or validation images.
    """
    if dataset.train is None or dataset.validation is None:
        raise UserError("second_task needs training and validation images, but the data holds none")
    setting = Setting(0, torch.device("cpu"))

    def features(images: Tensor, labels: Tensor) -> Tensor:
        return prepare_all(scheme, Split(images, labels), setting)["features"][: len(images)]

    fitted = Split(dataset.train.images[:FIT_IMAGES], dataset.train.labels[:FIT_IMAGES])
    seen = features(fitted.images, fitted.labels)
    classes = functional.one_hot(fitted.labels, dataset.num_classes).float()
    means = classes.T @ seen / classes.sum(dim=0).clamp_min(1)[:, None]
    coarse_of, weights = coarse_classes(dataset), None
    if coarse_of is not None:
        weights = fit_linear(seen, coarse_of[fitted.labels])
    views = augment(
        test.images,
        crop_padding=experiment.augment.crop_padding,
        flip=experiment.augment.flip,
        generator=Streams(seed=0)("second task", "views"),
    )
    gallery = features(dataset.validation.images, dataset.validation.labels)
    return Known(
        coarse_of=coarse_of,
        coarse_weights=weights,
        means=means,
        gallery=functional.normalize(gallery),
        gallery_labels=dataset.validation.labels,
        views=functional.normalize(features(views, test.labels)),
    )


def fit_linear(features: Tensor, labels: Tensor) -> Tensor:
    """Weights and bias [D + 1, classes] of multinomial logistic regression, by L-BFGS from zero.

    Shapes: features [N, D], labels [N].
    """
    scale = features.std(dim=0).clamp_min(1e-6)
    inputs = with_one(features / scale)
    weights = torch.zeros(inputs.shape[1], int(labels.max()) + 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        fit = functional.cross_entropy(inputs @ weights, labels)
        total = fit + DECAY * weights[:-1].square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    return weights.detach() / torch.cat([scale, torch.ones(1)])[:, None]


def with_one(features: Tensor) -> Tensor:
    """Features [B, D] with a one behind, for the bias."""
    return functional.pad(features, (0, 1), value=1.0)


def nearest(query: Tensor, gallery: Tensor) -> Tensor:
    """Which of the unit vectors [G, D] is nearest by cosine to each query [B, D]: [B]."""
    return (query @ gallery.T).argmax(dim=1)


def answers_of(scheme: Scheme, known: Known, encoded: Tensors, **place: Any) -> Answers:
    """What the receiver of one transmission says."""
    if isinstance(scheme, RkdScheme):
        features = scheme.features(encoded, **place)
        coarse = None
        if known.coarse_weights is not None:
            coarse = (with_one(features) @ known.coarse_weights).argmax(dim=1)
        return Answers(scheme.scores(features).argmax(dim=1), coarse, features)
    decided = scheme.transmit(encoded, **place).scores.argmax(dim=1)
    coarse = None if known.coarse_of is None else known.coarse_of[decided]
    return Answers(decided, coarse, known.means[decided])


def hits_of(answers: Answers, known: Known, labels: Tensor, first: int) -> dict[str, Tensor]:
    """Which tasks were done rightly, each [n], for the n images that begin at `first`."""
    count = len(labels)
    fine, query = answers.fine[:count], answers.query[:count]
    found = {"fine": fine == labels}
    if answers.coarse is not None and known.coarse_of is not None:
        found["coarse"] = answers.coarse[:count] == known.coarse_of[labels]
    found["retrieval"] = known.gallery_labels[nearest(query, known.gallery)] == labels
    found["instance"] = nearest(query, known.views) == first + torch.arange(count)
    return found


@torch.inference_mode()
def credits_at(
    scheme: Scheme, prepared: Tensors, known: Known, point: Point, grid: Grid, labels: Tensor
) -> Mapping[str, Tensor]:
    """Share of realisations in which each task was done, for every image, each [N]."""
    channel, repeats = channel_from_name(point.channel), grid.repeats(point.channel)
    snr_db = torch.full((BLOCK, 1), point.snr_db)
    place: dict[str, Any] = {"channel": channel, "snr_db": snr_db, "k": point.k}
    encoded = [scheme.encode(block, **place) for block in blocks_of(prepared)]
    totals: dict[str, Tensor] = {}
    for realization in range(repeats):
        streams = unit_streams(Unit(point, realization), grid.seed)
        for number, (block, own) in enumerate(zip(encoded, labels.split(BLOCK), strict=True)):
            answers = answers_of(scheme, known, block, **place, streams=streams)
            first = number * BLOCK
            for task, hits in hits_of(answers, known, own, first).items():
                total = totals.setdefault(task, torch.zeros(len(labels), dtype=torch.float64))
                total[first : first + len(own)] += hits.double() / repeats
    return totals


def rows_of(
    point: Point, credits_: Mapping[str, Tensor], realizations: int
) -> list[dict[str, Any]]:
    """A row for each task, with its 95 % interval over images."""
    rows = []
    for task, found in credits_.items():
        credit = np.clip(found.numpy(), 0, 1)
        interval = accuracy_interval(credit)
        rows.append(
            {
                "task": task,
                "scheme": point.scheme,
                "channel": point.channel,
                "snr_db": point.snr_db,
                "channel_uses": point.k,
                "images": len(credit),
                "realizations": realizations,
                "hits": round(float(credit.sum()) * realizations),
                "accuracy": float(credit.mean()),
                "ci_low": interval.low,
                "ci_high": interval.high,
            }
        )
    return rows


def second_task(options: argparse.Namespace) -> pd.DataFrame:
    """Send, ask, write; returns the table."""
    experiment = recipe_named(options.recipe)
    grid = grid_of(
        experiment.sweep,
        options.channels,
        options.snr_db,
        options.channel_uses,
        options.realizations,
        options.seed,
    )
    dataset = dataset_of(experiment, options.data)
    test = first_images(dataset.test, options.images)
    folder = weights_folder(experiment, options.weights)
    parts = TrainedParts(experiment, dataset, folder, device_named("cpu"))
    schemes = [_asked(parts, name) for name in parse_names(options.schemes)]
    out = options.out or Path("results/runs") / options.recipe / "second_task"
    check_writable(out)
    ours = parts.scheme(RkdScheme.name)
    assert isinstance(ours, RkdScheme)
    known = known_of(ours, dataset, experiment, test)
    points, left_out = plan(schemes, grid)
    for line in left_out:
        print(f"semlink: {line}")
    rows: list[dict[str, Any]] = []
    by_name = {scheme.name: scheme for scheme in schemes}
    prepared: dict[str, Tensors] = {}
    for point in tqdm(points, desc="second task", unit="point"):
        scheme = by_name[point.scheme]
        if point.scheme not in prepared:
            prepared = {point.scheme: prepare_all(scheme, test, Setting(0, torch.device("cpu")))}
        found = credits_at(scheme, prepared[point.scheme], known, point, grid, test.labels)
        rows += rows_of(point, found, grid.repeats(point.channel))
    table = pd.DataFrame(rows)
    write_table(out / "second_task.csv", table)
    write_json(
        out / "run.json",
        {
            "recipe": describe(experiment),
            "grid": {**describe(grid), "channels": [channel.name for channel in grid.channels]},
            "data": {"name": dataset.name, "hash": dataset.key, "test_images": len(test.labels)},
            "weights": parts.hashes,
            "gallery": len(known.gallery),
            "environment": environment(torch.device("cpu")),
        },
    )
    write_figures(figure_plans(table, dataset, gallery=len(known.gallery)), out / "figures")
    return table


def _asked(parts: TrainedParts, name: str) -> Scheme:
    """A scheme of which the tasks can be asked. Raises: UserError for any other."""
    if name.partition(":")[0] not in (RkdScheme.name, "label_code"):
        raise UserError(f"--schemes must name rkd_sc or label_code, with labels, got {name!r}")
    scheme = parts.scheme(name)
    assert isinstance(scheme, RkdScheme | LabelCodeScheme)
    return scheme


def figure_plans(table: pd.DataFrame, dataset: Dataset, *, gallery: int) -> Sequence[FigurePlan]:
    """A figure for each channel and k: a panel for each task."""
    plans = []
    for (channel, k), own in table.groupby(["channel", "channel_uses"], sort=False):
        images, draws = int(own["images"].max()), int(own["realizations"].max())
        shown = own.assign(
            channel=own["task"].map(TASKS),
            settings=own["scheme"].map(
                lambda name: (
                    "asks with the mean feature of the class it decides"
                    if name.startswith("label_code")
                    else "asks with the feature it receives"
                )
            ),
        )
        plans.append(
            FigurePlan(
                file_name=f"second_task_{str(channel).replace(':', '_')}_k{k}",
                rows=shown,
                axis="snr_db",
                styles=styles_of(table["scheme"]),
                heading=f"{dataset.name}, other tasks: {channel_title(str(channel))}, k = {k}",
                footer=f"{images:,} test images, {draws} channel realisation(s) of each. Retrieval "
                f"by cosine: the class among {gallery:,} validation images, the image among "
                f"shifted or mirrored views of all {images:,} test images; galleries are clean. "
                "The super-class head of RKD-SC never saw a channel. The grey line is a guess "
                "among the fine classes. Bands (bars): 95 % interval over images.",
                guess=1 / dataset.num_classes,
            )
        )
    return plans


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--schemes", default="rkd_sc,label_code")
    parser.add_argument("--channels")
    parser.add_argument("--snr-db")
    parser.add_argument("--channel-uses")
    parser.add_argument("--realizations")
    parser.add_argument("--images", type=int, help="the first so many test images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    try:
        table = second_task(options)
    except UserError as error:
        parser.exit(2, f"second_task: error: {error}\n")
    percent = table.assign(accuracy=(100 * table["accuracy"]).round(1))
    index = ["task", "channel", "channel_uses", "scheme"]
    print(percent.pivot_table(index=index, columns="snr_db", values="accuracy").to_string())


if __name__ == "__main__":
    main()
