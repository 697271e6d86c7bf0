"""Modulations and code rates among which a digital link is adapted.

Of pairs that carry equally much, only the one with the smaller constellation is here: at k = 256
it needs 0.3 to more than 1 dB less at equal block error rate, for each of the five such pairs.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from channels.bit_pipe import LONGEST_CODE_BLOCK, BitPipe, payload_bits_for

RATES: Final = tuple(Fraction(*rate) for rate in ((1, 3), (1, 2), (2, 3), (3, 4), (5, 6)))
LOW_RATES: Final = tuple(Fraction(1, whole) for whole in (16, 12, 8, 6, 5, 4))
LINKS: Final[tuple[tuple[int, Fraction], ...]] = (
    *((2, rate) for rate in (*LOW_RATES, *RATES)),
    *((4, rate) for rate in RATES[1:]),
    *((6, rate) for rate in RATES[2:]),
    *((8, rate) for rate in RATES[2:]),
)  # (bits per symbol, code rate) by what they carry


def pipes_of(channel_uses: int, *, payload_bits: tuple[int, int]) -> tuple[BitPipe, ...]:
    """The links over `channel_uses` that carry so many bits, (least, most), the smallest first.

    Left out are those that would need more than one code block.
    """
    return tuple(_pipes(channel_uses, *payload_bits))


def _pipes(channel_uses: int, least: int, most: int) -> Iterator[BitPipe]:
    for bits_per_symbol, rate in LINKS:
        sent = rate * channel_uses * bits_per_symbol
        if not least + 16 <= sent <= LONGEST_CODE_BLOCK:
            continue
        payload = payload_bits_for(
            channel_uses=channel_uses, bits_per_symbol=bits_per_symbol, code_rate=rate
        )
        if least <= payload <= most:
            yield BitPipe(
                payload_bits=payload,
                channel_uses=channel_uses,
                bits_per_symbol=bits_per_symbol,
            )
