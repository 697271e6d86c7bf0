"""A submission as a folder of answers: the decided classes of the submitter's own simulation.

`answers.npz` has an array `CHANNEL_kK`, such as `awgn_k16`, for each submitted column of the
leaderboard: integers [S, R, N] for the task's S SNRs, R realisations and N test images in order,
each a class number, or -1 for an outage. `submission.toml` describes the authors and the method.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.open.about import About, about_of, line_of
from benchmarks.open.entry import Outcomes
from benchmarks.open.task import Place, Task
from simulator.errors import UserError, did_you_mean
from simulator.storage.files import DAMAGED_NPZ, file_hash

ANSWERS, DESCRIPTION = "answers.npz", "submission.toml"
KEYS = ("name", "authors", "description", "link", "simulation", "charged")
OUTAGE = -1


class Answers(NamedTuple):
    """A folder of answers: its description, hashes of its files, outcomes by column."""

    about: About
    files: Mapping[str, str]
    settings: str  # what is charged, and how it was simulated
    outcomes: Mapping[Place, Outcomes]


def read_answers(folder: Path, task: Task, labels: NDArray[np.int64]) -> Answers:
    """The answers in a folder, compared with the labels [N] of the task's test images.

    Raises: UserError naming the file and what is wrong in it.
    """
    for name in (DESCRIPTION, ANSWERS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} must hold {DESCRIPTION} and {ANSWERS}; {name} is missing")
    table, where = _described(folder / DESCRIPTION), str(folder / DESCRIPTION)
    about = about_of(table, where=where)
    told = (line_of(table, key, where=where) for key in ("charged", "simulation"))
    settings = "; simulation: ".join(told)
    outcomes = {
        place: _outcomes(answers, labels)
        for place, answers in _arrays(folder / ANSWERS, task).items()
    }
    hashes = {name: file_hash(folder / name) for name in (DESCRIPTION, ANSWERS)}
    return Answers(about, hashes, settings, outcomes)


def key_of(place: Place) -> str:
    """Name of the array of a column."""
    return f"{place.channel}_k{place.channel_uses}"


def _described(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} must be a TOML file: {error}") from None
    if alien := next((key for key in table if key not in KEYS), None):
        hint = did_you_mean(alien, KEYS)
        raise UserError(f"{path} must have the keys {', '.join(KEYS)}, got {alien}{hint}")
    return table


def _arrays(path: Path, task: Task) -> dict[Place, NDArray[np.integer]]:
    """The arrays of a file by column, checked, in the order of the task's columns."""
    places = {key_of(place): place for place in task.places}
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except DAMAGED_NPZ:
        raise UserError(f"{path} must be a file of numpy.savez with arrays of integers") from None
    if alien := next((key for key in found if key not in places), None):
        raise UserError(
            f"{path} must have one or more of the arrays {', '.join(places)}, got {alien}"
            f"{did_you_mean(alien, places)}"
        )
    if not found:
        raise UserError(f"{path} must have one or more of the arrays {', '.join(places)}, got none")
    for key, answers in found.items():
        _check(answers, f"{path}: {key}", task)
    return {place: found[key] for key, place in places.items() if key in found}


def _check(answers: NDArray[Any], where: str, task: Task) -> None:
    """Raises: UserError unless there is a class or -1 for every SNR, draw and image."""
    shape = len(task.snr_db), task.realizations, task.images
    if answers.dtype.kind not in "iu" or answers.shape != shape:
        raise UserError(
            f"{where} must be integers [SNRs, draws, images] = {list(shape)}, got "
            f"{answers.dtype} {list(answers.shape)}"
        )
    wrong = (answers < OUTAGE) | (answers >= task.classes)
    if wrong.any():
        raise UserError(
            f"{where} must be class numbers from 0 to {task.classes - 1}, or {OUTAGE} for an "
            f"outage, got {answers[wrong][0]}"
        )


def _outcomes(answers: NDArray[np.integer], labels: NDArray[np.int64]) -> Outcomes:
    return Outcomes(*((answers == own).sum(axis=1).astype(np.uint8) for own in (labels, OUTAGE)))
