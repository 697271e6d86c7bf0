"""The workers of a sweep, and the files by which other processes compute it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from simulator.data.dataset import Dataset, Split
from simulator.engine.earlier import differences
from simulator.engine.evaluate import (
    Evaluator,
    Loaded,
    Prepared,
    Setting,
    prepare_block,
)
from simulator.engine.grid import Division, Point
from simulator.engine.sweep import Sweep
from simulator.engine.workers import InProcess, LocalPool, Pool, RayPool
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.storage.describe import digest
from simulator.storage.files import cached_tensors, load_tensors, save_tensors
from simulator.storage.folders import forget_prepared
from simulator.training.weights import Weights

PREPARED = "prepared"  # folder below --out, while other processes compute
TEST = "test_images"
VALIDATION = "validation_images"
FEW = 200_000  # transmissions that take less time than starting other processes


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
                what = ", ".join(differences(self.identities[name], identity))
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
