"""Fading: distribution of |h|^2, phase, which uses share a gain, spread of the receive SNR."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from channels.base import Channel
from channels.equalize import receive_snr_db
from channels.fading import NakagamiChannel, RayleighChannel, RicianChannel
from channels.theory import rayleigh_power_cdf, rayleigh_snr_spread_db, rician_power_cdf
from tests.contracts import FOUR_SIGMA

Cdf = Callable[..., Any]


def gains(channel: Channel, batch: int, k: int, generator: torch.Generator) -> Tensor:
    """Gains [batch, k] of one call."""
    x = torch.ones(batch, k, dtype=torch.complex64)
    return channel(x, snr_db=torch.zeros(batch, 1), generator=generator).h


def p_value(samples: Tensor, cdf: Cdf) -> float:
    """P-value of a Kolmogorov-Smirnov test of the samples against a distribution."""
    return float(stats.kstest(samples.flatten().double().numpy(), cdf).pvalue)


def rician(k_factor: float) -> Cdf:
    return lambda power: rician_power_cdf(power, k_factor=k_factor)


@pytest.mark.parametrize(
    ("coherence", "step"), [(None, 8), (1, 1), (4, 4)], ids=["image", "use", "block"]
)
def test_rayleigh_power_is_exponential(
    coherence: int | None, step: int, generator: torch.Generator
) -> None:
    h = gains(RayleighChannel(coherence=coherence), 10_000, 8, generator)[:, ::step]
    assert p_value(h.abs().square(), rayleigh_power_cdf) > FOUR_SIGMA
    assert p_value(1.1 * h.abs().square(), rayleigh_power_cdf) < FOUR_SIGMA  # the test can fail


@pytest.mark.parametrize("k_factor", [0.0, 1.0, 4.0, 30.0])
def test_rician_power_is_noncentral_chi_square(k_factor: float, generator: torch.Generator) -> None:
    h = gains(RicianChannel(k_factor=k_factor), 50_000, 1, generator)
    power = h.abs().square()
    assert p_value(power, rician(k_factor)) > FOUR_SIGMA
    assert p_value(power, rician(1.3 * k_factor + 0.7)) < FOUR_SIGMA  # another K is rejected
    assert p_value(2.0 * power, rician(k_factor)) < FOUR_SIGMA  # E|h|^2 = 2 is rejected


@pytest.mark.parametrize(
    "channel",
    [
        RayleighChannel(coherence=None),
        RicianChannel(k_factor=1.0),
        RicianChannel(k_factor=30.0),
        NakagamiChannel(m=0.5),
        NakagamiChannel(m=2.0),
    ],
)
def test_phase_is_uniform(channel: Channel, generator: torch.Generator) -> None:
    phase = gains(channel, 50_000, 1, generator).angle()
    uniform = stats.uniform(loc=-math.pi, scale=2.0 * math.pi)
    assert p_value(phase, uniform.cdf) > FOUR_SIGMA


@pytest.mark.parametrize("m", [0.5, 0.8, 1.0, 2.0, 2.5, 40.0])
def test_nakagami_power_is_gamma(m: float, generator: torch.Generator) -> None:
    power = gains(NakagamiChannel(m=m), 50_000, 1, generator).abs().square()
    assert p_value(power, stats.gamma(m, scale=1.0 / m).cdf) > FOUR_SIGMA
    assert p_value(power, stats.gamma(1.2 * m, scale=1.0 / (1.2 * m)).cdf) < FOUR_SIGMA
    assert p_value(1.2 * power, stats.gamma(m, scale=1.0 / m).cdf) < FOUR_SIGMA


def test_nakagami_power_of_m_2_is_a_mean_of_two_rayleigh_powers(generator: torch.Generator) -> None:
    power = gains(NakagamiChannel(m=2.0), 50_000, 1, generator).abs().square().flatten()
    two = gains(RayleighChannel(coherence=1), 50_000, 2, generator).abs().square().mean(dim=1)
    assert stats.ks_2samp(power.numpy(), two.numpy()).pvalue > FOUR_SIGMA


@pytest.mark.parametrize(("m", "agrees"), [(1.0, True), (1.2, False)])
def test_nakagami_with_m_1_is_rayleigh(m: float, agrees: bool, generator: torch.Generator) -> None:
    channels = (NakagamiChannel(m=m), RayleighChannel(coherence=None))
    ours, theirs = (gains(channel, 50_000, 1, generator).flatten() for channel in channels)
    chances = [
        stats.ks_2samp(one.numpy(), other.numpy()).pvalue
        for one, other in zip((ours.real, ours.imag), (theirs.real, theirs.imag), strict=True)
    ]
    assert all(chance > FOUR_SIGMA for chance in chances) == agrees


def test_nakagami_law_with_m_1_equals_the_rayleigh_law() -> None:
    ours, theirs = NakagamiChannel(m=1.0).law, RayleighChannel(coherence=None).law
    assert ours.uses_per_gain == theirs.uses_per_gain
    assert ours.power_variance == theirs.power_variance
    assert ours.power_spread_db == pytest.approx(theirs.power_spread_db, rel=1e-12)


def test_nakagami_with_large_m_has_constant_power(generator: torch.Generator) -> None:
    h = gains(NakagamiChannel(m=1e14), 1000, 2, generator)
    torch.testing.assert_close(h.abs(), torch.ones(1000, 2), rtol=0.0, atol=1e-6)
    assert float(h.real.std()) > 0.6  # its phase is not constant


@pytest.mark.parametrize(
    "channel",
    [RayleighChannel(coherence=None), RicianChannel(k_factor=4.0), NakagamiChannel(m=2.0)],
)
def test_one_gain_per_image(channel: Channel, generator: torch.Generator) -> None:
    h = gains(channel, 100, 16, generator)
    assert bool((h == h[:, :1]).all())
    assert len(h[:, 0].real.unique()) == 100


@pytest.mark.parametrize(("coherence", "k"), [(1, 16), (4, 16), (4, 18), (5, 3), (3, 1)])
def test_one_gain_per_block_including_a_shorter_last_block(
    coherence: int, k: int, generator: torch.Generator
) -> None:
    h = gains(RayleighChannel(coherence=coherence), 50, k, generator)
    block = torch.arange(k) // coherence
    assert bool((h == h[:, block * coherence]).all())
    assert len(h.real.unique()) == 50 * math.ceil(k / coherence)


def test_gains_of_blocks_and_of_images_are_independent(generator: torch.Generator) -> None:
    h = gains(RayleighChannel(coherence=2), 40_000, 6, generator)[:, ::2]  # 3 gains per image
    pairs = (h[:, 0] * h[:, 1].conj(), h[:, 1] * h[:, 2].conj(), h[1:, 0] * h[:-1, 0].conj())
    for product in pairs:  # real and imaginary part have variance 1/2
        limit = 4.0 * math.sqrt(0.5 / len(product))
        assert abs(float(product.real.mean())) < limit
        assert abs(float(product.imag.mean())) < limit


def test_snr_spread_of_rayleigh_images_is_5_57_db(generator: torch.Generator) -> None:
    batch = 100_000
    x = torch.ones(batch, 2, dtype=torch.complex64)
    snr_db = torch.full((batch, 1), 4.0)
    received = RayleighChannel(coherence=None)(x, snr_db=snr_db, generator=generator)
    spread = float(receive_snr_db(received).double().std())
    assert rayleigh_snr_spread_db() == pytest.approx(5.57, abs=0.005)
    # ln |h|^2 is minus a Gumbel variable: excess kurtosis 12/5, so Var(s^2) = 4.4 sigma^4 / n
    standard_error = rayleigh_snr_spread_db() / 2.0 * math.sqrt(4.4 / batch)
    assert abs(spread - rayleigh_snr_spread_db()) < 4.0 * standard_error


def test_snr_spread_of_fast_fading_images_is_small(generator: torch.Generator) -> None:
    x = torch.ones(2000, 256, dtype=torch.complex64)
    received = RayleighChannel(coherence=1)(x, snr_db=torch.zeros(2000, 1), generator=generator)
    assert float(receive_snr_db(received).std()) < 0.4  # about 4.34 dB / sqrt(256)


def test_pure_line_of_sight_has_constant_power(generator: torch.Generator) -> None:
    h = gains(RicianChannel(k_factor=1e12), 1000, 2, generator)
    torch.testing.assert_close(h.abs(), torch.ones(1000, 2), rtol=0.0, atol=1e-5)
    assert float(h.real.std()) > 0.6  # its phase is not constant
