"""SHA-256 of finished weights, listed beside them, so that damaged files are found.

`SHA256SUMS` is in the format of sha256sum: `sha256sum -c SHA256SUMS` checks a folder by hand.
"""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from simulator.errors import UserError
from simulator.storage.files import file_hash, read_weights, replacing

LIST = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def note_sum(path: Path) -> None:
    """Add the SHA-256 of a file of weights to the list, or replace it there."""
    listed, name = _place(path)
    _write(listed, {**_read(listed), name: file_hash(path)})


def forget_sum(path: Path) -> None:
    """Remove a file of weights from the list, before it is deleted or replaced."""
    listed, name = _place(path)
    sums = _read(listed)
    if sums.pop(name, None) is not None:
        _write(listed, sums)


def _write(listed: Path, sums: dict[str, str]) -> None:
    text = "".join(f"{own}  {file}\n" for file, own in sorted(sums.items()))
    with replacing(listed) as temporary:
        temporary.write_text(text, encoding="utf-8")


def checked_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """As `read_weights`. Raises: UserError also if the list has another SHA-256 of the file."""
    listed, name = _place(path)
    known = _read(listed).get(name)
    if known is not None and path.exists() and file_hash(path) != known:
        raise UserError(
            f"{path} is damaged, or was replaced: {listed} has another SHA-256 for it; restore the "
            "file, or train it again; if it was replaced on purpose, remove its line from the list"
        )
    return read_weights(path)


def _place(path: Path) -> tuple[Path, str]:
    """The list that a file of weights belongs to, and the file's name in it."""
    return path.parent.parent / LIST, f"{path.parent.name}/{path.name}"


def _read(listed: Path) -> dict[str, str]:
    """The listed names and their SHA-256; empty if there is no list."""
    try:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {match[2]: match[1] for match in map(_LINE.fullmatch, lines) if match}
