"""Decoded data sets on disk, so that images are decoded once.

The name of a cache file is the SHA-256 over the bytes and the relative names of the source files,
the requested size and the version of the format. The file also stores the key of its content. It is
written to a temporary path and moved into place; a damaged file is replaced.
"""

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
from simulator.storage.files import cached_tensors, file_hash, load_tensors, save_tensors

FORMAT = 4  # to be raised when the same files would be decoded, split or remarked on differently
Source = ImageFolders | ParquetFiles  # a data set that was found, but is not yet decoded


def read_cached(source: Source, cache: Path | None, resize: int | None = None) -> Decoded:
    """The decoded data set: read from the cache folder, or else decoded and written there.

    If the cache cannot be written, one line on stderr reports it, and the data is used uncached.
    """
    name = f"{_source_hash(source, resize)}.safetensors"
    try:
        path = (cache or default_cache()) / name
    except RuntimeError as error:  # no home folder
        decoded = source.read(resize)
        _say(f"no cache folder ({error})")
        return decoded
    if (loaded := _load(path)) is not None:
        return loaded
    decoded = source.read(resize)
    _keep(path, *_packed(decoded), what="decoded images")
    return decoded


def kept(name: str, key: str, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The result of `compute`, cached: read from a file with this key, or else written there.

    If the cache cannot be written, one line on stderr reports it.
    """
    try:
        path = default_cache() / name
    except RuntimeError as error:  # no home folder
        _say(f"no cache folder ({error})")
        return compute()
    if (found := cached_tensors(path, key)) is None:
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
    """Write a file of the cache, or report on stderr why that failed."""
    try:
        save_tensors(path, tensors, header)
    except OSError as error:
        _say(f"{what} not kept in {path.parent} ({error.strerror or error})")


@functools.cache  # one report is enough if many files cannot be written
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
    """The content of a cache file; None if it is missing, damaged or does not match its key."""
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
