"""Small block codes: distances, decoding against the literal rule, error rates in closed form."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from channels.awgn import AwgnChannel
from channels.digital.small_block import SmallBlockPipe, small_block_words
from channels.streams import Streams
from channels.theory import biorthogonal_symbol_error_rate

STREAMS = Streams(seed=31)
DISTANCES = {1: 32, 2: 21, **dict.fromkeys(range(3, 7), 16), **dict.fromkeys(range(7, 11), 12)}


@pytest.mark.parametrize(("bits", "distance"), [*DISTANCES.items(), (11, 10)])
def test_words_are_a_linear_code_of_known_distance(bits: int, distance: int) -> None:
    """Linear, so the minimum weight is the minimum distance; 2 bits over 32: 10 2/3 periods."""
    words = small_block_words(bits, 32).long()
    numbers = torch.arange(len(words))
    assert torch.equal(words[numbers] ^ words[1], words[numbers ^ 1])
    assert int(words[1:].sum(dim=1).min()) == distance


def test_words_of_six_bits_are_biorthogonal() -> None:
    signs = 1 - 2 * small_block_words(6, 32).long()
    assert torch.equal((signs @ signs.T).abs().sum(dim=1), torch.full((64,), 64))


def test_longer_words_repeat_the_code_word_cyclically() -> None:
    whole, longer = small_block_words(7, 32), small_block_words(7, 80)
    assert torch.equal(longer, torch.cat([whole, whole, whole[:, :16]], dim=1))
    assert small_block_words(2, 8)[3].tolist() == [1, 1, 0, 1, 1, 0, 1, 1]  # c0, c1, c0 + c1


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 11])
def test_all_payloads_are_decoded_at_high_snr(bits: int) -> None:
    pipe = SmallBlockPipe(payload_bits=bits, channel_uses=16)
    payload = (torch.arange(2**bits)[:, None] >> torch.arange(bits) & 1).to(torch.uint8)
    arrived = pipe(
        payload,
        channel=AwgnChannel(),
        snr_db=torch.full((len(payload), 1), 60.0),
        channel_generator=STREAMS("channel"),
        scrambling_generator=STREAMS("scrambling"),
    )
    assert torch.equal(arrived.payload, payload)
    assert bool(arrived.crc_ok.all())


def test_decoding_finds_the_most_likely_word() -> None:
    """Against -log P(llr | word) summed bit by bit over all words."""
    pipe = SmallBlockPipe(payload_bits=5, channel_uses=20)
    llr = torch.randn((40, 40), generator=STREAMS("llr"), dtype=torch.float64)
    words = small_block_words(5, 40).double()
    costs = functional.softplus((1 - 2 * words) * llr[:, None]).sum(dim=2)  # [40, 32]
    numbers = costs.argmin(dim=1)
    expected = numbers[:, None] >> torch.arange(5) & 1
    assert torch.equal(pipe.decode(llr).payload.long(), expected)


@pytest.mark.parametrize(("bits", "snr_db"), [(1, -10.0), (4, -5.0), (6, -3.0)])
def test_error_rates_match_closed_form(bits: int, snr_db: float) -> None:
    pipe, blocks = SmallBlockPipe(payload_bits=bits, channel_uses=16), 20_000
    payload = torch.randint(
        0, 2, (blocks, bits), generator=STREAMS("payload", bits), dtype=torch.uint8
    )
    arrived = pipe(
        payload,
        channel=AwgnChannel(),
        snr_db=torch.full((blocks, 1), snr_db),
        channel_generator=STREAMS("channel", bits),
        scrambling_generator=STREAMS("scrambling", bits),
    )
    wrong = float((arrived.payload != payload).any(dim=1).double().mean())
    expected = biorthogonal_symbol_error_rate(2**bits, 16 * 10 ** (snr_db / 10))
    assert abs(wrong - expected) < 4 * np.sqrt(expected * (1 - expected) / blocks)


@pytest.mark.parametrize(("bits", "uses"), [(0, 16), (12, 16), (5, 0)])
def test_invalid_sizes_raise_an_error(bits: int, uses: int) -> None:
    with pytest.raises(ValueError, match="payload_bits must be 1 to 11 and channel_uses at least"):
        SmallBlockPipe(payload_bits=bits, channel_uses=uses)


def test_too_few_coded_bits_and_other_modulations_raise_an_error() -> None:
    with pytest.raises(ValueError, match="8 coded bits do not distinguish 2048 words"):
        SmallBlockPipe(payload_bits=11, channel_uses=4)
    with pytest.raises(ValueError, match="must be 2"):
        SmallBlockPipe(payload_bits=4, channel_uses=16, bits_per_symbol=4)
