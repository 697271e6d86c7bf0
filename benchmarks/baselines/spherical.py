"""Words of the label code that were found by optimisation, and are stored in a file.

`python -m benchmarks.tools.spherical_words` writes
`results/reference/label_codes/words.safetensors` for the sizes that are used most. The words of
other sizes are constructed (`codebook`).
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from simulator.storage.environment import REFERENCE
from simulator.storage.files import read_weights

WORDS: Final = REFERENCE / "label_codes/words.safetensors"


def spherical_words(num_classes: int, k: int) -> NDArray[np.float64] | None:
    """Optimised words as pairs (re, im) of their uses: [num_classes, 2k]; None for other sizes.

    Raises: UserError if the file is missing or damaged.
    """
    words = _kept()[0].get(words_name(num_classes, k))
    return None if words is None else words.double().numpy()


def words_hash() -> str:
    """SHA-256 of the file of words."""
    return _kept()[1]


def words_name(num_classes: int, k: int) -> str:
    """The name of a size in the file."""
    return f"{num_classes} words over {k} uses"


@lru_cache(maxsize=1)
def _kept() -> tuple[dict[str, Tensor], str]:
    words, _, content = read_weights(WORDS)
    return words, content
