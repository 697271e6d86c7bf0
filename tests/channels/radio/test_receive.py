"""Synchronisation and channel estimation against closed forms, with the simulated radio."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from channels.radio.frame import Frame
from channels.radio.receive import receive_frame
from channels.radio.simulated import SimulatedRadio, drawn_radio, interpolated
from channels.radio.synchronise import NoFrame, halves, synchronise
from channels.streams import Streams

FRAME = Frame(images=100, uses=16)


def symbols(frame: Frame = FRAME) -> Tensor:
    shape = (frame.images, frame.uses)
    return torch.randn(shape, dtype=torch.complex64, generator=Streams(seed=0)("symbols"))


def test_integer_and_fractional_delays_of_a_tone() -> None:
    tone = np.exp(2j * np.pi * 0.21 * np.arange(400))
    middle = np.arange(100.0, 300.0)
    np.testing.assert_allclose(interpolated(tone, middle - 7), tone[93:293], atol=1e-12)
    turned = tone[100:300] * np.exp(-2j * np.pi * 0.21 * 0.37)
    np.testing.assert_allclose(interpolated(tone, middle - 0.37), turned, atol=1e-4)


def test_simulated_radio_applies_requested_noise_and_gain(generator: torch.Generator) -> None:
    radio = SimulatedRadio(snr_db=3.0, delay=50_000, gain=0.5j)
    signal = FRAME.signal(symbols())
    heard = radio(signal, generator=generator)
    power = np.mean(np.abs(heard[:49_000]) ** 2) / (0.25 * 10**-0.3)
    assert abs(power - 1) < 4 / math.sqrt(49_000)
    quiet = SimulatedRadio(snr_db=300.0, delay=3, gain=0.5j)(signal, generator=generator)
    np.testing.assert_allclose(quiet[3:], 0.5j * signal, atol=1e-12)


def test_fractional_offset_has_schmidl_and_cox_variance(
    generator: torch.Generator,
) -> None:
    """Variance 1 / (L SNR) (1 + 1 / (2 SNR)) of the angle between two noisy halves of L samples."""
    known, snr, trials = FRAME.half, 10.0, 400
    power = np.mean(np.abs(known) ** 2)
    deviation = math.sqrt(power / snr / 2)
    noise = torch.randn((trials, 2 * len(known), 2), dtype=torch.float64, generator=generator)
    heard = np.tile(known, 2) + deviation * torch.view_as_complex(noise).numpy()
    heard *= np.exp(2j * np.pi * 0.1 / len(known) * np.arange(2 * len(known)))
    heard = np.concatenate([heard, np.zeros((trials, 1))], axis=1)
    errors = np.array([halves(own, len(known)).angle[0] for own in heard]) - 0.2 * np.pi
    expected = (1 + 1 / (2 * snr)) / (len(known) * snr)
    assert abs(errors.mean()) < 4 * math.sqrt(expected / trials)
    assert abs(np.mean(errors**2) / expected - 1) < 4 * math.sqrt(2 / trials)


@pytest.mark.parametrize("offset", [-3.9, -1.37, 0.0, 0.24, 2.5])
def test_timing_is_exact_and_frequency_offset_is_recovered(offset: float) -> None:
    for number in range(3):
        radio = SimulatedRadio(
            snr_db=10.0, delay=100 + 333 * number, offset=offset / 128, gain=0.01j, trail=50
        )
        draws = Streams(seed=number)("radio")
        heard = radio(FRAME.signal(symbols()), generator=draws)
        sync = synchronise(heard, FRAME)
        assert sync.start == radio.delay + FRAME.prefix
        assert sync.offset == pytest.approx(radio.offset, abs=2e-5)


def test_offset_error_is_within_four_times_the_cramer_rao_bound() -> None:
    """Bound for a tone in white noise, 6 / (4 pi^2 SNR n T^2), with the pilots as samples."""
    snr = 10.0
    for number in range(5):
        radio = SimulatedRadio(snr_db=10.0, delay=200, offset=3e-4, trail=20)
        heard = radio(FRAME.signal(symbols()), generator=Streams(seed=number)("radio"))
        found = receive_frame(heard, FRAME).sync.offset
        span = FRAME.rows * FRAME.row_samples
        bound = math.sqrt(6 / (4 * math.pi**2 * snr * FRAME.pilots * span**2))
        assert abs(found - radio.offset) < 4 * bound


@pytest.mark.parametrize("snr_db", [-4.0, 6.0, 20.0])
def test_residual_power_equals_estimated_noise_power(snr_db: float) -> None:
    """Within four standard errors of a noise power from the noise-only pilot directions."""
    frame = Frame(images=500, uses=16)
    x = symbols(frame)
    draws = Streams(seed=1)("radio", snr_db)
    radio = drawn_radio(snr_db, fft_size=128, spacing_khz=15.0, generator=draws)
    output = receive_frame(radio(frame.signal(x), generator=draws), frame)
    y, h, noise_power = output.received
    error = (y - h * x).abs().square().mean() / noise_power.mean()
    assert abs(float(error) - 1) < 4 / math.sqrt(0.7 * frame.pilots)
    # the power of the gain averages signal and noise over the pilots
    spread = (
        10 / math.log(10) * math.sqrt(1 / (0.7 * frame.pilots) * (1 + 2 * 10 ** (-snr_db / 10)))
    )
    assert abs(output.snr_db - snr_db) < 4 * spread


def test_multipath_within_the_prefix_is_estimated(generator: torch.Generator) -> None:
    x, taps = symbols(), np.array([1.0, 0.0, 0.5j, -0.3])
    heard = np.convolve(FRAME.signal(x), taps / np.linalg.norm(taps))
    heard = SimulatedRadio(snr_db=30.0, delay=300, trail=10)(heard, generator=generator)
    y, h, noise_power = receive_frame(heard, FRAME).received
    assert h.abs().std() > 0.2
    error = (y - h * x).abs().square().mean() / noise_power.mean()
    assert error < 1.5


def test_a_known_snr_replaces_the_estimate(generator: torch.Generator) -> None:
    heard = SimulatedRadio(snr_db=10.0, delay=300)(FRAME.signal(symbols()), generator=generator)
    noise_power = receive_frame(heard, FRAME, snr_db=3.0).received.noise_power
    assert float(noise_power.min()) == pytest.approx(10**-0.3, rel=0.1)
    assert receive_frame(heard, FRAME, snr_db=3.0).snr_db == pytest.approx(3.0)


def noise(count: int) -> "np.ndarray[tuple[int], np.dtype[np.complex128]]":
    draws = torch.randn((count, 2), dtype=torch.float64, generator=Streams(seed=0)("noise"))
    return torch.view_as_complex(draws).numpy()


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (lambda: noise(6000), "no frame was found: at most"),
        (lambda: np.zeros(6000, dtype=np.complex128), "no frame was found: at most 0.0%"),
        (lambda: noise(500), "must hold a preamble of 1024 samples, got 500"),
        (lambda: FRAME.signal(symbols())[:-200], r"frame of 27 OFDM symbols, got 2\d of them"),
    ],
)
def test_missing_or_truncated_frames_raise_an_error(
    heard: "Callable[[], np.ndarray[tuple[int], np.dtype[np.complex128]]]", told: str
) -> None:
    with pytest.raises(NoFrame, match=told):
        receive_frame(heard(), FRAME)
