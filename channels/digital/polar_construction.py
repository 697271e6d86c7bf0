"""Construction of 5G uplink polar codes: information and parity positions, rate matching.

Source: 3GPP TS 38.212, sec. 5.3.1 (code), 5.4.1 (rate matching) and 6.3.1.3.1 (parity bits). The
results agree with a public Python translation of MATLAB's functions. Of Sionna 2.2 only the
reliability ranking is used: its code has no parity bits, and pre-freezes one position too few if
bits are punctured.
"""

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from channels.streams import sionna_phy

FROZEN, INFORMATION, PARITY = 0, 1, 2
PARITY_BITS: Final = 3
WITH_PARITY: Final = range(18, 26)  # block lengths, CRC included, with parity bits
SUB_BLOCKS: Final = (  # table 5.4.1.1-1
    *(0, 1, 2, 4, 3, 5, 6, 7, 8, 16, 9, 17, 10, 18, 11, 19),
    *(12, 20, 13, 21, 14, 22, 15, 23, 24, 25, 26, 28, 27, 29, 30, 31),
)
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PolarConstruction:
    """A mother code of N bits, and which of its code bits are sent in which order.

    Shapes: kinds [N], each FROZEN, INFORMATION or PARITY; places [E], the index of the code bit
    that each coded bit is; shortened [N - E] or [0], indices of code bits that are 0 and not sent.
    """

    kinds: Ints
    places: Ints
    shortened: Ints


@functools.lru_cache(maxsize=256)
def uplink_polar(block_bits: int, coded_bits: int) -> PolarConstruction:
    """The code from `block_bits` (payload and CRC) to `coded_bits`.

    Raises: ValueError if the block, with its parity bits, is longer than `coded_bits`.
    """
    parity = PARITY_BITS if block_bits in WITH_PARITY else 0
    if block_bits + parity > coded_bits:
        raise ValueError(
            f"a polar code must have as many coded bits as bits with CRC and parity, got "
            f"{coded_bits} for {block_bits + parity}; ask for more channel uses"
        )
    mother = _mother_bits(block_bits, coded_bits)
    order = _sub_block_order(mother)  # of code bits in the circular buffer
    punctured = max(0, mother - coded_bits) if 16 * block_bits <= 7 * coded_bits else 0
    sent = order[(np.arange(coded_bits) + punctured) % mother]
    unsent = order[:punctured] if punctured else order[coded_bits:]
    never = np.concatenate([unsent, np.arange(_frozen_ahead(mother, coded_bits, punctured))])
    reliable = [place for place in _ranking(mother)[::-1] if place not in set(never.tolist())]
    chosen = np.array(reliable[: block_bits + parity])  # the most reliable first
    kinds = np.full(mother, FROZEN)
    kinds[chosen] = INFORMATION
    kinds[_parity_places(chosen, parity, heavy=coded_bits - block_bits > 189)] = PARITY
    places = sent[_triangle_order(coded_bits)]
    return PolarConstruction(kinds, places, order[:0] if punctured else unsent)


def _mother_bits(block_bits: int, coded_bits: int) -> int:
    """Length N of the mother code, 32 to 1024, with a rate of at least 1/8, sec. 5.3.1."""
    above = math.ceil(math.log2(coded_bits))
    nearly = 8 * coded_bits <= 9 * 2 ** (above - 1) and 16 * block_bits < 9 * coded_bits
    power = min(above - 1 if nearly else above, math.ceil(math.log2(8 * block_bits)), 10)
    return int(2 ** max(power, 5))


def _frozen_ahead(mother: int, coded_bits: int, punctured: int) -> int:
    """Number of first positions that are also frozen if bits are punctured, sec. 5.4.1.1."""
    if not punctured:
        return 0
    if 4 * coded_bits >= 3 * mother:
        return math.ceil(3 * mother / 4 - coded_bits / 2)
    return math.ceil(9 * mother / 16 - coded_bits / 4)


def _sub_block_order(mother: int) -> Ints:
    """Sub-block interleaver J of sec. 5.4.1.1, which permutes blocks of N/32 code bits."""
    blocks = np.arange(mother).reshape(32, -1)
    return np.asarray(blocks[list(SUB_BLOCKS)].ravel())


def _triangle_order(coded_bits: int) -> Ints:
    """The channel interleaver, sec. 5.4.1.3: written by rows of a triangle, read by columns."""
    side = math.ceil((math.sqrt(8 * coded_bits + 1) - 1) / 2)
    rows = np.repeat(np.arange(side), np.arange(side, 0, -1))[:coded_bits]
    starts = np.concatenate([[0], np.cumsum(np.arange(side, 0, -1))])
    columns = np.arange(coded_bits) - starts[rows]
    return np.lexsort((rows, columns))


def _ranking(mother: int) -> Ints:
    """Positions by increasing reliability, table 5.3.1.2-1."""
    ranked, _ = sionna_phy().fec.polar.utils.generate_5g_ranking(0, mother, sort=False)
    return np.asarray(ranked, dtype=np.int64)


def _parity_places(chosen: Ints, parity: int, *, heavy: bool) -> Ints:
    """Positions of parity bits: the least reliable chosen ones.

    If `heavy`, one parity bit is instead at the position of least row weight.
    """
    if not parity:
        return chosen[:0]
    if not heavy:
        return chosen[-parity:]
    better = chosen[:-parity]
    weights = [int(place).bit_count() for place in better]  # log2 of the weight of a row
    return np.append(chosen[1 - parity :], better[int(np.argmin(weights))])
