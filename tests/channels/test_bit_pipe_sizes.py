"""Valid sizes of digital links, and the payload size for a desired code rate."""

import math
from fractions import Fraction

import pytest
import torch

from channels.awgn import AwgnChannel
from channels.digital.bit_pipe import BitPipe, payload_bits_for
from channels.streams import Streams


def test_crc_bits_coded_bits_and_code_rate() -> None:
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
        (104, 64, 2, "at most 0.926, got 120/128 = 0.938"),
        (8425, 2000, 8, "one code block of 8448 bits"),
    ],
)
def test_invalid_sizes_raise_an_error(
    payload_bits: int, channel_uses: int, bits_per_symbol: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        BitPipe(
            payload_bits=payload_bits, channel_uses=channel_uses, bits_per_symbol=bits_per_symbol
        )


def test_below_the_lowest_rate_the_code_word_is_repeated() -> None:
    pipe = BitPipe(payload_bits=8, channel_uses=128, bits_per_symbol=2)
    assert (pipe.code_word_bits, pipe.coded_bits, pipe.code_rate) == (120, 256, 24 / 256)
    assert BitPipe(payload_bits=4000, channel_uses=1600, bits_per_symbol=8).code_word_bits == 12072
    assert BitPipe(payload_bits=112, channel_uses=128, bits_per_symbol=2).code_word_bits == 256
    draws = torch.Generator().manual_seed(0)
    payload = torch.randint(0, 2, (3, 8), dtype=torch.uint8, generator=draws)
    coded = pipe.encode(payload)
    assert torch.equal(coded[:, 120:240], coded[:, :120])
    assert torch.equal(coded[:, 240:], coded[:, :16])


def test_a_code_word_sent_twice_gains_3_db() -> None:
    """Twice the uses at half the SNR give the same LLR distribution, so the same error rate."""
    once = BitPipe(payload_bits=16, channel_uses=80, bits_per_symbol=2)  # rate 1/5
    twice = BitPipe(payload_bits=16, channel_uses=160, bits_per_symbol=2)
    assert twice.code_word_bits == once.code_word_bits == 160
    blocks, rates, streams = 3000, [], Streams(seed=0)
    for pipe, snr_db in ((once, -3.0), (twice, -3.0 - 10 * math.log10(2))):
        arrived = pipe.send(
            torch.zeros((blocks, pipe.coded_bits), dtype=torch.uint8),
            channel=AwgnChannel(),
            snr_db=torch.full((blocks, 1), snr_db),
            channel_generator=streams("channel", pipe.channel_uses),
            scrambling_generator=streams("scrambling", pipe.channel_uses),
        )
        rates.append(float((arrived.payload.any(dim=1) | ~arrived.crc_ok).double().mean()))
    assert 0.02 < rates[0] < 0.9
    spread = math.sqrt(sum(rate * (1 - rate) for rate in rates) / blocks)
    assert abs(rates[0] - rates[1]) < 4 * spread


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
def test_payload_size_for_a_desired_rate(
    channel_uses: int, bits_per_symbol: int, rate: Fraction | float, payload_bits: int
) -> None:
    ours = payload_bits_for(
        channel_uses=channel_uses, bits_per_symbol=bits_per_symbol, code_rate=rate
    )
    assert ours == payload_bits


@pytest.mark.parametrize("channel_uses", [1, 16])
def test_too_few_uses_for_a_payload_raise_an_error(channel_uses: int) -> None:
    with pytest.raises(ValueError, match="at least 17 bits"):
        payload_bits_for(channel_uses=channel_uses, bits_per_symbol=2, code_rate=0.5)
