"""Folders of trainings and sweeps: what may be removed, can they be written to, what they hold."""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.errors import UserError

FIGURE_NAME = re.compile(
    r"(accuracy|error)_(snr_k\d+|uses_snr-?[\d.]+)(_[\w.-]+)?\.(png|pdf|txt|tex)"
)
CHOICES = "choices.csv"  # what schemes chose on validation images


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
    """Remove the tables and the description of an earlier sweep, and nothing else."""
    remove(folder, "results.csv", "results.parquet", "timing.csv", CHOICES, "run.json")


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


def read_results(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and description of a finished sweep.

    Raises: UserError naming what is missing or cannot be read.
    """
    for name in ("results.csv", "run.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} must hold a finished sweep, but {name} is missing")
    try:
        rows = pd.read_csv(folder / "results.csv", dtype={"settings": str})
        run: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{folder} holds damaged results: {error}") from None
    if rows.empty or rows.isna().any(axis=None) or "accuracy" not in rows.columns:
        raise UserError(f"{folder / 'results.csv'} must hold rows of a sweep without gaps")
    if not isinstance(run, dict) or not isinstance(run.get("data"), dict):
        raise UserError(f"{folder / 'run.json'} must describe a sweep; sweep again")
    return rows, run
