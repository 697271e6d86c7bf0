"""The layered decoder against Sionna's belief propagation, on the same received blocks."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from channels.digital.bit_pipe import qam_llr
from channels.digital.ldpc import LayeredDecoder
from channels.streams import Streams, sionna_phy

SIZES = [  # information bits, coded bits, bits per symbol, SNR in dB at a BLER of some percent
    (512, 1024, 4, 6.6),
    (96, 256, 2, 0.0),
    (1000, 1200, 2, 5.6),  # base graph 1, high rate
    (64, 320, 2, -2.5),  # lowest rate of base graph 2
]


def encoder(k: int, n: int, m: int) -> Any:
    return sionna_phy().fec.ldpc.LDPC5GEncoder(
        k=k, n=n, num_bits_per_symbol=m, precision="single", device="cpu"
    )


def received(code: Any, m: int, snr_db: float, blocks: int) -> tuple[Tensor, Tensor]:
    """Information bits [B, k] and LLRs [B, n] of random blocks on AWGN; always the same noise."""
    stream = Streams(seed=1)("ldpc", code.k, code.n)
    bits = torch.randint(0, 2, (blocks, code.k), generator=stream).float()
    mapper = sionna_phy().mapping.Mapper("qam", m, precision="single", device="cpu")
    x = mapper(code(bits).to(torch.uint8))
    noise_power = 10 ** (-snr_db / 10)
    w = torch.randn((2, *x.shape), generator=stream) * (noise_power / 2) ** 0.5
    y = x + torch.complex(w[0], w[1])
    llr = qam_llr(y, noise_power=torch.full((blocks, 1), noise_power), bits_per_symbol=m)
    return bits.to(torch.uint8), llr


@pytest.mark.parametrize(("k", "n", "m", "snr_db"), SIZES)
def test_no_more_block_errors_than_belief_propagation(
    k: int, n: int, m: int, snr_db: float
) -> None:
    """At 0.1 dB more SNR, no more errors than 20 flooding iterations of Sionna's decoder."""
    code, blocks = encoder(k, n, m), 500
    bits, llr = received(code, m, snr_db, blocks)
    peer = sionna_phy().fec.ldpc.LDPC5GDecoder(code, num_iter=20, precision="single", device="cpu")
    theirs = (peer(llr).to(torch.uint8) != bits).any(dim=1)
    _, better = received(code, m, snr_db + 0.1, blocks)
    ours = (LayeredDecoder(code)(better) != bits).any(dim=1)
    assert 0.01 * blocks < int(theirs.sum()) < 0.3 * blocks
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    assert only_ours - only_theirs <= 2 * np.sqrt(only_ours + only_theirs)


@pytest.mark.parametrize(("k", "n", "m", "snr_db"), SIZES)
def test_three_iterations_suffice_at_high_snr(k: int, n: int, m: int, snr_db: float) -> None:
    code = encoder(k, n, m)
    bits, llr = received(code, m, snr_db + 20, 50)
    assert torch.equal(LayeredDecoder(code, iterations=3)(llr), bits)


def test_decoding_does_not_depend_on_the_batch() -> None:
    code = encoder(96, 256, 2)
    _, llr = received(code, 2, 0.5, 40)
    together = LayeredDecoder(code)(llr)
    for block in range(0, 40, 7):
        assert torch.equal(LayeredDecoder(code)(llr[block : block + 1])[0], together[block])
