"""Decoded data sets on disk, so that images are decoded once.

A cache file is named after the SHA-256 of the source files' bytes, their names below the folder,
the size asked for and the version of the format, and carries the key of what it holds. It is
written beside its place and moved there; one that is damaged is made again.
"""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simulator.data.folders import ImageFolders
from simulator.data.parquet import ParquetFiles
from simulator.data.splits import SPLITS, Decoded, Pool, content_key
from simulator.errors import UserError
from simulator.storage.files import file_hash, load_tensors, save_tensors

FORMAT = 4  # to be raised whenever the same files would be decoded, split or remarked on otherwise
Source = ImageFolders | ParquetFiles  # a data set as it was found, not yet decoded


def read_cached(source: Source, cache: Path | None, resize: int | None = None) -> Decoded:
    """The decoded data set, from the cache folder if it is there, else decoded and kept there.

    Where the cache cannot be written, one line on stderr says so and the data is used without.
    """
    name = f"{_source_hash(source, resize)}.safetensors"
    try:
        path = (cache or default_cache()) / name
    except RuntimeError as error:  # no home folder
        decoded = source.read(resize)
        _say(f"no cache folder ({error})")
        return decoded
    if (kept := _load(path)) is not None:
        return kept
    decoded = source.read(resize)
    _keep(path, *_packed(decoded), what="decoded images")
    return decoded


def kept(name: str, key: str, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What is computed, from the cache folder if it is there with this key, else kept there.

    Where the cache cannot be written, one line on stderr says so.
    """
    try:
        path = default_cache() / name
    except RuntimeError as error:  # no home folder
        _say(f"no cache folder ({error})")
        return compute()
    with contextlib.suppress(UserError):  # not there, or damaged
        found, header = load_tensors(path)
        if header.get("key") == key:
            return found
    found = compute()
    _keep(path, found, {"key": key}, what="results for later runs")
    return found


def default_cache() -> Path:
    """$SEMLINK_CACHE, else $XDG_CACHE_HOME/semlink, else ~/.cache/semlink.

    Raises: RuntimeError if there is no home folder.
    """
    if own := os.environ.get("SEMLINK_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "semlink"


def _keep(path: Path, tensors: dict[str, Tensor], header: dict[str, Any], *, what: str) -> None:
    """Write a file of the cache, or say why it is not there."""
    try:
        save_tensors(path, tensors, header)
    except OSError as error:
        _say(f"{what} not kept in {path.parent} ({error.strerror or error})")


@functools.cache  # once is enough where many files cannot be kept
def _say(reason: str) -> None:
    line = " ".join(reason.split())
    print(f"semlink: {line}; set SEMLINK_CACHE to a folder with room", file=sys.stderr)


def _source_hash(source: Source, resize: int | None) -> str:
    digest = hashlib.sha256(f"semlink data {FORMAT} {resize}".encode())
    for path in source.files:
        name = os.fsencode(path.relative_to(source.folder).as_posix())
        digest.update(len(name).to_bytes(8) + name + bytes.fromhex(file_hash(path)))
    return digest.hexdigest()


def _packed(decoded: Decoded) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {}
    for split, pool in decoded.pools.items():
        tensors[f"{split}.images"] = torch.from_numpy(pool.images)
        tensors[f"{split}.labels"] = torch.from_numpy(pool.labels)
    told = {"classes": decoded.classes, "key": decoded.key, "remarks": decoded.remarks}
    return tensors, told


def _load(path: Path) -> Decoded | None:
    """What the file holds; None if there is none, or its content is not what its key says."""
    try:
        tensors, header = load_tensors(path)
        classes, key = tuple(header["classes"]), str(header["key"])
        pools = {
            split: Pool(tensors[f"{split}.images"].numpy(), tensors[f"{split}.labels"].numpy())
            for split in SPLITS
            if f"{split}.images" in tensors
        }
        remarks = tuple(map(str, header["remarks"]))
        decoded = Decoded(classes, pools, content_key(classes, pools), remarks)
    except (UserError, KeyError, TypeError, ValueError):
        return None
    return decoded if decoded.key == key else None
