"""Which digital links deliver every block without noise."""

from fractions import Fraction

import pytest

from channels.digital.bit_pipe import (
    HIGHEST_CODE_RATE,
    SAFE_CODE_RATE,
    BitPipe,
    arrives_without_noise,
    channel_uses_for,
)

SHORT = range(1, 130)  # payload bits
LOST = (4, 6, 8, 15, 17, 19, 21, 45, 106, 108)  # of QPSK at the highest rate


def pipe_of(payload_bits: int, rate: Fraction, bits_per_symbol: int = 2) -> BitPipe:
    """The link of this payload with the highest code rate up to `rate`."""
    uses = channel_uses_for(
        payload_bits=payload_bits, bits_per_symbol=bits_per_symbol, code_rate=rate
    )
    return BitPipe(payload_bits=payload_bits, channel_uses=uses, bits_per_symbol=bits_per_symbol)


@pytest.mark.parametrize("payload_bits", LOST)
def test_some_short_codes_cannot_be_decoded_at_the_highest_rate(payload_bits: int) -> None:
    assert not arrives_without_noise(pipe_of(payload_bits, HIGHEST_CODE_RATE))
    assert arrives_without_noise(pipe_of(payload_bits, SAFE_CODE_RATE))


@pytest.mark.slow
@pytest.mark.parametrize("bits_per_symbol", [2, 4])
def test_no_other_short_code_fails_without_noise(bits_per_symbol: int) -> None:
    for rate in (Fraction(2, 3), Fraction(3, 4), Fraction(5, 6), Fraction(8, 9), SAFE_CODE_RATE):
        assert all(arrives_without_noise(pipe_of(bits, rate, bits_per_symbol)) for bits in SHORT)
    pipes = [pipe_of(bits, HIGHEST_CODE_RATE, bits_per_symbol) for bits in SHORT]
    lost = [pipe for pipe in pipes if not arrives_without_noise(pipe)]
    assert {pipe.payload_bits for pipe in lost} <= set(LOST)
    assert all(pipe.code_rate > SAFE_CODE_RATE for pipe in lost)
