"""Mutual information of QAM against closed forms, and decoded blocks against its prediction."""

import numpy as np
import pytest
import torch

from benchmarks.baselines.adaptation import distribution, pipes_of
from benchmarks.baselines.block_errors import block_errors
from channels.digital.mutual_information import bicm_bits, bicm_effective_snr_db
from channels.names import channel_from_name
from channels.streams import Streams


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_mutual_information_increases_and_is_bounded_by_capacity(bits: int) -> None:
    snr_db = np.linspace(-30, 40, 141)
    carried = bicm_bits(snr_db, bits_per_symbol=bits)
    assert (np.diff(carried) >= 0).all()
    assert (carried <= np.minimum(bits, np.log2(1 + 10 ** (snr_db / 10)))).all()
    assert carried[-1] == pytest.approx(bits, abs=1e-6)


def test_qpsk_mutual_information_is_twice_the_single_bit_integral() -> None:
    noise = np.linspace(-12, 12, 200_001)
    density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi)
    for snr_db in (-5.0, 0.0, 6.0):
        snr = 10 ** (snr_db / 10)  # LLR of mean and half variance 2 SNR
        lost = np.logaddexp(0, -2 * snr - 2 * np.sqrt(snr) * noise) / np.log(2) * density
        expected = 2 * (1 - lost.sum() * (noise[1] - noise[0]))
        assert bicm_bits(np.array(snr_db), bits_per_symbol=2) == pytest.approx(expected, abs=1e-3)


def test_effective_snr_of_equal_uses_is_their_snr() -> None:
    for bits, most in ((2, 12.0), (4, 18.0), (6, 24.0), (8, 30.0)):
        snr_db = np.array([-12.3, 0.11, 7.77, most])
        met = bicm_effective_snr_db(np.repeat(snr_db[:, None], 5, axis=1), bits_per_symbol=bits)
        np.testing.assert_allclose(met, snr_db, atol=1e-9)


@pytest.mark.parametrize("name", ["rayleigh_fast", "rayleigh_block:16"])
@pytest.mark.parametrize(
    ("bits", "rate", "snr_db"), [(2, 0.75, 8.5), (2, 0.33, 1.0), (4, 0.5, 8.5), (6, 0.75, 18.0)]
)
def test_decoded_error_rate_agrees_with_prediction_within_0_3_db(
    name: str, bits: int, rate: float, snr_db: float
) -> None:
    """256 uses, 400 decoded blocks; the error rate lies between the predictions at +-0.3 dB."""
    blocks, streams, channel = 400, Streams(seed=47), channel_from_name(name)
    links = pipes_of(256, payload_bits=(80, 8300))
    of_it = [link for link in links if link.bits_per_symbol == bits]
    link = min(of_it, key=lambda own: abs(own.code_rate - rate))
    payload = torch.randint(
        0, 2, (blocks, link.payload_bits), generator=streams("payload"), dtype=torch.uint8
    )
    arrived = link(
        payload,
        channel=channel,
        snr_db=torch.full((blocks, 1), snr_db),
        channel_generator=streams("channel"),
        scrambling_generator=streams("scrambling"),
    )
    decoded = float((~arrived.crc_ok).double().mean())
    worse, better = (
        block_errors(link)(
            distribution(channel, snr_db=own, uses=256, modulations=(bits,))[bits]
        ).mean()
        for own in (snr_db - 0.3, snr_db + 0.3)
    )
    spread = 3 * np.sqrt(decoded * (1 - decoded) / blocks)
    assert better - spread < decoded < worse + spread
    assert 0.02 < decoded < 0.9
