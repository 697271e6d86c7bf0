"""Amplifier and frequency offset against literal time-domain references and closed form."""

import math

import numpy as np
import pytest
import torch

from channels.names import channel_from_name
from channels.ofdm.multipath import PREFIX
from channels.ofdm.waveform import (
    OVERSAMPLING,
    ImpairedChannel,
    amplified,
    rapp,
    subcarriers_of,
    time_signal,
    turned,
)
from tests import contracts

WIDTH = 72
NOISELESS_DB = 200.0


def impaired(name: str) -> ImpairedChannel:
    """The channel of this name."""
    found = channel_from_name(name)
    assert isinstance(found, ImpairedChannel)
    return found


def test_time_signal_is_the_sum_of_its_subcarriers() -> None:
    grid = contracts.qpsk(3, WIDTH).to(torch.complex128)
    samples = np.arange(OVERSAMPLING * WIDTH) / (OVERSAMPLING * WIDTH)
    tones = np.exp(2j * np.pi * np.outer(np.arange(WIDTH) - WIDTH // 2, samples))
    assert np.allclose(time_signal(grid).numpy(), grid.numpy() @ tones / math.sqrt(WIDTH))
    assert float(time_signal(grid).abs().square().mean()) == pytest.approx(1.0)
    torch.testing.assert_close(subcarriers_of(time_signal(grid)), grid)


def test_rapp_is_linear_at_low_and_saturated_at_high_amplitude() -> None:
    small, large = torch.tensor(0.01 + 0.01j), torch.tensor(-30.0 + 40.0j)
    assert torch.allclose(rapp(small, saturation=1.0), small, rtol=1e-6)
    assert torch.allclose(rapp(large, saturation=1.0), large / 50.0, rtol=1e-6)
    half = rapp(torch.tensor(1.0 + 0.0j), saturation=1.0)
    assert float(half.real) == pytest.approx(2 ** (-1 / 6))


@pytest.mark.parametrize("backoff_db", [0.0, 6.0])
def test_gain_and_distortion_match_bussgang(backoff_db: float) -> None:
    """For a Gaussian signal: alpha = E[g(r) r] / E[r^2] over the Rayleigh amplitude r."""
    found = amplified(backoff_db, WIDTH, WIDTH)
    r = np.sqrt(-np.log1p(-(np.arange(10**6) + 0.5) / 10**6))  # of unit mean power
    g = r / (1 + (r**2 / 10 ** (backoff_db / 10)) ** 3) ** (1 / 6)
    alpha = (g * r).mean()
    assert found.gain == pytest.approx(alpha, abs=2e-3)
    everywhere = (g**2).mean() - alpha**2  # in and out of band
    assert 0.4 * everywhere < found.distortion < everywhere


@pytest.mark.parametrize("offset", [0.02, -0.2])
def test_frequency_offset_scales_by_a_sinc_and_leaks_the_rest(offset: float) -> None:
    common, leaked = turned(offset, WIDTH, WIDTH)
    assert abs(common) == pytest.approx(np.sinc(offset), rel=1e-4)
    assert np.angle(common) == pytest.approx(np.pi * offset, rel=5e-3)
    assert 0.9 * (1 - abs(common) ** 2) < leaked < 1 - abs(common) ** 2  # some leaks out of band


def test_frequency_offset_matches_a_rotation_in_time() -> None:
    """Two OFDM symbols with their prefixes, rotated sample by sample."""
    own = impaired("tdl:A:0ns:0kmh+cfo:0.5")
    x = contracts.qpsk(2, 2 * WIDTH)
    received = contracts.send(own, x, snr_db=NOISELESS_DB)
    h = own.channel.gains(2, 2 * WIDTH, generator=contracts.STREAMS("channel"))
    samples = OVERSAMPLING * WIDTH
    symbols = time_signal((h * x).unflatten(1, (2, WIDTH))).to(torch.complex128)
    begins = torch.tensor([0.0, (1 + PREFIX) * samples], dtype=torch.float64)
    at = begins[:, None] + torch.arange(samples)
    turned_signal = symbols * torch.exp(2j * math.pi * own.offset * at / samples)
    expected = subcarriers_of(turned_signal).flatten(1)
    torch.testing.assert_close(received.y.to(torch.complex128), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["tdl:A+pa:3", "tdl:A+cfo:0.3", "tdl:C:300ns:120kmh+cfo:0.3+pa:0"])
@pytest.mark.parametrize(
    ("uses", "kind", "error"),
    [
        (4, "gaussian", 0.05),
        (16, "gaussian", 0.05),
        (64, "gaussian", 0.05),
        (16, "qpsk", 0.2),  # constant modulus: a few percent to a sixth more distortion
        (64, "qpsk", 0.05),
        (2 * WIDTH, "qpsk", 0.05),
    ],
)
def test_residual_power_equals_reported_noise_power(
    name: str, uses: int, kind: str, error: float
) -> None:
    """Codewords have unit power each, also with fewer uses than subcarriers."""
    x = contracts.qpsk(9000, uses)
    if kind == "gaussian":
        generator = contracts.STREAMS("symbols")
        x = torch.randn((9000, uses), dtype=torch.complex64, generator=generator)
        x /= x.abs().square().mean(dim=1, keepdim=True).sqrt()
    received = contracts.send(impaired(name), x, snr_db=40.0)
    left = (received.y - received.h * x).abs().square()
    assert float(left.mean()) == pytest.approx(float(received.noise_power.mean()), rel=error)
    assert received.noise_power.shape == (9000, 1)


def test_large_back_off_or_zero_offset_changes_nothing() -> None:
    x = contracts.qpsk(4, 100)
    plain = contracts.send(channel_from_name("tdl:A"), x)
    for name in ("tdl:A+pa:40", "tdl:A+cfo:0"):
        found = contracts.send(impaired(name), x)
        for a, b in zip(plain, found, strict=True):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["tdl:A:300ns+cfo:0.1+pa:3+ls:8", "tdl:A+cfo:0.1+lmmse:8", "tdl:A+pa:0+lmmse:8"]
)
def test_pilots_see_the_impairments_too(name: str) -> None:
    x = contracts.qpsk(3000, 136)
    received = contracts.send(channel_from_name(name), x, snr_db=20.0)
    left = (received.y - received.h * x).abs().square()
    assert float(left.mean()) == pytest.approx(float(received.noise_power.mean()), rel=0.1)


def test_impairments_keep_the_stream_name_and_pilots() -> None:
    assert channel_from_name("tdl:A+cfo:0.1+pa:3").stream_name == "tdl:A"
    assert channel_from_name("tdl:A+pa:3+lmmse:8").pilots == 8


@pytest.mark.parametrize("backoff", ["pa:0", "pa:3"])
def test_partly_filled_ofdm_symbol_has_the_same_distortion(backoff: str) -> None:
    """The codeword fills little of the last OFDM symbol; the rest carries other data."""
    x = contracts.qpsk(3000, WIDTH + 10)
    received = contracts.send(impaired(f"tdl:A+{backoff}"), x, snr_db=60.0)
    left = (received.y - received.h * x).abs().square().mean(dim=0)
    assert float(left[WIDTH:].mean()) == pytest.approx(float(left[:10].mean()), rel=0.1)
    sent = received.h[:, WIDTH:] * x[:, WIDTH:]
    gain = (received.y[:, WIDTH:] * sent.conj()).real.mean() / sent.abs().square().mean()
    assert float(gain) == pytest.approx(1.0, abs=0.01)
