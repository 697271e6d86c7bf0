"""The uplink polar code against Sionna, or against TS 38.212 where Sionna has no equivalent."""

import numpy as np
import pytest
import torch

from channels.digital.polar_construction import FROZEN, INFORMATION, PARITY, uplink_polar
from channels.digital.polar_pipe import PolarPipe
from channels.streams import Streams, sionna_phy

STREAMS = Streams(seed=41)


@pytest.mark.parametrize(
    ("payload_bits", "coded_bits"),
    [(20, 64), (31, 64), (53, 96), (117, 256), (40, 256), (21, 512), (91, 512), (300, 1536)],
)
def test_code_words_match_sionna(payload_bits: int, coded_bits: int) -> None:
    """Shortened, repeated and whole code words with CRC11."""
    pipe = PolarPipe(payload_bits=payload_bits, channel_uses=coded_bits // 2, bits_per_symbol=2)
    shape = (50, payload_bits)
    payload = torch.randint(0, 2, shape, generator=STREAMS("payload"), dtype=torch.uint8)
    length = min(coded_bits, 1024)  # Sionna sends no more than 1088
    encoder = sionna_phy().fec.polar.Polar5GEncoder(payload_bits, length, device="cpu")
    expected = encoder(payload.float()).to(torch.uint8)
    code = uplink_polar(pipe.block_bits, length)
    mother = np.zeros((50, len(code.kinds)), dtype=np.uint8)
    mother[:, uplink_polar(pipe.block_bits, coded_bits).places] = pipe.encode(payload).numpy()
    np.testing.assert_array_equal(mother[:, code.places], expected.numpy())


def test_puncturing_follows_ts_38_212() -> None:
    """Sec. 5.4.1.1 for K = 40, E = 100, N = 128: J(0) to J(27), and 0 to ceil(96 - 50) - 1."""
    code = uplink_polar(40, 100)
    unsent = sorted(set(range(128)) - set(code.places.tolist()))
    assert unsent == list(range(28))  # the first seven of 32 blocks of 4 bits
    assert len(code.places) == len(set(code.places.tolist()))
    assert not code.kinds[:46].any()
    assert code.kinds[46:].any()


@pytest.mark.parametrize(("block", "coded"), [(18, 32), (25, 64), (22, 220)])
def test_parity_bits_are_at_the_least_reliable_positions(block: int, coded: int) -> None:
    """Sec. 5.3.1.2; if E - K + 3 > 192, one is at the position of minimum row weight."""
    code = uplink_polar(block, coded)
    ranked, _ = sionna_phy().fec.polar.utils.generate_5g_ranking(0, len(code.kinds), sort=False)
    chosen = [place for place in ranked if code.kinds[place] != FROZEN]  # the least reliable first
    heavy = coded - block + 3 > 192
    parity = set(chosen[: 2 if heavy else 3])
    if heavy:
        weights = [2 ** int(place).bit_count() for place in chosen[3:]]
        least = max(index for index, weight in enumerate(weights) if weight == min(weights))
        parity.add(chosen[3 + least])
    assert set(np.flatnonzero(code.kinds == PARITY).tolist()) == parity
    assert len(chosen) == block + 3


def test_blocks_outside_18_to_25_bits_have_no_parity_bits() -> None:
    for block in (17, 26):
        assert PARITY not in uplink_polar(block, 64).kinds
        assert int((uplink_polar(block, 64).kinds == INFORMATION).sum()) == block


def test_blocks_that_do_not_fit_raise_an_error() -> None:
    with pytest.raises(ValueError, match="got 24 for 25; ask for more channel uses"):
        uplink_polar(22, 24)
