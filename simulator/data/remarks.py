"""Remarks on a data set that a user should know before trusting results, one line each."""

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.data.splits import Decoded, Pool

FEWEST_TEST = 100  # images, below which the 95 % interval of an accuracy may exceed +-10 points
FEWEST_VALIDATION = 50  # images, below which a choice among settings is mostly chance


def remarked(decoded: Decoded) -> Decoded:
    """The data set with a remark for each problem of its splits."""
    pools = decoded.pools
    more = (*_repeated(pools), *_untested(decoded), *_few_to_test_on(pools))
    return decoded._replace(remarks=(*decoded.remarks, *more, *_few_to_choose_on(pools)))


def _repeated(pools: Mapping[str, Pool]) -> Iterator[str]:
    """A remark if test images are identical to training or validation images."""
    taught = [pools[split].images for split in ("train", "validation") if split in pools]
    test = pixel_hashes(pools["test"].images)
    if number := int(np.isin(test, pixel_hashes(*taught)).sum()):
        yield (
            f"{number:,} of {len(test):,} test images are also training images, so the accuracy "
            "is too high; remove them from one of the two"
        )


def pixel_hashes(*images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first 8 bytes of the SHA-256 of every image's pixels, for arrays [N, C, H, W] in turn."""
    digests = (hashlib.sha256(image.tobytes()).digest()[:8] for own in images for image in own)
    return np.frombuffer(b"".join(digests), "<u8")


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
    """Half the width of the 95 % interval of an accuracy of 50 % on `number` images, in points."""
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
