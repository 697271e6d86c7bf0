"""Code words for the label code from a short polar code, to stand beside the orthogonal ones.

A class index goes through the polar code of the largest length that the 2k bits of k QPSK symbols
hold; bits that are left repeat the word from its beginning. The receiver is maximum likelihood over
the words of the classes: with so few words it is exact, and no list decoder could do better.
"""

from functools import lru_cache

import torch
from torch import Tensor

from channels.polar import LONGEST_POLAR, SHORTEST_POLAR, polar_words


def polar_serves(num_classes: int, k: int) -> bool:
    """Whether there is a polar word for every class."""
    return 2 * k >= SHORTEST_POLAR and (num_classes - 1).bit_length() <= _length(k)


@lru_cache(maxsize=64)
def polar_codebook(num_classes: int, k: int) -> Tensor:
    """The words of all classes as Gray QPSK, every one of energy exactly `k`.

    The tensor is cached and shared: do not write into it.

    Shapes: [num_classes, k] complex64.
    Raises: ValueError if `k` uses have too few words for `num_classes`.
    """
    if not polar_serves(num_classes, k):
        raise ValueError(
            f"k = {k} channel uses carry no polar words for {num_classes} classes; use a larger k"
        )
    bits = polar_words(num_classes, _length(k))
    repeated = bits.repeat(1, -(-2 * k // bits.shape[1]))[:, : 2 * k]
    signs = (1.0 - 2.0 * repeated.float()).reshape(num_classes, k, 2)
    return torch.view_as_complex(signs / 2**0.5)


def _length(k: int) -> int:
    """The largest power of two up to 2k, at most 1024."""
    return min(1 << ((2 * k).bit_length() - 1), LONGEST_POLAR)
