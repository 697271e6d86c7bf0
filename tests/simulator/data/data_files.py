"""Small data sets on disk, for tests of the code that reads them."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from simulator.data.dataset import Split


def pictures(number: int, seed: int = 0, *, grey: bool = False) -> NDArray[np.uint8]:
    """Random images [N, H, W, 3], or [N, H, W]; no two are equal."""
    shape = (number, 6, 5) if grey else (number, 6, 5, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: NDArray[np.uint8], form: str = "PNG") -> bytes:
    """The bytes of a lossless image file."""
    file = BytesIO()
    Image.fromarray(image).save(file, form, **({"lossless": True} if form == "WEBP" else {}))
    return file.getvalue()


def write_parquet(
    path: Path,
    images: NDArray[np.uint8],
    labels: list[int],
    *,
    form: str = "PNG",
    columns: tuple[str, str] = ("img", "label"),
    names: list[str] | None = None,
) -> None:
    """Write a shard as on the Hugging Face hub; `names` adds the metadata of `datasets`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [{"bytes": encoded(image, form), "path": None} for image in images]
    table = pa.table({columns[0]: files, columns[1]: labels, "coarse_label": labels})
    if names:
        features = {columns[1]: {"names": names, "_type": "ClassLabel"}}
        info = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": info})
    pq.write_table(table, path, row_group_size=7)


def write_folders(
    folder: Path, images: NDArray[np.uint8], labels: list[int], names: list[str]
) -> None:
    """Write the images to `<class>/<number>.png` below the folder."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / names[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image))


def contents(split: Split | None) -> dict[bytes, int]:
    """The label of every image, by the bytes of its pixels."""
    assert split is not None
    assert split.images.dtype == torch.uint8
    assert split.labels.dtype == torch.int64
    pixels = (image.numpy().tobytes() for image in split.images)
    return dict(zip(pixels, split.labels.tolist(), strict=True))


def expected(images: NDArray[np.uint8], labels: list[int]) -> dict[bytes, int]:
    """What `contents` must be for these images [N, H, W, 3]."""
    return {
        image.transpose(2, 0, 1).tobytes(): label
        for image, label in zip(images, labels, strict=True)
    }


def class_counts(split: Split | None) -> list[int]:
    """Images per class."""
    assert split is not None
    return torch.bincount(split.labels).tolist()


def damaged(path: Path) -> None:
    """Cut the file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
