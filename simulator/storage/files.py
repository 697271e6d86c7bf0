"""Weights, checkpoints and tables; weights are safetensors with a JSON header of their origin.

Every file is written to a temporary path, flushed to disk and moved to its place, so that neither a
reader nor a power cut ever sees half a file.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from simulator.errors import UserError

# exceptions of numpy for an NPZ file that is damaged
DAMAGED_NPZ: Final = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError),
    *(RuntimeError, struct.error, zipfile.BadZipFile, zlib.error),
)
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")  # in safetensors' message, as for a full disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, moved to `path` if the block raises no error."""
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
        if error.filename not in (None, name):
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
            found = _SYSTEM_ERROR.search(str(error))
            number = int(found[1]) if found else errno.EIO
            reason = os.strerror(number) if found else str(error).partition(": ")[2] or str(error)
            raise OSError(number, reason, str(path)) from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON header of a file written by `save_tensors`; the file is memory-mapped.

    Raises: UserError naming the file if it is missing, not safetensors, or has no semlink header.
    """
    with _whole(path), safe_open(path, framework="pt") as file:
        header = _own(file.metadata())
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def cached_tensors(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors of a file with this key; None if it is missing, damaged or of another key."""
    with contextlib.suppress(UserError):
        tensors, header = load_tensors(path)
        if header.get("key") == key:
            return tensors
    return None


def read_header(path: Path) -> dict[str, Any]:
    """Only the JSON header. Raises: as `load_tensors`."""
    with _whole(path), safe_open(path, framework="pt") as file:
        return _own(file.metadata())


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, JSON header and SHA-256 of a file, read once. Raises: as `load_tensors`."""
    with _whole(path):
        content = path.read_bytes()
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")  # the format's own header: 8 bytes, then JSON
        header = _own(json.loads(content[8 : 8 + size]).get("__metadata__"))
    return tensors, header, hashlib.sha256(content).hexdigest()


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} must be a safetensors file, but: {error}") from None
    except (KeyError, json.JSONDecodeError):
        raise UserError(f"{path} holds no semlink header; train it with semlink train") from None


def _own(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    header = json.loads((metadata or {})["semlink"])
    if not isinstance(header, dict):
        raise KeyError
    return header


def write_json(path: Path, value: object) -> None:
    """Write JSON, indented, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_keyed(path: Path, key: str) -> dict[str, Any] | None:
    """The JSON object in a file whose `key` records its origin; None if there is no file.

    Raises: UserError if it is damaged, or has another key.
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
    """Write rows atomically as CSV."""
    with replacing(path) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
