"""Which digital links exist, and the payload of a wanted code rate."""

from fractions import Fraction

import pytest

from channels.bit_pipe import BitPipe, payload_bits_for


def test_what_a_pipe_says_of_itself() -> None:
    pipe = BitPipe(payload_bits=112, channel_uses=128, bits_per_symbol=2)
    assert (pipe.crc_bits, pipe.coded_bits, pipe.code_rate) == (16, 256, 0.5)
    assert BitPipe(payload_bits=3824, channel_uses=520, bits_per_symbol=8).crc_bits == 16
    assert BitPipe(payload_bits=3825, channel_uses=520, bits_per_symbol=8).crc_bits == 24


@pytest.mark.parametrize(
    ("payload_bits", "channel_uses", "bits_per_symbol", "message"),
    [
        (100, 64, 3, "bits_per_symbol must be one of"),
        (0, 64, 2, "at least 1"),
        (100, 0, 2, "at least 1"),
        (112, 64, 2, "code rate of a block of 128 bits"),  # rate 1
        (8, 64, 2, "between 0.200 and 0.926, got 24/128 = 0.188"),
        (4000, 1600, 8, "between 0.333 and 0.926"),
        (8425, 2000, 8, "one code block of 8448 bits"),
    ],
)
def test_impossible_pipes_are_refused(
    payload_bits: int, channel_uses: int, bits_per_symbol: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        BitPipe(
            payload_bits=payload_bits, channel_uses=channel_uses, bits_per_symbol=bits_per_symbol
        )


@pytest.mark.parametrize(
    ("channel_uses", "bits_per_symbol", "rate", "payload_bits"),
    [
        (64, 2, Fraction(1, 2), 64 - 16),
        (64, 4, 0.5, 128 - 16),
        (100, 2, 0.29, 58 - 16),  # the binary fraction 0.29 lies below 29/100
        (16, 6, Fraction(1, 3), 32 - 16),
        (33, 2, Fraction(1, 2), 33 - 16),
        (480, 8, 1.0, 3840 - 16),
        (3850, 2, Fraction(1, 2), 3850 - 24),
        (3845, 2, Fraction(1, 2), 3824),  # 3829 bits need the longer CRC, then 3821 would remain
        (4000, 2, Fraction(1, 2), 4000 - 24),
    ],
)
def test_payload_of_a_wanted_rate(
    channel_uses: int, bits_per_symbol: int, rate: Fraction | float, payload_bits: int
) -> None:
    ours = payload_bits_for(
        channel_uses=channel_uses, bits_per_symbol=bits_per_symbol, code_rate=rate
    )
    assert ours == payload_bits


@pytest.mark.parametrize("channel_uses", [1, 16])
def test_no_room_for_a_payload(channel_uses: int) -> None:
    with pytest.raises(ValueError, match="at least 17 bits"):
        payload_bits_for(channel_uses=channel_uses, bits_per_symbol=2, code_rate=0.5)
