"""Learnt codecs over multipath: the benefit of training on it, reliability and interleaving.

    python -m benchmarks.studies.multipath --data DIR --seeds 3

Codecs behind one frozen student are trained with several seeds on flat channels only, or on flat
channels and multipath with estimated gains. All are tested over the same draws. A row of codecs.csv
is the accuracy of one codec from one seed at one point; a row of codec_pairs.csv is a paired
difference with an interval over training runs. Choices, such as the mix of channels of a recipe,
are made on validation images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import pandas as pd
import torch

from benchmarks.studies.finished import FrozenStudent
from benchmarks.studies.multipath.codecs import MIXES, recipe, student_of, trained
from benchmarks.studies.request import StudyRequest
from channels.names import channel_from_name
from simulator.commands.options import command, option, run, whole
from simulator.data.dataset import Split
from simulator.engine.evaluate import Setting, evaluator_here
from simulator.engine.grid import Grid, Point, plan, tasks_of
from simulator.engine.journal import Finished
from simulator.progress import progress
from simulator.scheme import Scheme
from simulator.statistics.intervals import mean_interval
from simulator.statistics.tally import RIGHT
from simulator.storage.describe import describe
from simulator.storage.environment import REFERENCE, environment
from simulator.storage.files import write_json, write_table

NAMES: Final = (
    *("rkd_sc:flat", "rkd_sc:multipath", "rkd_sc:multipath:reliable"),
    *("adjscc:flat", "adjscc:multipath"),
)
PAIRS: Final = (
    ("rkd_sc:multipath", "rkd_sc:flat"),
    ("rkd_sc:multipath:reliable", "rkd_sc:multipath"),
    ("adjscc:multipath", "adjscc:flat"),
    ("rkd_sc:multipath", "adjscc:multipath"),
)
CHANNELS: Final = (
    *("awgn", "rayleigh", "rayleigh+lmmse:8"),
    *("tdl:A:300ns", "tdl:A:300ns+lmmse:8", "tdl:A:300ns+ls:8"),
    *("tdl:C:300ns:120kmh", "tdl:C:300ns:120kmh+lmmse:8", "tdl:C:300ns:120kmh+ls:8"),
)
INTERLEAVED: Final = ("tdl:A:300ns", "tdl:C:300ns:120kmh+lmmse:8")
USES, SNR_DB = 64, (-4.0, 2.0, 8.0, 14.0)
PLACE: Final = ["split", "channel", "channel_uses", "snr_db"]


def tested(
    schemes: Sequence[Scheme], split: Split, *, classes: int, seed: int, name: str
) -> list[dict[str, Any]]:
    """A row for each codec and point: the accuracy on these images over one realisation."""
    channels = (*CHANNELS, *(f"{own}+interleaved" for own in INTERLEAVED))
    grid = Grid(
        channels=tuple(map(channel_from_name, channels)),
        snr_db=SNR_DB,
        channel_uses=(USES,),
        realizations=1,
        seed=0,
    )
    points, _ = plan(schemes, grid)
    setting = Setting(grid.seed, torch.device("cpu"))
    evaluate = evaluator_here(schemes, grid.channels, split, setting, num_classes=classes)
    rows = []
    for point in progress(points, desc=f"seed {seed}, {name} images", unit="point"):
        (unit,) = (unit for task in tasks_of(point, (0,)) for unit in evaluate(task))
        rows.append({"split": name, **_place(point), "seed": seed, "accuracy": _accuracy(unit)})
    return rows


def _place(point: Point) -> dict[str, Any]:
    return {
        "scheme": point.scheme,
        "channel": point.channel,
        "channel_uses": point.k,
        "snr_db": point.snr_db,
    }


def _accuracy(finished: Finished) -> float:
    return float(np.mean(finished.codes == RIGHT))


def pairs_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences of codecs, and of channels interleaved and not, paired by training seed.

    `low, high` is Student's 95 % interval over trainings.
    """
    there = set(rows["scheme"])
    found = [
        _differences(rows[rows["scheme"] == a], rows[rows["scheme"] == b], a, b)
        for a, b in PAIRS
        if {a, b} <= there
    ]
    ending = "+interleaved"
    moved = rows[rows["channel"].str.endswith(ending)]
    moved = moved.assign(channel=moved["channel"].str.removesuffix(ending))
    for scheme in moved["scheme"].unique():
        first, second = (table[table["scheme"] == scheme] for table in (moved, rows))
        found.append(_differences(first, second, f"{scheme} interleaved", scheme))
    return pd.concat(found, ignore_index=True)


def _differences(first: pd.DataFrame, second: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Rows of a minus those of b at the same place and of the same training seed."""
    joined = first.merge(second, on=[*PLACE, "seed"], suffixes=("_a", "_b"))
    joined = joined.assign(difference=joined["accuracy_a"] - joined["accuracy_b"])
    found = []
    for _, own in joined.groupby(PLACE, sort=False):
        values = own["difference"].to_numpy()
        low, high = mean_interval(values) if len(own) > 1 else (np.nan, np.nan)
        found.append(
            {
                "a": a,
                "b": b,
                **own.iloc[0][PLACE].to_dict(),
                "trainings": len(own),
                "difference": values.mean(),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(found)


@dataclass(frozen=True, kw_only=True)
class MultipathRequest(StudyRequest):
    """The options of `benchmarks.studies.multipath`."""

    weights: Path = option(
        default=REFERENCE / "cifar100/weights", help="Folder with the student and its head."
    )
    out: Path = option(default=Path("results/runs/multipath"), help="Folder to write to.")
    seeds: int = option(default=3, type=whole(1, 100), help="Training runs of every codec.")
    epochs: int = option(default=16, type=whole(1, 1000), help="Epochs of every training run.")
    views: int = option(default=8, type=whole(2, 100), help="Augmented views, an even number.")


@command(MultipathRequest)
def study(request: MultipathRequest) -> None:
    """Train codecs on flat channels and on multipath, and test them on both."""
    torch.set_num_threads(1)
    dataset = request.dataset()
    experiment = recipe(views=request.views, epochs=request.epochs)
    found = student_of(dataset, request.weights, request.out, experiment)
    rows: list[dict[str, Any]] = []
    for seed in range(request.seeds):
        schemes = [trained(found, name, seed) for name in NAMES]
        for name, split in (("validation", dataset.validation), ("test", dataset.test)):
            if split is not None:
                rows += tested(schemes, split, classes=dataset.num_classes, seed=seed, name=name)
        _write(request, found, pd.DataFrame(rows))


def _write(request: MultipathRequest, found: FrozenStudent, rows: pd.DataFrame) -> None:
    """Write the tables of all training runs so far."""
    write_table(request.out / "codecs.csv", rows)
    pairs = pairs_of(rows)
    write_table(request.out / "codec_pairs.csv", pairs)
    about = {
        "recipe": describe(found.run.recipe),
        "data": {"name": found.run.dataset.name, "hash": found.run.dataset.key},
        "mixes": MIXES,
        "environment": environment(torch.device("cpu")),
    }
    write_json(request.out / "codecs.json", about)
    shown = pairs[pairs["split"] == "validation"].assign(
        difference=lambda own: (100 * own["difference"]).round(2)
    )
    index = ["a", "b", "channel"]
    click.echo(shown.pivot_table(index=index, columns="snr_db", values="difference").to_string())


def main() -> None:
    """The command."""
    run(study.click, "multipath")


if __name__ == "__main__":
    main()
