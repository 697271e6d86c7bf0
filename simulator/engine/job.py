"""What a sweep's workers rebuild from files, and what a journal says it is about."""

import contextlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from simulator.data.dataset import Dataset, Split
from simulator.description.experiment import Experiment
from simulator.engine.evaluate import Evaluator, Prepared, Setting, prepare_all
from simulator.engine.workers import InProcess, LocalPool, Pool, RayPool
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.schemes.build import TrainedParts
from simulator.storage.describe import digest
from simulator.storage.files import load_tensors, save_tensors

FOLDER = "prepared"  # below --out, while a sweep runs


TEST = "test_images"


VALIDATION = "validation_images"


FEW = 200_000  # transmissions that are done before other processes have started


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a worker needs, as names and files; calling it gives the evaluator."""

    experiment: Experiment
    name: str  # of the data set
    classes: tuple[str, ...]
    data_key: str
    weights: Path
    folder: Path  # of what is prepared
    setting: Setting
    images: int  # of the test split that are used
    identities: dict[str, Any]  # scheme -> what its numbers depend on

    @property
    def about(self) -> dict[str, Any]:
        """What decides the outcomes of a unit besides its point."""
        return {
            "seed": self.setting.seed,
            "data": self.data_key,
            "images": self.images,
            "precision": self.setting.networks,
            "device": self.setting.device.type,
            "torch": str(torch.__version__),
            "sionna-no-rt": version("sionna-no-rt"),  # makes all gains and noise
            "schemes": self.identities,
        }

    @property
    def key(self) -> str:
        """Equal for equal jobs."""
        return digest([self.about, str(self.folder)])

    def write_images(self, test: Split, validation: Split | None) -> None:
        """Put test and validation images where the workers find them."""
        splits = {TEST: test} if validation is None else {TEST: test, VALIDATION: validation}
        self._path(VALIDATION).unlink(missing_ok=True)  # of a run that was killed
        for name, split in splits.items():
            tensors = {"images": split.images, "labels": split.labels}
            save_tensors(self._path(name), tensors, {"key": self.data_key})

    def __call__(self) -> Evaluator:
        """The evaluator, its schemes loaded when they are asked for."""
        test = self._split(TEST)
        validation = self._split(VALIDATION) if self._path(VALIDATION).exists() else None
        dataset = Dataset(self.name, self.classes, None, validation, test, self.data_key)
        parts = TrainedParts(self.experiment, dataset, self.weights, self.setting.device)

        def load(name: str) -> tuple[Scheme, Prepared]:
            scheme, identity = parts.identified(name)
            if identity != self.identities[name]:
                what = ", ".join(_differences(self.identities[name], identity))
                raise UserError(f"{what} of {name} changed while the sweep ran; run it again")
            return scheme, self._prepared(scheme, test)

        return Evaluator(load, test.labels, self.setting)

    def _split(self, name: str) -> Split:
        tensors, _ = load_tensors(self._path(name))
        return Split(images=tensors["images"], labels=tensors["labels"])

    def _prepared(self, scheme: Scheme, test: Split) -> Prepared:
        """From the file that another worker or an earlier run has written, else made now.

        The file is mapped, not read, so all workers share one copy of it.
        """
        path = self._path(scheme.name.replace(":", "-"))
        key = digest([self.key, scheme.name])
        with contextlib.suppress(UserError):  # not there, or damaged
            tensors, header = load_tensors(path)
            if header.get("key") == key:
                return {name: t.to(self.setting.device) for name, t in tensors.items()}
        tensors = prepare_all(scheme, test, self.setting)
        save_tensors(path, tensors, {"key": key})
        return tensors

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def check_same(before: list[dict[str, Any]], now: dict[str, Any], folder: Path) -> None:
    """Whether units of earlier runs may stand beside new ones.

    Raises: UserError saying what changed.
    """
    changes: list[str] = []
    for about in before:
        changes += [
            f"{name} {about.get(name)} -> {now[name]}"
            for name in now
            if name != "schemes" and about.get(name, now[name]) != now[name]
        ]
        for scheme in about.get("schemes", {}).keys() & now["schemes"].keys():
            old, new = about["schemes"][scheme], now["schemes"][scheme]
            changes += [f"{what} of {scheme}" for what in _differences(old, new)]
    if changes:
        raise UserError(
            f"{folder} holds a sweep with other settings; changed: "
            f"{'; '.join(dict.fromkeys(changes))}. Add --fresh to begin anew, or choose another "
            "--out"
        )


def open_pool(job: Job, *, workers: int | None, cluster: str | None, transmissions: int) -> Pool:
    """Who computes: a cluster if one is named, else so many processes, else as many as cores.

    Little work is done in this process unless a number is named.
    """
    if cluster is not None:
        if job.setting.device.type != "cpu":
            raise UserError("--cluster computes on CPUs: leave out --device, or --cluster")
        return RayPool(job, cluster, workers or cores())
    if workers is None:
        workers = 1 if transmissions <= FEW or job.setting.device.type != "cpu" else cores()
    return InProcess(job()) if workers == 1 else LocalPool(job, workers)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _differences(old: Any, new: Any) -> list[str]:
    """Names of what differs between two identities; of weights, the parts."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ["description"]
    names: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            names += _differences(old.get(name), new.get(name)) if name == "weights" else [name]
    return names
