"""Folders of training runs and sweeps: removal of old files, checks, locks, and results."""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas as pd
from filelock import FileLock, Timeout

from simulator.errors import UserError
from simulator.names import MEASURES
from simulator.storage.sums import forget_sum

FIGURE_NAME = re.compile(
    rf"({'|'.join(MEASURES)})_(snr_k\d+|uses_snr-?[\d.]+)(_[\w.-]+)?\.(png|pdf|txt|tex)"
)
SWEEPING: Final = ".lock"
TRAINING: Final = ".training.lock"  # separate: a folder may be swept while more is trained
REPORT: Final = "report.html"
QUALITY: Final = ("psnr_db", "ssim")  # prefixes of columns, empty without decoded images
CHOICES = "choices.csv"  # choices of schemes on validation images
SAMPLES: Final = "samples.safetensors"  # a few images and symbols as received
OUTCOMES: Final = "outcomes.npz"  # the outcome of every image
TEXTS: Final = ("scheme", "channel", "settings")  # columns of results.csv
NUMBERS: Final = (
    *("snr_db", "channel_uses", "images", "realizations"),
    *("correct", "transmissions", "accuracy", "ci_low", "ci_high"),
)
DESCRIBED: Final = ("title", "classes", "image_shape")  # required entries of `data` in run.json
SAVED: Final = "saved_from_memory"  # key in run.json of results without a journal


def remove(folder: Path, *patterns: str) -> None:
    """Remove the files of a folder that match one of the patterns, and nothing else."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def forget(folder: Path, parts: Iterable[str]) -> None:
    """Remove a training's finished parts, checkpoints and caches, and nothing else."""
    forget_parts(folder, parts)
    remove(folder, "cache/*.safetensors", "cache/*/view_*.safetensors")


def forget_parts(folder: Path, parts: Iterable[str]) -> None:
    """Remove finished parts and their checkpoints, and nothing else."""
    for part in parts:
        forget_sum(folder / "weights" / f"{part}.safetensors")
        for kind in ("weights", "checkpoints"):
            (folder / kind / f"{part}.safetensors").unlink(missing_ok=True)


def forget_results(folder: Path) -> None:
    """Remove tables, samples, description and report of an earlier sweep, and nothing else."""
    remove(folder, "results.csv", "timing.csv", "run.json")
    remove(folder, "results.parquet")  # of earlier versions
    remove(folder, CHOICES, SAMPLES, REPORT, OUTCOMES)


def was_saved(folder: Path) -> bool:
    """Whether `Results.save` wrote the sweep in a folder, so that it has no journal."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and bool(run.get(SAVED))


def forget_figures(folder: Path) -> None:
    """Remove the figures of an earlier sweep, and nothing else."""
    for path in folder.glob("*_*"):
        if FIGURE_NAME.fullmatch(path.name):
            path.unlink()


def forget_prepared(folder: Path) -> None:
    """Remove what a sweep prepared for its workers, half-written files too, and nothing else."""
    remove(folder, "*.safetensors", ".*.safetensors.*")
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def check_writable(folder: Path, *, option: str = "--out") -> None:
    """Check that a folder can be made and written to, and leave everything as it was.

    Raises: UserError naming the folder.
    """
    try:
        nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        with tempfile.TemporaryDirectory(dir=nearest) as trial:
            (Path(trial) / folder.relative_to(nearest)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{option} must be a folder that can be written to, got {folder}: {reason}"
        ) from None


@contextmanager
def replacing_folder(folder: Path, *, mark: str) -> Iterator[Path]:
    """A temporary folder beside `folder`, moved to its place if the block raises no error.

    An existing folder is replaced if it is empty or holds the file `mark`.

    Raises: UserError if `folder` holds anything else, or is a file.
    """
    place = folder.resolve()
    if place.exists() and not (place / mark).is_file() and not _empty(place):
        raise UserError(
            f"--out must be a new or empty folder, or one that holds {mark}, got {folder}"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as name:
        made = Path(name) / "new"
        made.mkdir()
        yield made
        if place.exists():
            place.replace(Path(name) / "old")
        made.replace(place)


def _empty(place: Path) -> bool:
    return place.is_dir() and not any(place.iterdir())


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock `name` of a folder within the block; the folder is made if it is missing.

    Raises: UserError if another process holds the lock, or the folder cannot be locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{folder} is in use by another semlink process; wait for it, or choose another --out"
        ) from None
    except OSError as error:  # the disk is full, or has no file locks
        raise UserError(
            f"{folder} must be a folder that can be locked, but: {error.strerror or error}; "
            "make room there, or choose an --out on a disk with file locks"
        ) from None
    try:
        yield
    finally:
        lock.release()


def read_results(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows (results.csv) and description (run.json) of a finished sweep.

    Raises: UserError naming what is missing or cannot be read.
    """
    if not folder.is_dir():
        found = "is a file; name its folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} must be the folder of a finished sweep, but {found}")
    for name in ("results.csv", "run.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} must hold a finished sweep, but {name} is missing")
    try:
        rows = pd.read_csv(
            folder / "results.csv",
            dtype=dict.fromkeys(TEXTS, str),
            keep_default_na=False,
            na_values=[""],
        )
        run: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{folder} holds damaged results: {error}") from None
    _check_rows(folder / "results.csv", rows)
    if not isinstance(run, dict) or not isinstance(run.get("data"), dict):
        raise UserError(f"{folder / 'run.json'} must describe a sweep; sweep again")
    if missing := [name for name in DESCRIBED if name not in run["data"]]:
        raise UserError(
            f"{folder / 'run.json'} must hold {', '.join(missing)} of the data; sweep again"
        )
    return rows, run


def _check_rows(path: Path, rows: pd.DataFrame) -> None:
    """Check that a table has the columns of a sweep, without gaps. Raises: UserError."""
    gaps = rows.columns.str.startswith(QUALITY) | (rows.columns == "train_seed")
    missing = [name for name in (*TEXTS, *NUMBERS) if name not in rows.columns]
    if rows.empty or missing or rows.loc[:, ~gaps].isna().any(axis=None):
        lacks = f"; missing: {', '.join(missing)}" if missing else ""
        raise UserError(f"{path} must hold rows of a sweep without gaps{lacks}")
    if wrong := [name for name in NUMBERS if not pd.api.types.is_numeric_dtype(rows[name])]:
        raise UserError(f"{path} must hold numbers in {', '.join(wrong)}; sweep again")
