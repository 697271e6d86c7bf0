"""Data sets that come with semlink: one entry each in the table `EMBEDDED`."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from simulator.data.dataset import Dataset, dataset_of
from simulator.data.splits import Decoded, Pool, content_key, cut, in_order, shares


def embedded(name: str) -> Dataset:
    """The data set of this name. Raises: KeyError if there is none."""
    return dataset_of(name, EMBEDDED[name]())


def _digits() -> Decoded:
    """1,797 handwritten digits, 8x8 grey, 17 levels: train 1,000, validation 297, test 500."""
    from sklearn.datasets import load_digits  # takes a second, and only this source needs it

    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)[:, None]  # [N, 1, 8, 8]
    pool = in_order(Pool(images, digits.target.astype(np.int64)))
    test, others = cut(pool, shares(np.bincount(pool.labels), 500))
    validation, train = cut(others, shares(np.bincount(others.labels), 297))
    classes = tuple(map(str, range(10)))
    pools = {"train": train, "validation": validation, "test": test}
    return Decoded(classes, pools, content_key(classes, pools))


EMBEDDED: Final[Mapping[str, Callable[[], Decoded]]] = {"digits": _digits}
