"""Images to classify: uint8 in memory, float in [0, 1] for the link, in fixed splits.

Three sources: data sets that come with semlink (`embedded`), parquet files in the layout of the
Hugging Face hub (`parquet`), folders of images (`folders`). `images` decodes the files, `splits`
orders the images and assigns them to splits, `cache` stores decoded data sets.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from simulator.data.cache import Source, read_cached
from simulator.data.folders import find_image_folders, subfolders
from simulator.data.parquet import find_parquet_files, holds_parquet
from simulator.data.splits import Decoded, Pool, content_key
from simulator.errors import UserError
from simulator.parse import in_range

SMALLEST, LARGEST = 8, 512  # sides in pixels that images may be rescaled to


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels that are used together.

    Shapes: images uint8 [N, C, H, W], labels int64 [N].
    """

    images: Tensor
    labels: Tensor

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        return f"<Split: {count:,} images {shape}>"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its fixed splits; one with `train` also has `validation`."""

    name: str
    classes: tuple[str, ...]
    train: Split | None
    validation: Split | None
    test: Split
    key: str  # SHA-256 of classes, images and labels: equal for equal content in any file format
    remarks: tuple[str, ...] = ()  # what a user should know about the images, one line each
    resize: int | None = None  # side in pixels that images were rescaled to; None: not rescaled
    counts: tuple[int, ...] = ()  # training images of each class, if `train` is left out

    def __repr__(self) -> str:
        splits = {"training": self.train, "validation": self.validation, "test": self.test}
        counts = [f"{len(split.labels):,} {name}" for name, split in splits.items() if split]
        return (
            f"<Dataset {self.name}: {', '.join(counts)} images {list(self.image_shape)}, "
            f"{self.num_classes} classes>"
        )

    @cached_property
    def training_key(self) -> str:
        """As `key`, but of training and validation images only."""
        splits = {"train": self.train, "validation": self.validation}
        there = {name: split for name, split in splits.items() if split is not None}
        pools = {name: Pool(own.images.numpy(), own.labels.numpy()) for name, own in there.items()}
        return content_key(self.classes, pools)

    @cached_property
    def class_counts(self) -> tuple[int, ...]:
        """Number of training images of each class; 1 each if there are none."""
        if self.train is None:
            return self.counts or (1,) * self.num_classes
        return tuple(torch.bincount(self.train.labels, minlength=self.num_classes).tolist())

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.test.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def sizes(self) -> dict[str, int]:
        """Arguments for building a classifier of these images."""
        return {"image_channels": self.image_shape[0], "num_classes": self.num_classes}


def load_dataset(folder: Path, *, cache: Path | None = None, resize: int | None = None) -> Dataset:
    """Read the data set in `folder`, and keep it decoded in `cache` (`default_cache` if None).

    The folder holds parquet files as on the Hugging Face hub (`parquet`): directly, in folders of
    splits, or in one subfolder that holds them in either way. Or it holds images in one folder per
    class, with or without `train/`, `test/` and `validation/` above these (`folders`). A test split
    is enough: then `train` and `validation` are None. If only the validation split is missing, 10 %
    of the training images become the validation split. Class folders without splits are split
    70/10/20 (`splits`). With `resize` the centre square of every image is rescaled to `resize`
    pixels a side.

    Raises: UserError naming the file or folder that is missing, unreadable or not as described; or
    if `resize` is out of range.
    """
    if resize is not None:
        in_range("--resize", resize, SMALLEST, LARGEST)
    try:
        decoded = read_cached(_find(folder), cache, resize)
        return replace(dataset_of(folder.resolve().name, decoded), resize=resize)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise UserError(f"{error.filename or folder}: cannot be read ({reason})") from None


def to_float(images: Tensor) -> Tensor:
    """Pixels 0..255 as float32 in [0, 1]. Raises: TypeError if the images are not uint8."""
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 with values 0..255, got {images.dtype}")
    return images.float() / 255


def _find(folder: Path) -> Source:
    if not folder.exists():
        raise UserError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: must be a folder, got a file; name the folder that holds it")
    below = subfolders(folder)
    if holds_parquet(folder):
        return find_parquet_files(folder)
    with_parquet = [path for path in below if holds_parquet(path)]
    if len(with_parquet) == 1:
        return find_parquet_files(with_parquet[0])
    if with_parquet:
        raise UserError(
            f"{folder}: parquet files must lie in one folder, got "
            f"{', '.join(path.name for path in with_parquet)}; name one of these"
        )
    if below:
        return find_image_folders(folder)
    found = "other files" if any(folder.iterdir()) else "nothing"
    raise UserError(
        f"{folder}: must hold train-*.parquet and test-*.parquet files, or a folder of images per "
        f"class, got {found}"
    )


def dataset_of(name: str, decoded: Decoded) -> Dataset:
    """The `Dataset` of images that were decoded and split."""
    splits = {
        split: Split(images=torch.from_numpy(pool.images), labels=torch.from_numpy(pool.labels))
        for split, pool in decoded.pools.items()
    }
    return Dataset(
        name=name,
        classes=decoded.classes,
        train=splits.get("train"),
        validation=splits.get("validation"),
        test=splits["test"],
        key=decoded.key,
        remarks=decoded.remarks,
    )
