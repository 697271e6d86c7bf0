"""A whole sweep: its schemes and images, its description for the journal, and its workers."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from channels.base import Channel
from channels.names import is_named
from simulator.data import splits
from simulator.data.dataset import Dataset, Split
from simulator.engine.checked import is_own, with_checks
from simulator.engine.evaluate import (
    Evaluator,
    Loaded,
    Prepared,
    Setting,
    evaluator_here,
    prepare_block,
)
from simulator.engine.grid import Division, Grid, Point, by_name, placed, plan
from simulator.engine.pilots import best_divisions
from simulator.engine.run import Facts, facts_of
from simulator.engine.workers import InProcess, LocalPool, Pool, RayPool
from simulator.errors import UserError
from simulator.left_out import LeftOut
from simulator.scheme import Scheme
from simulator.schemes.experiment import Built, Experiment, build_scheme, requested_schemes
from simulator.storage.describe import digest
from simulator.storage.files import cached_tensors, load_tensors, save_tensors
from simulator.storage.folders import forget_prepared
from simulator.training.weights import Weights

PREPARED = "prepared"  # folder below --out, while other processes compute
TEST = "test_images"
VALIDATION = "validation_images"
FEW = 200_000  # transmissions that take less time than starting other processes


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """A sweep: schemes over a grid, on test images, with the weights of one training run."""

    experiment: Experiment
    weights: Weights
    test: Split
    built: Mapping[str, Built]  # schemes by name, in the order of tables
    points: Sequence[Point]
    grid: Grid
    setting: Setting

    @classmethod
    def of(
        cls,
        weights: Weights,
        experiment: Experiment,
        schemes: Sequence[str | Scheme],
        grid: Grid,
        *,
        test: Split,
        setting: Setting,
    ) -> "tuple[Sweep, list[LeftOut]]":
        """Return a sweep, and everything that is left out of it.

        Schemes are names, `all` for all trained schemes, or objects. Raises: UserError.
        """
        named = [scheme for scheme in schemes if isinstance(scheme, str)]
        names, untrained = requested_schemes(experiment, weights, named) if named else ([], [])
        built = {name: build_scheme(name, experiment, weights) for name in names}
        objects = {id(scheme): scheme for scheme in schemes if not isinstance(scheme, str)}
        classes = weights.dataset.num_classes
        checked = [with_checks(scheme, classes) for scheme in objects.values()]
        whole = by_name([*(own.scheme for own in built.values()), *checked], option="--schemes")
        built = {
            name: built.get(name, Built(own, {"version": own.version}))
            for name, own in whole.items()
        }
        points, left_out = plan(list(whole.values()), grid)
        sweep = cls(
            experiment=experiment,
            weights=weights,
            test=test,
            built=built,
            points=points,
            grid=grid,
            setting=setting,
        )
        return sweep, [*untrained, *left_out]

    @property
    def _schemes(self) -> list[Scheme]:
        return [built.scheme for built in self.built.values()]

    @property
    def _used_channels(self) -> list[str]:
        return sorted({point.channel for point in self.points})

    @cached_property
    def identities(self) -> dict[str, Any]:
        """What the results of each scheme depend on, for schemes that have a point."""
        used = sorted({point.scheme for point in self.points})
        return {name: self.built[name].identity for name in used}

    @property
    def own_points(self) -> dict[Point, str]:
        """The points that depend on objects of the user, and the names of these.

        Identities do not cover their code, so `check_repeated` compares their outcomes.
        """
        schemes = {name for name, built in self.built.items() if is_own(built.scheme)}
        channels = {channel.name for channel in self.grid.channels if not is_named(channel)}
        names = {
            point: [
                *([point.scheme] if point.scheme in schemes else []),
                *([f"channel {point.channel}"] if point.channel in channels else []),
            ]
            for point in self.points
        }
        return {point: " and ".join(own) for point, own in names.items() if own}

    @cached_property
    def divisions(self) -> dict[Point, Division]:
        """The numbers of pilots that channels leave open, as chosen on validation images."""
        dataset = self.weights.dataset
        return best_divisions(
            *(self._schemes, self.grid.channels, self.points),
            *(dataset.validation, self.setting.device),
            num_classes=dataset.num_classes,
        )

    def placed(self, point: Point) -> tuple[Channel, int]:
        """The channel, with its number of pilots, and the number of data symbols of a point."""
        return placed(point, self.channel(point.channel), self.divisions)

    def channel(self, name: str) -> Channel:
        """The channel of this name."""
        return next(own for own in self.grid.channels if own.name == name)

    @cached_property
    def data_key(self) -> str:
        """Key of the data set, and of the test images if they are not its first ones."""
        dataset, own = self.weights.dataset, self.test
        images, labels = (found[: len(own.labels)] for found in vars(dataset.test).values())
        if torch.equal(own.images, images) and torch.equal(own.labels, labels):
            return dataset.key
        test = splits.Pool(own.images.numpy(), own.labels.numpy())
        return digest([dataset.key, splits.content_key(dataset.classes, {"test": test})])

    @property
    def about(self) -> dict[str, Any]:
        """Everything besides its point that determines the outcomes of a unit."""
        pilots = {point.text: list(own) for point, own in self.divisions.items()}
        return {
            "seed": self.setting.seed,
            "data": self.data_key,
            "images": len(self.test.labels),
            "precision": self.setting.networks,
            "device": self.setting.device.type,
            "torch": str(torch.__version__),
            "sionna-no-rt": version("sionna-no-rt"),  # generates all gains and noise
            "schemes": self.identities,
            "channels": {name: self.channel(name).versions for name in self._used_channels},
            **({"pilots": pilots} if pilots else {}),
        }

    @property
    def facts(self) -> Facts:
        """The contents of the rows besides outcomes."""
        classes = self.weights.dataset.num_classes
        channels = self.grid.channels
        return facts_of(
            *(self._schemes, channels, self.points, self.test),
            num_classes=classes,
            divisions=self.divisions,
        )

    @property
    def transmissions(self) -> int:
        """Number of transmissions in the first round."""
        images = len(self.test.labels)
        return sum(images * self.grid.repeats(point.channel) for point in self.points)

    def evaluator(self) -> Evaluator:
        """Return an evaluator for this process, from schemes and images in memory."""
        return evaluator_here(
            *(self._schemes, self.grid.channels, self.test, self.setting),
            num_classes=self.weights.dataset.num_classes,
            divisions=self.divisions,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A sweep as names and files, for a worker process; calling it returns the evaluator."""

    experiment: Experiment
    name: str  # of the data set
    classes: tuple[str, ...]
    counts: tuple[int, ...]  # training images of each class
    data_key: str
    weights: Path
    folder: Path  # of the images and the prepared tensors
    setting: Setting
    identities: dict[str, Any]  # scheme -> what its numbers depend on
    divisions: dict[Point, Division]
    key: str  # equal for equal jobs

    @classmethod
    def of(cls, sweep: Sweep, folder: Path) -> "Job":
        """Return the job of a sweep, and write its images to files for the workers."""
        dataset, folder = sweep.weights.dataset, folder.resolve()
        job = cls(
            experiment=sweep.experiment,
            name=dataset.name,
            classes=dataset.classes,
            counts=dataset.class_counts,
            data_key=sweep.data_key,
            weights=sweep.weights.folder.resolve(),
            folder=folder,
            setting=sweep.setting,
            identities=sweep.identities,
            divisions=sweep.divisions,
            key=digest([digest(sweep.about), str(folder)]),
        )
        job.write_images(sweep.test, dataset.validation)
        return job

    def write_images(self, test: Split, validation: Split | None) -> None:
        """Write test and validation images to files for the workers."""
        splits = {TEST: test} if validation is None else {TEST: test, VALIDATION: validation}
        self._path(VALIDATION).unlink(missing_ok=True)  # left by a run that was killed
        for name, split in splits.items():
            tensors = {"images": split.images, "labels": split.labels}
            save_tensors(self._path(name), tensors, {"key": self.data_key})

    def __call__(self) -> Evaluator:
        """Return the evaluator, which loads a scheme when it is needed."""
        test = self._split(TEST)
        validation = self._split(VALIDATION) if self._path(VALIDATION).exists() else None
        dataset = Dataset(
            *(self.name, self.classes, None, validation, test, self.data_key), counts=self.counts
        )
        weights = Weights(self.experiment, dataset, self.weights, self.setting.device)

        def load(name: str) -> Loaded:
            scheme, identity = build_scheme(name, self.experiment, weights)
            if identity != self.identities[name]:
                what = ", ".join(_differences(self.identities[name], identity))
                raise UserError(f"{what} of {name} changed while the sweep ran; run it again")
            return Loaded(scheme, cache(partial(self._prepared, scheme, test)))

        return Evaluator(
            *(load, test.labels, self.setting),
            num_classes=len(self.classes),
            divisions=self.divisions,
        )

    def _split(self, name: str) -> Split:
        tensors, _ = load_tensors(self._path(name))
        return Split(images=tensors["images"], labels=tensors["labels"])

    def _prepared(self, scheme: Scheme, test: Split, block: int) -> Prepared:
        """Read prepared tensors from the file of another worker or an earlier run, or compute them.

        The file is memory-mapped, so all workers share one copy of it.
        """
        path = self._path(f"{scheme.name.replace(':', '-')}-{block}")
        key = digest([self.key, scheme.name, block])
        if (tensors := cached_tensors(path, key)) is not None:
            return {name: t.to(self.setting.device) for name, t in tensors.items()}
        made = prepare_block(scheme, test, self.setting, block)
        save_tensors(path, made, {"key": key})
        return made

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def check_same(before: list[dict[str, Any]], now: dict[str, Any], folder: Path) -> None:
    """Check that units of earlier runs may be combined with new ones.

    Raises: UserError that lists what changed.
    """
    changes = [change for about in before for change in _changes(about, now)]
    if changes:
        told = "; ".join(dict.fromkeys(changes))
        raise UserError(
            f"{folder} holds a sweep with other settings; changed: {told}. Add --fresh to begin "
            "anew, or choose another --out"
        )


def _changes(about: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What differs from an earlier run, among what both have."""
    for name in sorted(now.keys() - {"schemes", "channels", "pilots"}):
        if about.get(name, now[name]) != now[name]:
            yield "the images" if name == "data" else f"{name} {about.get(name)} -> {now[name]}"
    for scheme in about.get("schemes", {}).keys() & now["schemes"].keys():
        old, new = about["schemes"][scheme], now["schemes"][scheme]
        yield from (f"{what} of {scheme}" for what in _differences(old, new))
    used = about.get("channels", {})
    for name, versions in now.get("channels", {}).items():
        if used.get(name, versions) != versions:
            yield f"version of channel {name}"
    told, chosen = about.get("pilots", {}), now.get("pilots", {})
    yield from (f"pilots of {own}" for own in told if told[own] != chosen.get(own, told[own]))


@contextmanager
def open_pool(
    sweep: Sweep, folder: Path, *, workers: int | None = None, cluster: str | None = None
) -> Iterator[Pool]:
    """Start the workers of a sweep: a cluster if `cluster` is given, else `workers` processes.

    By default there is one process per core. If there is little work or a GPU, and with one worker,
    this process computes everything from memory. Files for other processes are written below
    `folder` and removed when the work is done. Raises: UserError for a cluster with a GPU.
    """
    device = sweep.setting.device.type
    if cluster is not None and device != "cpu":
        raise UserError("--cluster computes on CPUs: leave out --device, or --cluster")
    if workers is None and cluster is None:
        workers = 1 if sweep.transmissions <= FEW or device != "cpu" else cores()
    pool: Pool
    if cluster is not None:
        pool = RayPool(partial(Job.of, sweep, folder / PREPARED), cluster, workers or cores())
    elif workers == 1:
        pool = InProcess(sweep.evaluator())
    else:
        pool = LocalPool(Job.of(sweep, folder / PREPARED), workers or cores())
    try:
        yield pool
    finally:
        pool.close()
    forget_prepared(folder / PREPARED)


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # missing on some systems
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _differences(old: Any, new: Any) -> list[str]:
    """Names of the entries that differ between two identities; for weights, of the parts."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ["description"]
    names: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            names += _differences(old.get(name), new.get(name)) if name == "weights" else [name]
    return names
