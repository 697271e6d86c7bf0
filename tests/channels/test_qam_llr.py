"""LLRs of Gray QAM against the literal formula, a sum over all points, and closed form."""

import math

import numpy as np
import pytest
import torch

from channels.awgn import AwgnChannel
from channels.digital.bit_pipe import qam_llr
from channels.fading import RayleighChannel
from channels.streams import Streams, sionna_phy
from channels.theory import qam_bit_error_rate_awgn, qam_bit_error_rate_rayleigh

STREAMS = Streams(seed=30)


def test_qpsk_llr_matches_the_literal_formula() -> None:
    """Bit 0 sits at +1/sqrt(2), so ln P(1)/P(0) = -2 sqrt(2) Re(h* y) / N0 and Im for bit 1."""
    x = torch.view_as_complex(torch.randn(4, 9, 2, generator=STREAMS("symbols")))
    channel, snr_db = RayleighChannel(coherence=2), torch.tensor([[-5.0], [0.0], [5.0], [15.0]])
    received = channel(x, snr_db=snr_db, generator=STREAMS("fading"))
    llr = qam_llr(
        received.y / received.h,
        noise_power=received.noise_power / received.h.abs().square(),
        bits_per_symbol=2,
    )
    matched = received.h.conj() * received.y / received.noise_power
    literal = -2.0 * math.sqrt(2.0) * torch.view_as_real(matched).flatten(start_dim=1)
    torch.testing.assert_close(llr, literal, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
@pytest.mark.parametrize("snr_db", [-3.0, 8.0, 20.0])
def test_fast_llr_equals_the_sum_over_all_points(bits_per_symbol: int, snr_db: float) -> None:
    generator = STREAMS("llr")
    symbols = torch.view_as_complex(torch.randn(3, 40, 2, generator=generator))
    noise_power = 10 ** (-snr_db / 10) * (0.5 + torch.rand(3, 40, generator=generator))
    ours = qam_llr(symbols, noise_power=noise_power, bits_per_symbol=bits_per_symbol)

    demapper = sionna_phy().mapping.Demapper(
        "app", "qam", bits_per_symbol, precision="double", device="cpu"
    )
    sionna = demapper(symbols.to(torch.complex128), noise_power.double())
    torch.testing.assert_close(ours.double(), sionna, rtol=1e-4, atol=1e-3)

    points = sionna_phy().mapping.qam(bits_per_symbol).astype(np.complex128)
    distance = np.abs(symbols.numpy().astype(np.complex128)[..., None] - points) ** 2
    exponent = -distance / noise_power.numpy().astype(float)[..., None]
    for bit in range(bits_per_symbol):
        one = (np.arange(len(points)) >> (bits_per_symbol - 1 - bit) & 1).astype(bool)
        literal = np.logaddexp.reduce(exponent[..., one], axis=-1)
        literal -= np.logaddexp.reduce(exponent[..., ~one], axis=-1)
        np.testing.assert_allclose(ours[:, bit::bits_per_symbol], literal, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
def test_llr_is_positive_where_the_bit_is_one(bits_per_symbol: int) -> None:
    bits = torch.randint(0, 2, (5, 24 * bits_per_symbol), generator=STREAMS("bits"))
    x = sionna_phy().mapping.Mapper("qam", bits_per_symbol, precision="single", device="cpu")(bits)
    llr = qam_llr(x, noise_power=torch.full((5, 1), 0.01), bits_per_symbol=bits_per_symbol)
    assert torch.equal(llr > 0, bits.bool())
    noiseless = qam_llr(x, noise_power=torch.zeros(5, 1), bits_per_symbol=bits_per_symbol)
    assert torch.equal(noiseless > 0, bits.bool())


@pytest.mark.parametrize(
    ("bits_per_symbol", "awgn_db", "rayleigh_db"),
    [(2, 5.0, 10.0), (4, 12.0, 18.0), (8, 24.0, 30.0)],
)
def test_uncoded_bit_error_rate_matches_closed_form(
    bits_per_symbol: int, awgn_db: float, rayleigh_db: float
) -> None:
    """LLR signs give nearest-point decisions, up to a difference far below one sigma."""
    batch = 50_000
    bits = torch.randint(0, 2, (batch, bits_per_symbol), generator=STREAMS("uncoded"))
    x = sionna_phy().mapping.Mapper("qam", bits_per_symbol, precision="single", device="cpu")(bits)
    rates = (
        (AwgnChannel(), awgn_db, qam_bit_error_rate_awgn),
        (RayleighChannel(coherence=None), rayleigh_db, qam_bit_error_rate_rayleigh),
    )
    for channel, snr_db, closed_form in rates:
        snr = torch.full((batch, 1), snr_db)
        received = channel(x, snr_db=snr, generator=STREAMS("uncoded", channel.name))
        llr = qam_llr(
            received.y / received.h,
            noise_power=received.noise_power / received.h.abs().square(),
            bits_per_symbol=bits_per_symbol,
        )
        wrong = ((llr > 0) != bits.bool()).double().mean(dim=1)  # per symbol
        standard_error = float(wrong.std()) / math.sqrt(batch)
        expected = closed_form(snr_db, bits_per_symbol=bits_per_symbol)
        assert expected > 20 / batch
        assert abs(float(wrong.mean()) - expected) < 4 * standard_error
