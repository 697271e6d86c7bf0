"""An entry: description, origin, and the outcomes of every image, in one JSON file."""

import base64
import itertools
import json
import lzma
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.open.about import About
from benchmarks.open.task import Place, Task
from simulator.errors import UserError
from simulator.storage.files import write_json

Origin = Literal["run by semlink", "own simulation"]
RUN: Final = "run by semlink"
OWN: Final = "own simulation"
BITS = 8  # per count
Counts = NDArray[np.uint8]  # [S, N]: number of realisations, at most 255, per SNR and image


class Outcomes(NamedTuple):
    """The outcomes of one column: numbers of correct decisions and of outages.

    Shapes: right, outages [S, N]; S SNRs, N images.
    """

    right: Counts
    outages: Counts


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """A scheme on a task; columns that it does not serve are missing."""

    task: str
    task_digest: str
    about: About
    origin: Origin
    submission: Mapping[str, str]  # what was submitted: file or part -> SHA-256
    made_with: Mapping[str, str]  # versions and commit
    settings: Mapping[int, str]  # k -> what is charged and known
    outcomes: Mapping[Place, Outcomes]


def path_of(folder: Path, task: str, name: str) -> Path:
    """The file of an entry."""
    return folder / task / f"{name.replace(':', '-')}.json"


def write_entry(folder: Path, entry: Entry) -> Path:
    """Write an entry, atomically; the same entry gives the same bytes."""
    path = path_of(folder, entry.task, entry.about.name)
    head = ("task", "task_digest", "origin", "submission", "made_with", "settings")
    described = {name: getattr(entry, name) for name in head}
    columns = [place._asdict() for place in entry.outcomes]
    packed = _packed(np.array(list(entry.outcomes.values())))
    write_json(path, {**asdict(entry.about), **described, "columns": columns, "outcomes": packed})
    return path


def read_entry(path: Path, task: Task) -> Entry:
    """Read an entry of a task.

    Raises: UserError if the file is damaged, or belongs to another version of the task.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        entry = Entry(
            task=str(table["task"]),
            task_digest=str(table["task_digest"]),
            about=About(**{own.name: str(table[own.name]) for own in fields(About)}),
            origin=_origin(table["origin"]),
            submission=dict(table["submission"]),
            made_with=dict(table["made_with"]),
            settings={int(k): str(text) for k, text in table["settings"].items()},
            outcomes=_outcomes(table, task),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, lzma.LZMAError):
        raise UserError(
            f"{path} must be an entry of task {task.name} as semlink submit writes it, but is "
            "damaged; remove it, or submit it again"
        ) from None
    if entry.task_digest != task.digest:
        raise UserError(
            f"{path} belongs to another version of task {task.name} (digest {entry.task_digest}, "
            f"now {task.digest}); remove it, and submit it again"
        )
    return entry


def entries_of(folders: Sequence[Path], task: Task) -> list[Entry]:
    """The entries of a task in some folders, by name; of equal names, the last folder's counts."""
    paths = {path.name: path for own in folders for path in (own / task.name).glob("*.json")}
    return [read_entry(paths[name], task) for name in sorted(paths)]


def _origin(text: str) -> Origin:
    """The origin that a text names. Raises: KeyError if there is none."""
    known: dict[str, Origin] = {RUN: RUN, OWN: OWN}
    return known[text]


def _outcomes(table: Mapping[str, Any], task: Task) -> dict[Place, Outcomes]:
    """Outcomes by column. Raises: ValueError if columns or counts do not fit the task."""
    places = [Place(str(own["channel"]), int(own["channel_uses"])) for own in table["columns"]]
    counts = _unpacked(table["outcomes"], (len(places), 2, len(task.snr_db), task.images))
    right, outages = counts.astype(int).swapaxes(0, 1)
    if not set(places) <= set(task.places) or (right + outages).max() > task.realizations:
        raise ValueError(places)
    return dict(zip(places, itertools.starmap(Outcomes, counts), strict=True))


def _packed(counts: Counts) -> str:
    """Counts as text: their bit planes one after the other, compressed, in base64."""
    planes = np.packbits(np.unpackbits(counts.reshape(-1, 1), axis=1).T, axis=1)
    return base64.b64encode(lzma.compress(planes.tobytes(), format=lzma.FORMAT_ALONE)).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> Counts:
    """Counts from the text of `_packed`. Raises: ValueError if their number does not fit."""
    content = np.frombuffer(lzma.decompress(base64.b64decode(text)), dtype=np.uint8)
    planes = np.unpackbits(content.reshape(BITS, -1), axis=1)[:, : math.prod(shape)]
    counts: Counts = np.packbits(planes, axis=0).reshape(shape)
    return counts
