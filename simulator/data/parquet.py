"""Data sets in the parquet layout of the Hugging Face hub.

Files are named `train-*.parquet`, `validation-*.parquet` and `test-*.parquet`, in any number of
shards each; or they have any names in folders `train`, `validation` and `test`, as the hub converts
them. A column `img` or `image` holds image files (binary, or struct of `bytes` and `path`), a
column `label` or `fine_label` class numbers or names. Other columns are not read. Rows in messages
count from 0.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulator.data.folders import natural
from simulator.data.images import ImageFile, decode_all
from simulator.data.remarks import remarked
from simulator.data.splits import SPLITS, Decoded, arrange
from simulator.errors import UserError

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label")
_NAME = re.compile(rf"({'|'.join(SPLITS)})(-.*)?\.parquet")
_SHARD = re.compile(r".*-(\d+)-of-(\d+)(-[0-9a-f]+)?\.parquet")  # some writers append a hash
MAX_CLASSES = 1 << 20  # a larger label is taken for an error
_ROWS = 1000  # images read at a time


class _Shard(NamedTuple):
    split: str
    path: Path
    image_column: str  # to read; "image.bytes" of a struct
    labels: NDArray[np.int64]  # [rows]
    names: tuple[str, ...] | None  # of the classes, if the file has them
    words: bool  # whether the file stores labels as names


@dataclass(frozen=True, kw_only=True)
class ParquetFiles:
    """The shards of every split, in the order of their names."""

    folder: Path
    shards: tuple[tuple[str, Path], ...]  # (split, file)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that determine the content."""
        return tuple(path for _, path in self.shards)

    def read(self, resize: int | None = None) -> Decoded:
        """Decode and split. Raises: UserError naming the first invalid file."""
        shards = _united([_read_labels(split, path) for split, path in self.shards])
        classes = _classes(shards, self.folder)
        images = (image for shard in shards for image in _images(shard))
        total = sum(len(shard.labels) for shard in shards)
        pictures = decode_all(images, total=total, resize=resize)
        return remarked(arrange(classes, *pictures, name=str(self.folder)))


def parquet_files(folder: Path) -> list[Path]:
    """The visible parquet files that lie in the folder itself, by name."""
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def holds_parquet(folder: Path) -> bool:
    """Whether parquet files lie in the folder, or in folders of splits below it."""
    return bool(parquet_files(folder) or any(parquet_files(folder / split) for split in SPLITS))


def find_parquet_files(folder: Path) -> ParquetFiles:
    """List the shards in `folder`, or in folders of splits below it.

    Raises: UserError naming the file or folder if a name belongs to no split, a shard is missing or
    there is no test split.
    """
    shards = _by_name(folder) if parquet_files(folder) else _by_folder(folder)
    for split in SPLITS:
        _check_complete([path for name, path in shards if name == split])
    if not any(split == "test" for split, _ in shards):
        raise UserError(
            f"{folder}: no test split; it needs a file named test-*.parquet, or parquet files in "
            "test/"
        )
    return ParquetFiles(folder=folder, shards=tuple(shards))


def _by_folder(folder: Path) -> list[tuple[str, Path]]:
    return [(split, path) for split in SPLITS for path in parquet_files(folder / split)]


def _by_name(folder: Path) -> list[tuple[str, Path]]:
    shards: list[tuple[str, Path]] = []
    for path in parquet_files(folder):
        match = _NAME.fullmatch(path.name)
        if match is None:
            above = f"name {folder.resolve().parent}, or " if folder.name in SPLITS else ""
            raise UserError(
                f"{path}: parquet files must be named train-*, validation-* or test-*; {above}"
                "rename or move it"
            )
        shards.append((match[1], path))
    return shards


def _check_complete(paths: list[Path]) -> None:
    """Check that of shards named "i of n" each of the n is there exactly once."""
    matches = list(filter(None, (_SHARD.fullmatch(path.name) for path in paths)))
    totals = {int(match[2]) for match in matches}
    numbers = sorted(int(match[1]) for match in matches)
    if matches and (totals != {len(paths)} or numbers != list(range(len(paths)))):
        raise UserError(
            f"{paths[0].parent}: of n files named i-of-n each must exist once, got "
            f"{', '.join(path.name for path in paths)}; fetch the others or remove the old ones"
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: not a readable parquet file, is it complete? ({reason})"
        ) from None


def _read_labels(split: str, path: Path) -> _Shard:
    with _readable(path), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        image_column = _column(schema.names, IMAGE_COLUMNS, path)
        label_column = _column(schema.names, LABEL_COLUMNS, path)
        image_type, label_type = schema.field(image_column).type, schema.field(label_column).type
        if _bytes_of(image_column, image_type) is None:
            raise UserError(
                f"{path}: column {image_column} must hold image files, binary or as a struct with "
                f"a field bytes, got {image_type}"
            )
        column = file.read(columns=[label_column]).column(0)
    labels, words = _labels(column.to_pylist(), label_type, f"{path}: column {label_column}")
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < MAX_CLASSES:
            raise UserError(
                f"{path} row {row}: labels must be class numbers from 0 to {MAX_CLASSES - 1}, "
                f"got {label}; a split without labels is of no use here"
            )
    names = words or _class_names(schema, label_column)
    image_column = _bytes_of(image_column, image_type) or image_column
    return _Shard(split, path, image_column, np.array(labels, dtype=np.int64), names, bool(words))


def _bytes_of(name: str, kind: pa.DataType) -> str | None:
    """The column, or the field in it, that holds image files; None if there is none."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name
    return (
        f"{name}.bytes" if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else None
    )


def _labels(
    values: list[Any], kind: pa.DataType, where: str
) -> tuple[list[int | None], tuple[str, ...] | None]:
    """Class numbers; if labels are stored as names, also the sorted names, which these number.

    Raises: UserError if labels are neither numbers nor names.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(kind):
        return values, None
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"{where} must be of integers or class names, got {kind}")
    words = tuple(sorted({value for value in values if value is not None}, key=natural))
    number = {word: index for index, word in enumerate(words)}
    return [number.get(value) for value in values], words


def _united(shards: list[_Shard]) -> list[_Shard]:
    """The shards; if labels are stored as names, all use the same numbers."""
    if not any(shard.words for shard in shards):
        return shards
    for shard in shards:
        if not shard.words and len(shard.labels):
            raise UserError(f"{shard.path}: labels must be class names, as in the other files")
    names = tuple(sorted({name for own in shards for name in own.names or ()}, key=natural))
    place = {name: index for index, name in enumerate(names)}
    return [
        shard._replace(
            labels=np.array([place[name] for name in shard.names or ()], np.int64)[shard.labels],
            names=names,
        )
        for shard in shards
    ]


def _column(names: list[str], wanted: tuple[str, ...], path: Path) -> str:
    found = [name for name in names if name in wanted]
    if len(found) != 1:
        raise UserError(
            f"{path}: there must be one column named {' or '.join(wanted)}, got {', '.join(names)}"
        )
    return found[0]


def _class_names(schema: pa.Schema, label_column: str) -> tuple[str, ...] | None:
    """The names that the library `datasets` writes into the metadata; None if there are none."""
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])
        names = described["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def _classes(shards: list[_Shard], folder: Path) -> tuple[str, ...]:
    """Class names, "0" to "N - 1" if no file has them. Raises: UserError if labels do not fit."""
    for split in sorted({shard.split for shard in shards}):
        if not any(len(shard.labels) for shard in shards if shard.split == split):
            raise UserError(f"{folder}: the {split} split holds no images")
    named = [shard for shard in shards if shard.names is not None]
    for shard in named:
        if shard.names != named[0].names:
            raise UserError(
                f"{shard.path}: all files must have the same classes, but these differ from those "
                f"of {named[0].path}"
            )
    largest = max(int(shard.labels.max(initial=0)) for shard in shards)
    classes = named[0].names if named else None
    classes = classes or tuple(map(str, range(largest + 1)))
    _check_labels(shards, classes, folder)
    return classes


def _check_labels(shards: list[_Shard], classes: tuple[str, ...], folder: Path) -> None:
    if len(classes) < 2:
        raise UserError(f"{folder}: there must be at least two classes, got {len(classes)}")
    for shard in shards:
        row = int(np.argmax(shard.labels >= len(classes)))
        if len(shard.labels) and shard.labels[row] >= len(classes):
            raise UserError(
                f"{shard.path} row {row}: labels must be below {len(classes)}, the number of "
                f"classes in the file, got {shard.labels[row]}"
            )
    if train := [shard.labels for shard in shards if shard.split == "train"]:
        counts = np.bincount(np.concatenate(train), minlength=len(classes))
        if not counts.all():
            empty = int(np.argmin(counts))
            raise UserError(
                f"{folder}: every class must have training images, but class {empty} "
                f"({classes[empty]}) of the {len(classes)} has none"
            )


def _images(shard: _Shard) -> Iterator[ImageFile]:
    row = 0
    with _readable(shard.path), pq.ParquetFile(shard.path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=[shard.image_column]):
            for entry in batch.column(0).to_pylist():
                name = f"{shard.path} row {row}"
                content = entry["bytes"] if isinstance(entry, dict) else entry
                if content is None:
                    raise UserError(f"{name}: the image bytes are missing")
                yield ImageFile(shard.split, int(shard.labels[row]), name, content)
                row += 1
