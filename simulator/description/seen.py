"""Hashes of the images that weights were trained on, to detect them among test images.

`training_images.npy` beside the weights holds 8 bytes of the SHA-256 of the pixels of every
training and validation image, in ascending order, each once.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.data.dataset import Dataset
from simulator.data.remarks import pixel_hashes
from simulator.errors import UserError
from simulator.storage.files import replacing

NAME = "training_images.npy"


def write_seen(weights: Path, dataset: Dataset, *before: Path) -> None:
    """Write the hashes of the training images, and those recorded in the folders `before`."""
    hashes = [taught_hashes(dataset), *(seen_hashes(folder) for folder in before)]
    with replacing(weights / NAME) as temporary, temporary.open("wb") as file:
        np.save(file, np.unique(np.concatenate(hashes)), allow_pickle=False)


def seen_remarks(weights: Path, dataset: Dataset) -> list[str]:
    """A warning if weights were trained on test images, unless `dataset` shows it by itself."""
    test = pixel_hashes(dataset.test.images.numpy())
    seen = np.isin(test, seen_hashes(weights))
    if not seen.any() or np.isin(test[seen], taught_hashes(dataset)).all():
        return []  # `Dataset.remarks` reports overlaps within the data set
    return [
        f"{int(seen.sum()):,} of {len(test):,} test images are also training images of these "
        "weights, so the accuracy is too high; remove them from the test images"
    ]


def seen_hashes(weights: Path) -> NDArray[np.uint64]:
    """The hashes recorded in a folder of weights, or none. Raises: UserError if damaged."""
    path = weights / NAME
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return np.empty(0, np.uint64)
    except (OSError, EOFError, ValueError):
        found = None
    if not isinstance(found, np.ndarray) or found.dtype != np.uint64 or found.ndim != 1:
        raise UserError(f"{path} must hold hashes of training images, but is damaged; remove it")
    return found


def taught_hashes(dataset: Dataset) -> NDArray[np.uint64]:
    """Hashes of the training and validation images of a data set."""
    splits = (dataset.train, dataset.validation)
    return pixel_hashes(*(own.images.numpy() for own in splits if own is not None))
