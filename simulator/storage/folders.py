"""Folders of trainings and sweeps: what may be removed, can they be written to, what they hold."""

import json
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

FIGURE_NAME = re.compile(
    rf"({'|'.join(MEASURES)})_(snr_k\d+|uses_snr-?[\d.]+)(_[\w.-]+)?\.(png|pdf|txt|tex)"
)
SWEEPING: Final = ".lock"
TRAINING: Final = ".training.lock"  # its own: what is trained may be swept beside what is not yet
REPORT: Final = "report.html"
QUALITY: Final = ("psnr_db", "ssim")  # columns of decoded images begin so; empty for others
CHOICES = "choices.csv"  # what schemes chose on validation images
SAMPLES: Final = "samples.safetensors"  # a few images and symbols as they arrive


def remove(folder: Path, *patterns: str) -> None:
    """Remove the files of a folder that fit one of the patterns, and nothing else."""
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
        for kind in ("weights", "checkpoints"):
            (folder / kind / f"{part}.safetensors").unlink(missing_ok=True)


def forget_results(folder: Path) -> None:
    """Remove tables, samples, description and report of an earlier sweep, and nothing else."""
    remove(folder, "results.csv", "results.parquet", "timing.csv", "run.json")
    remove(folder, CHOICES, SAMPLES, REPORT)


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
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{option} must be a folder that can be written to, got {folder}: {reason}"
        ) from None
    finally:
        for path in missing:
            if path.is_dir():
                path.rmdir()


@contextmanager
def replacing_folder(folder: Path, *, mark: str) -> Iterator[Path]:
    """A temporary folder beside this one, moved to its place when the block ends well.

    One that is there already is replaced if it holds the file `mark`, or nothing.

    Raises: UserError if it holds something else, or is a file.
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
    """No other process works in this folder under a lock of this name; the folder is made.

    Raises: UserError if one does, or the folder cannot be locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{folder} is in use by another semlink process; wait for it, or choose another --out"
        ) from None
    except OSError as error:  # a full disk, or one without file locks
        raise UserError(
            f"{folder} must be a folder that can be locked, but: {error.strerror or error}; "
            "make room there, or choose an --out on a disk with file locks"
        ) from None
    try:
        yield
    finally:
        lock.release()


def read_results(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and description of a finished sweep.

    Raises: UserError naming what is missing or cannot be read.
    """
    if not folder.is_dir():
        found = "is a file; name its folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} must be the folder of a finished sweep, but {found}")
    for name in ("results.csv", "run.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} must hold a finished sweep, but {name} is missing")
    try:
        text = dict.fromkeys(("scheme", "channel", "settings"), str)
        rows = pd.read_csv(
            folder / "results.csv", dtype=text, keep_default_na=False, na_values=[""]
        )
        run: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{folder} holds damaged results: {error}") from None
    gaps = rows.columns.str.startswith(QUALITY) | (rows.columns == "train_seed")
    if rows.empty or rows.loc[:, ~gaps].isna().any(axis=None) or "accuracy" not in rows.columns:
        raise UserError(f"{folder / 'results.csv'} must hold rows of a sweep without gaps")
    if not isinstance(run, dict) or not isinstance(run.get("data"), dict):
        raise UserError(f"{folder / 'run.json'} must describe a sweep; sweep again")
    return rows, run
