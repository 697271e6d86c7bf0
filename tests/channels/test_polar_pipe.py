"""Polar links: encoding as in TS 38.212, list decoding against exhaustive search and Sionna."""

import numpy as np
import pytest
import torch
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.digital.bit_pipe import BitPipeOutput
from channels.digital.polar_construction import FROZEN, INFORMATION, PARITY, uplink_polar
from channels.digital.polar_list import list_decode
from channels.digital.polar_pipe import PolarPipe
from channels.streams import Streams, sionna_phy

STREAMS = Streams(seed=43)
SIZES = [(12, 16, 2), (15, 16, 2), (19, 64, 2), (20, 16, 4), (29, 50, 2), (61, 16, 6), (60, 256, 8)]


def pipe(payload_bits: int, channel_uses: int, bits: int, *, list_size: int = 16) -> PolarPipe:
    return PolarPipe(
        payload_bits=payload_bits,
        channel_uses=channel_uses,
        bits_per_symbol=bits,
        list_size=list_size,
    )


def payloads(link: PolarPipe, blocks: int) -> Tensor:
    shape, draws = (blocks, link.payload_bits), STREAMS("payload", link.payload_bits)
    return torch.randint(0, 2, shape, generator=draws, dtype=torch.uint8)


def sent(link: PolarPipe, payload: Tensor, snr_db: float) -> BitPipeOutput:
    return link(
        payload,
        channel=AwgnChannel(),
        snr_db=torch.full((len(payload), 1), snr_db),
        channel_generator=STREAMS("channel", snr_db),
        scrambling_generator=STREAMS("scrambling", snr_db),
    )


@pytest.mark.parametrize("sizes", SIZES)
def test_all_payloads_are_decoded_at_high_snr(sizes: tuple[int, int, int]) -> None:
    link = pipe(*sizes)
    payload = payloads(link, 20)
    arrived = sent(link, payload, 60.0)
    assert torch.equal(arrived.payload, payload)
    assert bool(arrived.crc_ok.all())


def test_code_words_match_a_literal_ts_38_212_encoder() -> None:
    """The shift register of sec. 5.3.1.2 and the matrix of the transform, 18 bits with parity."""
    link = pipe(12, 32, 2)
    code, payload = uplink_polar(18, 64), payloads(link, 10)
    kernel = np.array([[1, 0], [1, 1]])
    matrix = np.eye(1, dtype=int)
    while len(matrix) < len(code.kinds):
        matrix = np.kron(matrix, kernel)
    crc = sionna_phy().fec.crc.CRCEncoder("CRC6", device="cpu")(payload.float()).int().numpy()
    for row, block in enumerate(crc):
        register, bits, known = [0] * 5, np.zeros(len(code.kinds), dtype=int), iter(block)
        for position, kind in enumerate(code.kinds):
            register = [*register[1:], register[0]]
            if kind == PARITY:
                bits[position] = register[0]
            elif kind == INFORMATION:
                bits[position] = next(known)
                register[0] ^= int(bits[position])
        expected = (bits @ matrix % 2)[code.places]
        np.testing.assert_array_equal(link.encode(payload)[row].numpy(), expected)


def test_list_of_all_words_gives_maximum_likelihood_decoding() -> None:
    """7 information bits, 1 parity bit, no CRC: against the metrics of all 128 words."""
    kinds = np.full(32, FROZEN)
    kinds[[15, 23, 27, 28, 29, 30, 31]] = INFORMATION
    kinds[26] = PARITY
    llr = torch.randn((60, 32), generator=STREAMS("llr"), dtype=torch.float64).numpy() + 0.3
    numbers = np.arange(128)[:, None] >> np.arange(7) & 1
    bits = np.zeros((128, 32), dtype=int)
    bits[:, kinds == INFORMATION] = numbers
    bits[:, 26] = 0  # every earlier position with the same residue mod 5 is frozen
    matrix = np.array([[(i & j) == j for j in range(32)] for i in range(32)]).astype(int)
    likelihood = llr @ (1 - 2 * (bits @ matrix % 2)).T  # [60, 128]
    found, agrees = list_decode(llr, kinds, np.zeros(7, dtype=np.int64), 128)
    np.testing.assert_array_equal(found, numbers[likelihood.argmax(axis=1)])
    assert agrees.all()


def test_decisions_match_sionna_list_decoder() -> None:
    """31 bits over 64; Sionna approximates subtrees without frozen bits, so a few may differ."""
    link = pipe(31, 32, 2, list_size=8)
    polar = sionna_phy().fec.polar
    encoder = polar.Polar5GEncoder(31, 64, device="cpu")
    decoder = polar.Polar5GDecoder(encoder, "SCL", list_size=8, return_crc_status=True)
    payload = payloads(link, 300)
    noise = torch.randn((300, 64), generator=STREAMS("noise"))
    llr = 4 * (2 * link.encode(payload).float() - 1 + 0.75 * noise)
    arrived = link.decode(llr)
    bits, agrees = decoder(llr)
    equal = (bits == arrived.payload).all(dim=1) & (agrees == arrived.crc_ok)
    assert int((~arrived.crc_ok).sum()) > 10
    assert bool(equal[arrived.crc_ok & agrees].all())
    assert int((arrived.crc_ok != agrees).sum()) <= 6


def test_decoding_does_not_depend_on_the_batch() -> None:
    link = pipe(21, 16, 4)
    llr = 3 * torch.randn((30, 64), generator=STREAMS("llr of mates"))
    together = link.decode(llr)
    for row in range(30):
        alone = link.decode(llr[row : row + 1])
        assert torch.equal(alone.payload[0], together.payload[row])
        assert bool(alone.crc_ok[0]) == bool(together.crc_ok[row])


def test_16_bit_error_rate_is_near_maximum_likelihood() -> None:
    """Error rates at 2 dB, 16 uses: LDPC with CRC16 0.98, exhaustive search 0.05."""
    link = pipe(16, 16, 2)
    payload = payloads(link, 4000)
    arrived = sent(link, payload, 2.0)
    wrong = (arrived.payload != payload).any(dim=1) | ~arrived.crc_ok
    assert float(wrong.double().mean()) < 0.12


def test_invalid_sizes_raise_an_error() -> None:
    for bits in (11, 360):
        with pytest.raises(ValueError, match=f"must be 12 to 359, got {bits}"):
            pipe(bits, 400, 2)
    with pytest.raises(ValueError, match=r"must be one of \[2, 4, 6, 8\], got 3"):
        pipe(20, 16, 3)
    with pytest.raises(ValueError, match="list_size must be at least 1, got 16 and 0"):
        pipe(20, 16, 4, list_size=0)
    with pytest.raises(ValueError, match="got 32 for 37; ask for more channel uses"):
        pipe(26, 16, 2)
