"""Short polar codes with the reliability sequence of 5G NR, TS 38.212 table 5.3.1.2-1.

Only the mother code is implemented, without rate matching. 5G itself uses polar codes only from 12
payload bits on, with a CRC; 3 to 11 bits have a Reed-Muller based block code (sec. 5.3.3).
"""

from typing import Final

import torch
from torch import Tensor

from channels.streams import sionna_phy

SHORTEST_POLAR: Final = 32  # bits; TS 38.212 sec. 5.3.1: n = 5 to 10
LONGEST_POLAR: Final = 1024


def polar_words(num_words: int, length: int) -> Tensor:
    """The first `num_words` words of the smallest polar code of this length that has as many.

    Word i carries the number i, most significant bit first, on the most reliable positions.

    Shapes: [num_words, length] uint8 of 0 and 1.
    Raises: ValueError if length is not a power of two from 32 to 1024, or too short for the words.
    """
    info_bits = max(1, (num_words - 1).bit_length())
    whole = length & (length - 1) == 0
    if not (whole and SHORTEST_POLAR <= length <= LONGEST_POLAR) or not 1 <= info_bits <= length:
        raise ValueError(
            f"length must be a power of two from {SHORTEST_POLAR} to {LONGEST_POLAR} that carries "
            f"{num_words} words, got {length}"
        )
    polar = sionna_phy().fec.polar
    frozen, _ = polar.utils.generate_5g_ranking(info_bits, length)
    encoder = polar.PolarEncoder(frozen, length, precision="single", device="cpu")
    places = torch.arange(info_bits - 1, -1, -1)
    messages = torch.arange(num_words)[:, None] >> places & 1  # [num_words, info_bits]
    words: Tensor = encoder(messages.float())
    return words.to(torch.uint8)
