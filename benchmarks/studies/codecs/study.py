"""The benefit of attention: channel codecs of equal size, losses and passes behind one student.

    python -m benchmarks.studies.codecs --data DIR --training DIR

Every design of `designs` is trained from several seeds on flat and multipath channels, and tested
on validation and test images over the same draws. Writes OUT/codecs.csv, a row for each training
run and point, and OUT/codec_pairs.csv: each design minus `cat` for every channel and k, as means
over SNRs, with an interval over training runs and one over images. Choices are made on validation
images. Finished training runs and their outcomes are kept below OUT.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.studies.codecs.designs import (
    REFERENCE,
    designs,
    part_of,
    recipe,
    student_of,
    trained,
)
from benchmarks.studies.finished import FrozenStudent
from benchmarks.studies.pool import done_by_workers
from benchmarks.studies.request import ParallelStudyRequest
from channels.names import channel_from_name
from models import CatConfig
from models.blocks import parameter_count
from simulator.commands.options import command, option, run, whole
from simulator.data.dataset import Split
from simulator.engine.evaluate import Setting, evaluator_here
from simulator.engine.grid import Grid, plan, tasks_of
from simulator.errors import UserError
from simulator.schemes.rkd_sc import RkdScConfig, RkdScheme
from simulator.statistics.intervals import mean_interval
from simulator.statistics.paired import paired_difference
from simulator.statistics.tally import RIGHT
from simulator.storage.describe import describe, digest
from simulator.storage.environment import REFERENCE as COMMITTED
from simulator.storage.environment import environment
from simulator.storage.files import file_hash, replacing, write_json, write_table

CHANNELS: Final = (
    *("awgn", "rayleigh", "tdl:A:300ns", "tdl:A:300ns+lmmse:8"),
    *("tdl:C:300ns:120kmh", "tdl:C:300ns:120kmh+lmmse:8"),
)
USES: Final = (16, 64, 256)
SNR_DB: Final = (-10.0, -4.0, 2.0, 8.0, 20.0)
COLUMNS: Final = [
    *("split", "design", "seed", "tx_params", "rx_params"),
    *("channel", "channel_uses", "snr_db", "images", "accuracy"),
]
PAIRED: Final = [
    *("split", "a", "b", "channel", "channel_uses", "trainings", "images", "difference"),
    *("low_trainings", "high_trainings", "low_images", "high_images"),
]
Right = NDArray[np.bool_]  # [points, images]


class Job(NamedTuple):
    """One training run of a design."""

    design: str
    seed: int


class Outcome(NamedTuple):
    """The result of a job: parameters of both ends, and the correct images of each split."""

    params: tuple[int, int]
    right: Mapping[str, Right]


PLACES: Final = [(own, snr_db, k) for own in CHANNELS for k in USES for snr_db in SNR_DB]


def work(found: FrozenStudent, job: Job) -> Outcome:
    """Train and test a design; the function that workers run."""
    link = trained(found, job.design, job.seed)
    sizes = parameter_count(link.codec.encoder), parameter_count(link.codec.decoder)
    dataset = found.run.dataset
    splits = {"validation": dataset.validation, "test": dataset.test}
    right = {name: kept_right(found, link, job, name, own) for name, own in splits.items() if own}
    return Outcome(sizes, right)


def kept_right(found: FrozenStudent, link: RkdScheme, job: Job, name: str, split: Split) -> Right:
    """As `right_at`, from a file if an earlier run has written it."""
    weights = file_hash(found.run.path(part_of(found, *job).name))
    training = digest([found.run.dataset.key, weights, RkdScheme.version, PLACES])
    path = found.run.folder / "outcomes" / f"{job.design}_{job.seed}_{name}_{training}.npy"
    if path.exists():
        kept: Right = np.load(path, allow_pickle=False)
        return kept
    right = right_at(link, split, classes=found.run.dataset.num_classes)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, right)
    return right


def right_at(link: RkdScheme, split: Split, *, classes: int) -> Right:
    """Which images are correct at each of PLACES, over one channel draw shared by all links."""
    grid = Grid(
        channels=tuple(map(channel_from_name, CHANNELS)),
        snr_db=SNR_DB,
        channel_uses=USES,
        realizations=1,
        seed=0,
    )
    setting = Setting(grid.seed, torch.device("cpu"))
    evaluate = evaluator_here([link], grid.channels, split, setting, num_classes=classes)
    planned, _ = plan([link], grid)
    found = {
        point[1:]: unit.codes == RIGHT
        for point in planned
        for task in tasks_of(point, (0,))
        for unit in evaluate(task)
    }
    return np.stack([found[place] for place in PLACES])


def rows_of(job: Job, outcome: Outcome) -> Iterator[tuple[Any, ...]]:
    """A row for each split and place."""
    for split, right in outcome.right.items():
        for (channel, snr_db, k), own in zip(PLACES, right, strict=True):
            place = channel, k, snr_db, len(own), own.mean()
            yield (split, *job, *outcome.params, *place)


def pairs_of(outcomes: Mapping[Job, Outcome]) -> pd.DataFrame:
    """Every design minus the reference of the same seeds, for each split, channel and k."""
    found = []
    for name in dict.fromkeys(job.design for job in outcomes if job.design != REFERENCE):
        seeds = [job.seed for job in outcomes if job.design == name]
        seeds = [seed for seed in seeds if Job(REFERENCE, seed) in outcomes]
        for split in outcomes[Job(name, seeds[0])].right if seeds else ():
            a, b = (
                np.stack([outcomes[Job(own, seed)].right[split] for seed in seeds])
                for own in (name, REFERENCE)
            )
            found += [(split, name, REFERENCE, *place, *own) for place, own in _differences(a, b)]
    return pd.DataFrame(found, columns=PAIRED)


def _differences(a: Right, b: Right) -> Iterator[tuple[tuple[str, int], tuple[float, ...]]]:
    """Means over SNRs, for each channel and k. Shapes: a, b [seeds, places, images]."""
    for channel, k in dict.fromkeys((channel, k) for channel, _, k in PLACES):
        rows = [place[0] == channel and place[2] == k for place in PLACES]
        first, second = (own[:, rows].mean(axis=1) for own in (a, b))  # [seeds, images]
        apart = (first - second).mean(axis=1)  # [seeds]
        between = mean_interval(apart) if len(apart) > 1 else (np.nan, np.nan)
        over_images = paired_difference(first.mean(axis=0), second.mean(axis=0))
        count = len(apart), first.shape[1]
        yield (channel, k), (*count, apart.mean(), *between, *over_images[1:])


@dataclass(frozen=True, kw_only=True)
class CodecsRequest(ParallelStudyRequest):
    """The options of `codecs`."""

    training: Path = option(
        default=COMMITTED / "cifar100", help="Folder of the training of teachers and student."
    )
    out: Path = option(default=Path("results/runs/codecs"), help="Folder to write to.")
    designs: tuple[str, ...] = option(default=(), help="Separated by commas. Default: all.")
    seeds: int = option(default=3, type=whole(1, 100), help="Training runs of every design.")
    epochs: int = option(default=16, type=whole(1, 1000), help="Epochs of every training run.")
    views: int = option(default=4, type=whole(2, 100), help="Augmented views, an even number.")

    def prepared(self) -> FrozenStudent:
        """The student, and its teachers' outputs, computed at first use. Raises: UserError."""
        experiment = recipe(views=self.views, epochs=self.epochs)
        return student_of(self.dataset(), self.training, self.out, experiment)

    def jobs(self) -> list[Job]:
        """All designs from one seed, then from the next. Raises: UserError for an unknown one."""
        known = designs(cat())
        if unknown := [name for name in self.designs if name not in known]:
            told = ", ".join(known)
            raise UserError(f"--designs must be among {told}, got {', '.join(unknown)}")
        names = [own for own in known if not self.designs or own in (REFERENCE, *self.designs)]
        return [Job(name, seed) for seed in range(self.seeds) for name in names]


def cat() -> CatConfig:
    """The recipe's codec."""
    model = cifar100().one(RkdScConfig).codec.model
    assert isinstance(model, CatConfig)
    return model


@command(CodecsRequest)
def codecs(request: CodecsRequest) -> None:
    """Train channel codecs of equal size behind one student, and compare them with CAT."""
    outcomes: dict[Job, Outcome] = {}
    for job, outcome in done_by_workers(work, request.jobs(), request):
        outcomes[job] = outcome
        ordered = {own: outcomes[own] for own in request.jobs() if own in outcomes}
        rows = [row for own, given in ordered.items() for row in rows_of(own, given)]
        write_table(request.out / "codecs.csv", pd.DataFrame(rows, columns=COLUMNS))
        write_table(request.out / "codec_pairs.csv", pairs_of(ordered))
    about = {
        "recipe": describe(recipe(views=request.views, epochs=request.epochs)),
        "designs": describe(dict(designs(cat()))),
        "environment": environment(torch.device("cpu")),
    }
    write_json(request.out / "codecs.json", about)
    shown = pairs_of(outcomes)
    shown = shown[shown["split"] == "validation"].assign(difference=100 * shown["difference"])
    table = shown.pivot_table("difference", ["a", "channel_uses"], "channel", sort=False)
    click.echo(table.round(2).to_string())


def main() -> None:
    """The command."""
    run(codecs.click, "codecs")
