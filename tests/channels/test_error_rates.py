"""Bit error rates of BPSK and QPSK on every channel against closed forms."""

import math

import pytest
import torch

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel, RicianChannel
from channels.names import EXAMPLES, channel_from_name
from channels.theory import (
    bpsk_bit_error_rate_awgn,
    bpsk_bit_error_rate_rayleigh,
    bpsk_bit_error_rate_rician,
)

NUM_BITS = 200_000
KNOWN = [name for name in EXAMPLES if channel_from_name(name).law.qam_bit_error_rate is not None]


def within_four_sigma(errors: int, trials: int, rate: float) -> bool:
    """Whether a count of independent errors agrees with a rate."""
    assert trials * rate > 30
    return abs(errors - trials * rate) < 4 * math.sqrt(trials * rate * (1 - rate))


def errors_of_bpsk(channel: Channel, snr_db: float, generator: torch.Generator) -> int:
    """Bit errors among NUM_BITS, each with its own gain."""
    bits = torch.randint(0, 2, (NUM_BITS, 1), generator=generator)
    x = (1 - 2 * bits).to(torch.complex64)
    snr = torch.full((NUM_BITS, 1), snr_db)
    received = channel(x, snr_db=snr, generator=generator)
    decided = (received.y * received.h.conj()).real < 0
    return int((decided != bits).sum())


def errors_of_qpsk(channel: Channel, snr_db: float, generator: torch.Generator) -> tuple[int, int]:
    """Bit errors in the real and in the imaginary part of NUM_BITS symbols."""
    bits = torch.randint(0, 2, (NUM_BITS, 1, 2), generator=generator)
    x = torch.view_as_complex((1 - 2 * bits) / math.sqrt(2.0))
    snr = torch.full((NUM_BITS, 1), snr_db)
    received = channel(x, snr_db=snr, generator=generator)
    decided = torch.view_as_real(received.y * received.h.conj()) < 0
    real, imag = (decided != bits).sum(dim=(0, 1)).tolist()
    return real, imag


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 5.0])
def test_bpsk_on_awgn(snr_db: float, generator: torch.Generator) -> None:
    errors = errors_of_bpsk(AwgnChannel(), snr_db, generator)
    assert within_four_sigma(errors, NUM_BITS, bpsk_bit_error_rate_awgn(snr_db))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 8.0])
@pytest.mark.parametrize("name", KNOWN)
def test_qpsk_on_every_channel(name: str, snr_db: float, generator: torch.Generator) -> None:
    channel = channel_from_name(name)
    rate = channel.law.qam_bit_error_rate
    assert rate is not None
    for errors in errors_of_qpsk(channel, snr_db, generator):
        assert within_four_sigma(errors, NUM_BITS, rate(snr_db, bits_per_symbol=2))


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_bpsk_with_rayleigh_fading(snr_db: float, generator: torch.Generator) -> None:
    errors = errors_of_bpsk(RayleighChannel(coherence=None), snr_db, generator)
    assert within_four_sigma(errors, NUM_BITS, bpsk_bit_error_rate_rayleigh(snr_db))


@pytest.mark.parametrize("k_factor", [1.0, 4.0])
@pytest.mark.parametrize("snr_db", [0.0, 8.0])
def test_bpsk_with_rician_fading(
    snr_db: float, k_factor: float, generator: torch.Generator
) -> None:
    errors = errors_of_bpsk(RicianChannel(k_factor=k_factor), snr_db, generator)
    rate = bpsk_bit_error_rate_rician(snr_db, k_factor=k_factor)
    assert within_four_sigma(errors, NUM_BITS, rate)


@pytest.mark.parametrize("wrong", [RayleighChannel(coherence=None), RicianChannel(k_factor=4.0)])
def test_error_counts_distinguish_channels(wrong: Channel, generator: torch.Generator) -> None:
    errors = errors_of_bpsk(wrong, 5.0, generator)
    assert not within_four_sigma(errors, NUM_BITS, bpsk_bit_error_rate_awgn(5.0))


def test_error_counts_detect_a_half_db_difference(generator: torch.Generator) -> None:
    errors = errors_of_bpsk(AwgnChannel(), 0.5, generator)
    assert not within_four_sigma(errors, NUM_BITS, bpsk_bit_error_rate_awgn(0.0))


def test_awgn_gain_is_one(generator: torch.Generator) -> None:
    x = torch.ones(2, 5, dtype=torch.complex64)
    received = AwgnChannel()(x, snr_db=torch.zeros(2, 1), generator=generator)
    assert torch.equal(received.h, torch.ones(2, 5, dtype=torch.complex64))


def test_noiseless_awgn_leaves_symbols_unchanged(generator: torch.Generator) -> None:
    x = torch.view_as_complex(torch.randn(2, 5, 2, generator=generator))
    received = AwgnChannel()(x, snr_db=torch.full((2, 1), math.inf), generator=generator)
    assert torch.equal(received.y, x)
