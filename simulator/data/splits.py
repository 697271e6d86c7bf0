"""Order and split of a data set, both fixed by the pixels themselves.

Images are ordered by the SHA-256 of their pixels: in effect a random permutation, but the same for
any file format. The first N images are thus a random sample, even if files are sorted by class.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UserError

SPLITS = ("train", "validation", "test")
WHOLE = "whole"  # the only pool of a data set that comes without splits


class Pool(NamedTuple):
    """Decoded images uint8 [N, C, H, W] and their labels int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Pool":
        """The images with these numbers, or where the mask is true."""
        return Pool(self.images[index], self.labels[index])


class Decoded(NamedTuple):
    """A data set as it is cached: class names, the pools by the names of their splits, the key.

    The remarks are what a user should know about the images, one line each.
    """

    classes: tuple[str, ...]
    pools: Mapping[str, Pool]
    key: str
    remarks: tuple[str, ...] = ()


def arrange(
    classes: tuple[str, ...], pools: Mapping[str, Pool], remarks: tuple[str, ...] = (), *, name: str
) -> Decoded:
    """Order every pool, and split a data set that comes without splits.

    A data set without splits is split per class: 20 % of the images go to the test split, 10 % to
    the validation split (both rounded, and at least 1), the others to training. All images of a
    class with 1 or 2 images go to training. A missing validation split gets 10 % of the training
    images, stratified by largest remainders.
    Raises: UserError naming the data set if a split would be empty.
    """
    parts = {split: in_order(pool) for split, pool in pools.items()}
    if WHOLE in parts:
        parts = _cut_whole(parts[WHOLE], len(classes), name=name)
    if "train" in parts and "validation" not in parts:
        sizes = np.bincount(parts["train"].labels, minlength=len(classes))
        counts = shares(sizes, max(1, (10 * sizes.sum() + 50) // 100))
        if not counts.any():
            raise UserError(
                f"{name}: validation images must be split off the training images, but no class "
                "has two training images; add images or a validation split"
            )
        parts["validation"], parts["train"] = cut(parts["train"], counts)
    return Decoded(classes, parts, content_key(classes, parts), remarks)


def shares(sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Images to take of every class: `total` in proportion to `sizes`, by largest remainders.

    Among equal remainders the first class comes first. No remainder takes a class's last image.
    """
    counts, remainders = np.divmod(sizes * total, sizes.sum())
    can_give = np.flatnonzero(counts + 1 < sizes)
    by_remainder = can_give[np.argsort(-remainders[can_give], kind="stable")]
    counts[by_remainder[: total - counts.sum()]] += 1
    return counts


def cut(pool: Pool, counts: NDArray[np.int64]) -> tuple[Pool, Pool]:
    """The first `counts[c]` images of every class c, and the others, both in the pool's order."""
    by_class = np.argsort(pool.labels, kind="stable")
    sizes = np.bincount(pool.labels, minlength=len(counts))
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(pool.labels), dtype=np.int64)  # 0 for the first image of its class
    rank[by_class] = np.arange(len(rank)) - starts[pool.labels[by_class]]
    first = rank < counts[pool.labels]
    return pool.take(first), pool.take(~first)


def content_key(classes: tuple[str, ...], pools: Mapping[str, Pool]) -> str:
    """SHA-256 (hex) over the class names and, in their order, images and labels of all splits."""
    digest = hashlib.sha256(json.dumps(classes).encode())
    for split in SPLITS:
        if split in pools:
            images, labels = pools[split]
            digest.update(f"{split} {list(images.shape)}".encode())
            digest.update(np.ascontiguousarray(images).reshape(-1).data)
            digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def in_order(pool: Pool) -> Pool:
    """The images sorted by the SHA-256 of their pixels, equal ones by their labels."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in pool.images]
    order = sorted(range(len(digests)), key=lambda i: (digests[i], pool.labels[i]))
    return pool.take(np.array(order, dtype=np.int64))


def _cut_whole(pool: Pool, num_classes: int, *, name: str) -> dict[str, Pool]:
    sizes = np.bincount(pool.labels, minlength=num_classes)
    if sizes.max() < 3:
        raise UserError(
            f"{name}: at least one class must have 3 images, for training, validation and test, "
            f"but the largest has {sizes.max()}; add images or give train/ and test/ folders"
        )
    test_counts = np.where(sizes < 3, 0, np.maximum(1, (2 * sizes + 5) // 10))
    validation_counts = np.where(sizes < 3, 0, np.maximum(1, (sizes + 5) // 10))
    test, others = cut(pool, test_counts)
    validation, train = cut(others, validation_counts)
    return {"train": train, "validation": validation, "test": test}
