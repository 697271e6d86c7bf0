"""What a user should know of a data set before believing numbers, one line each."""

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np

from simulator.data.splits import Decoded, Pool

FEWEST_TEST = 100  # images, below which the 95 % interval of an accuracy may exceed +-10 points
FEWEST_VALIDATION = 50  # images, below which a choice among settings is mostly chance


def remarked(decoded: Decoded) -> Decoded:
    """The data set with a line for each thing that is odd about its splits."""
    pools = decoded.pools
    more = (*_repeated(pools), *_untested(decoded), *_few_to_test_on(pools))
    return decoded._replace(remarks=(*decoded.remarks, *more, *_few_to_choose_on(pools)))


def _repeated(pools: Mapping[str, Pool]) -> Iterator[str]:
    """Test images that are pixel by pixel training or validation images."""
    seen = {own for split in ("train", "validation") for own in _digests(pools.get(split))}
    test = _digests(pools["test"])
    if number := sum(own in seen for own in test):
        yield (
            f"{number:,} of {len(test):,} test images are also training images, so the accuracy "
            "is too high; remove them from one of the two"
        )


def _digests(pool: Pool | None) -> list[bytes]:
    images = () if pool is None else pool.images
    return [hashlib.sha256(image.tobytes()).digest() for image in images]


def _untested(decoded: Decoded) -> Iterator[str]:
    counts = np.bincount(decoded.pools["test"].labels, minlength=len(decoded.classes))
    missing = [name for name, count in zip(decoded.classes, counts, strict=True) if not count]
    if missing:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield (
            f"{len(missing)} of {len(counts)} classes have no test image ({names}), so they count "
            "in no accuracy; add images, at least 3 per class, or test images of these"
        )


def half_width(number: int) -> float:
    """Of the 95 % interval of an accuracy of 50 % on so many images, in points."""
    return 98 / math.sqrt(number)


def _few_to_test_on(pools: Mapping[str, Pool]) -> Iterator[str]:
    number = len(pools["test"].labels)
    if number < FEWEST_TEST:
        yield (
            f"only {number} test images: an accuracy has a 95 % interval of up to "
            f"+-{half_width(number):.0f} points; compare schemes by semlink compare, or add "
            f"test images, at least {FEWEST_TEST}"
        )


def _few_to_choose_on(pools: Mapping[str, Pool]) -> Iterator[str]:
    number = len(pools["validation"].labels) if "validation" in pools else FEWEST_VALIDATION
    if number < FEWEST_VALIDATION:
        yield (
            f"only {number} validation images to choose settings on: an accuracy there has a "
            f"standard error of up to {50 / math.sqrt(number):.0f} points; add training images, or "
            f"a validation split of at least {FEWEST_VALIDATION} images"
        )
