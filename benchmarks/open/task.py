"""Frozen tasks: images, channels, SNRs, channel uses and draws, and the rules in words."""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from channels.names import channel_from_name
from simulator.data.dataset import Dataset, Split
from simulator.data.splits import Pool, content_key
from simulator.engine.grid import Grid
from simulator.errors import UserError, did_you_mean
from simulator.storage.describe import digest

PREFIX = 4  # bytes of each image's SHA-256 in a list of images


class Place(NamedTuple):
    """A column of the leaderboard: a channel and a k."""

    channel: str
    channel_uses: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as described in its file. Every entry belongs to one digest of its task."""

    name: str
    version: int
    title: str
    recipe: str  # of the data, and of semlink's own entries
    images: int
    classes: int
    images_sha256: str  # of the test images and labels
    channels: tuple[str, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int
    seed: int
    targets: tuple[float, ...]  # accuracies in %, whose required SNR is listed
    charged: str
    known: str

    @property
    def digest(self) -> str:
        """A hash that is equal for equal tasks."""
        return digest(self)

    @property
    def places(self) -> Iterator[Place]:
        """The columns of the leaderboard."""
        return (Place(channel, k) for channel in self.channels for k in self.channel_uses)

    def grid(self) -> Grid:
        """The grid of a sweep over the task."""
        return Grid(
            channels=tuple(map(channel_from_name, self.channels)),
            snr_db=self.snr_db,
            channel_uses=self.channel_uses,
            realizations=self.realizations,
            seed=self.seed,
        )

    def test_split(self, dataset: Dataset) -> Split:
        """Select the task's images from the test images of a data set, which may have more.

        Raises: UserError if the data set does not have all of them.
        """
        listed = _listed(self.name)
        chosen = Pool(dataset.test.images.numpy(), dataset.test.labels.numpy())
        chosen = chosen if listed is None else chosen.take(_are_in(listed, chosen.images))
        if (found := images_key(chosen)) != self.images_sha256:
            raise UserError(
                f"--data must hold the {self.images} test images of task {self.name} with labels, "
                f"SHA-256 {self.images_sha256[:16]}, got {found[:16]} of "
                f"{len(dataset.test.labels)} test images of {dataset.name}; --resize is not allowed"
            )
        return Split(*map(torch.from_numpy, chosen))


def images_key(pool: Pool) -> str:
    """SHA-256 of images and labels, independent of the names of the classes."""
    return content_key((), {"test": pool})


def image_prefixes(images: NDArray[np.uint8]) -> list[bytes]:
    """The first bytes of the SHA-256 of every image's pixels, as stored in a list of images."""
    return [hashlib.sha256(image.tobytes()).digest()[:PREFIX] for image in images]


def _are_in(listed: frozenset[bytes], images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.array([prefix in listed for prefix in image_prefixes(images)], dtype=np.bool_)


def _listed(name: str) -> frozenset[bytes] | None:
    """Hash prefixes of a task's images; None if it has no list and takes all test images."""
    path = files("benchmarks.open") / "tasks" / f"{name}.images"
    if not path.is_file():
        return None
    content = path.read_bytes()
    return frozenset(content[at : at + PREFIX] for at in range(0, len(content), PREFIX))


def tasks() -> dict[str, Task]:
    """All tasks by name, the one with the fewest images first."""
    folder = files("benchmarks.open") / "tasks"
    texts = (own.read_text(encoding="utf-8") for own in folder.iterdir() if _is_task(own.name))
    found = (_task(tomllib.loads(text)) for text in texts)
    return {task.name: task for task in sorted(found, key=lambda task: task.images)}


def task_named(name: str) -> Task:
    """The task of this name. Raises: UserError if there is none."""
    known = tasks()
    if name not in known:
        hint = did_you_mean(name, known)
        raise UserError(f"--task must be one of {', '.join(known)}, got {name!r}{hint}")
    return known[name]


def _is_task(name: str) -> bool:
    return name.endswith(".toml")


def _task(table: dict[str, Any]) -> Task:
    """A task from the table of its file: lists become tuples, SNRs and targets floats."""
    values = {own.name: table[own.name] for own in fields(Task)}
    values |= {name: tuple(map(float, values[name])) for name in ("snr_db", "targets")}
    values |= {name: tuple(values[name]) for name in ("channels", "channel_uses")}
    return Task(**values)
