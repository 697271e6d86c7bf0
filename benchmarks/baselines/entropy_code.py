"""Arithmetic coding of levels with a known model: constriction's range coder, cut to the bit.

The range coder outputs whole words of 32 bits, too many for a message of 20 bits. A message is a
subinterval of [0, 1), and any number within it stands for the message. Only zeros follow the
payload, so the shortest binary fraction within the interval is sent. The number of levels is known,
so no end mark is needed.

Source: Bamler, Understanding Entropy Coding With Asymmetric Numeral Systems, arXiv 2201.01741, 2022
(constriction); Rissanen and Langdon, Arithmetic coding, IBM J. Res. Dev. 23, 1979.
"""

import math
from typing import Any, Final

import constriction
import numpy as np
from numpy.typing import NDArray

WORD: Final = 32
Levels = NDArray[np.int32]
Bits = NDArray[np.uint8]


class EntropyCode:
    """A code for r independent levels.

    Shapes: probabilities [r, L] float64, each row a distribution; levels [r] int32; bits uint8 [n],
    n at least 1.
    """

    def __init__(self, probabilities: NDArray[np.float64]) -> None:
        self._model: Any = constriction.stream.model.Categorical(perfect=False)
        self._probabilities = np.ascontiguousarray(probabilities, dtype=np.float64)

    def encode(self, levels: Levels) -> Bits:
        """The shortest bits that, followed by zeros, decode to these levels."""
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(levels, self._model, self._probabilities)
        words = encoder.get_compressed()
        width = WORD * max(1, len(words))
        number = int.from_bytes(words.astype(">u4").tobytes(), "big")
        chances = self._probabilities[np.arange(len(levels)), levels]
        length = min(width, math.ceil(-np.log2(chances).sum()) + 1)  # enough for exact arithmetic
        best = self._fraction(number, width, length, levels)
        if best is None:  # the coder rounds the probabilities of the rarest levels
            best, length = number, width
        while length > 1:
            shorter = self._fraction(number, width, length - 1, levels)
            if shorter is None:
                break
            best, length = shorter, length - 1
        return _bits_of(best, length)

    def _fraction(self, number: int, width: int, length: int, levels: Levels) -> int | None:
        """A fraction of `length` bits next to number / 2^width that decodes to the levels."""
        below = number >> (width - length)
        for fraction in (below, below + 1):
            if fraction >> length == 0:
                decoded = self.decode(_bits_of(fraction, length))
                if decoded is not None and np.array_equal(decoded, levels):
                    return fraction
        return None

    def decode(self, bits: Bits) -> Levels | None:
        """The levels of bits, with or without trailing zeros; None if the bits are invalid."""
        padded = np.zeros(-(-len(bits) // WORD) * WORD + 2 * WORD, np.uint8)
        padded[: len(bits)] = bits
        words = np.packbits(padded).view(">u4").astype(np.uint32)
        try:
            decoder = constriction.stream.queue.RangeDecoder(words)
            levels: Levels = decoder.decode(self._model, self._probabilities)
        except AssertionError:  # raised by constriction for bits that no encoder outputs
            return None
        return levels


def _bits_of(fraction: int, length: int) -> Bits:
    """The binary digits of fraction / 2^length."""
    data = (fraction << (-length % 8)).to_bytes(-(-length // 8), "big")
    return np.unpackbits(np.frombuffer(data, np.uint8))[:length]
