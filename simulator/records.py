"""Run folders: weights, checkpoints, tables and what they were made from; alone in writing them.

Weights are safetensors with a JSON header that says what they are. Every file is written beside
its place, flushed to disk and moved there, so that a reader never meets half a file, nor does a
power cut leave one.
"""

import errno
import hashlib
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from simulator.config import digest
from simulator.errors import UserError

FIGURE_NAME = re.compile(r"accuracy_(snr_k\d+|uses_snr-?[\d.]+)\.(png|pdf)")
CHOICES = "choices.csv"  # what schemes chose on validation images
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "sionna-no-rt", "numpy", "pandas", "pillow", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a file of tensors was made from."""

    recipe: str
    part: str  # "student", "codec", ...
    description: Any  # JSON form of everything that shaped it
    data: str  # Dataset.key
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    seed: int
    made_from: dict[str, str]  # part -> SHA-256 of the file that it was trained on

    @property
    def key(self) -> str:
        """Short hash of all fields."""
        return digest(asdict(self))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, moved to `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder's files to disk, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header as one safetensors file, atomically."""
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"semlink": json.dumps(header)})
        except SafetensorError as error:
            reason = str(error).partition(": ")[2] or str(error)
            raise OSError(errno.EIO, reason, str(path)) from None


def forget(folder: Path, parts: Iterable[str]) -> None:
    """Remove a training's finished parts, checkpoints and caches, and nothing else."""
    forget_parts(folder, parts)
    for pattern in ("cache/*.safetensors", "cache/*/view_*.safetensors"):
        for cache in folder.glob(pattern):
            cache.unlink()


def forget_parts(folder: Path, parts: Iterable[str]) -> None:
    """Remove finished parts and their checkpoints, and nothing else."""
    for part in parts:
        for kind in ("weights", "checkpoints"):
            (folder / kind / f"{part}.safetensors").unlink(missing_ok=True)


def forget_results(folder: Path) -> None:
    """Remove the tables and the description of an earlier sweep, and nothing else."""
    for name in ("results.csv", "results.parquet", "timing.csv", CHOICES, "run.json"):
        (folder / name).unlink(missing_ok=True)


def forget_choices(folder: Path) -> None:
    """Remove the choices of an earlier sweep, and nothing else."""
    (folder / CHOICES).unlink(missing_ok=True)


def forget_figures(folder: Path) -> None:
    """Remove the figures of an earlier sweep, and nothing else."""
    for path in folder.glob("accuracy_*"):
        if FIGURE_NAME.fullmatch(path.name):
            path.unlink()


def forget_prepared(folder: Path) -> None:
    """Remove what a sweep prepared for its workers, half-written files too, and nothing else."""
    for pattern in ("*.safetensors", ".*.safetensors.*"):
        for path in folder.glob(pattern):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON header of a file written by `save_tensors`.

    Raises: UserError naming the file if it is missing, no safetensors, or not semlink's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["semlink"])
            if not isinstance(header, dict):
                raise KeyError
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} must be a safetensors file, but: {error}") from None
    except (KeyError, json.JSONDecodeError):
        raise UserError(f"{path} holds no semlink header; train it with semlink train") from None


def check_writable(folder: Path) -> None:
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
            f"--out must be a folder that can be written to, got {folder}: {reason}"
        ) from None
    finally:
        for path in missing:
            if path.is_dir():
                path.rmdir()


def write_json(path: Path, value: object) -> None:
    """Write JSON, indented, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_keyed(path: Path, key: str) -> dict[str, Any] | None:
    """The JSON object in a file that says by its `key` what it was made from; None if no file.

    Raises: UserError if it is damaged, or was made from something else.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = value["key"] == key
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} must be a JSON object with a key; remove it") from None
    if not same:
        raise UserError(
            f"{path} was made with other settings, data or seed; remove it, or choose another --out"
        )
    return value


def write_table(path: Path, rows: pd.DataFrame) -> None:
    """Write rows as CSV or Parquet, by the name's ending, atomically."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            rows.to_parquet(temporary, index=False)
        else:
            rows.to_csv(temporary, index=False, lineterminator="\n")


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


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, commit and machine, for run.json."""
    return {
        "semlink": version("semlink"),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {
            "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit() -> str:
    """The commit of the source tree, with "+" when files differ from it; "unknown" outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
