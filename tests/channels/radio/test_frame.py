"""Layout and waveform of the frame against closed forms."""

from typing import Any

import numpy as np
import pytest
import torch

from channels.radio.frame import Frame
from channels.radio.preamble import pseudo_random_bits, pseudo_random_qpsk


def test_pseudo_random_bits_match_sionna() -> None:
    from sionna.phy.nr.utils import generate_prng_seq

    for seed in (1, 12345):
        expected = np.asarray(generate_prng_seq(200, seed)).astype(np.uint8)
        assert pseudo_random_bits(200, seed).tolist() == expected.tolist()


def test_qpsk_has_unit_power_on_every_symbol() -> None:
    symbols = pseudo_random_qpsk(500, 3)
    np.testing.assert_allclose(np.abs(symbols), 1.0)
    assert len(set(np.round(symbols, 6))) == 4


@pytest.mark.parametrize(
    ("settings", "fft_size", "prefix", "rate"),
    [
        ({}, 128, 9, 1.92e6),
        ({"subcarriers": 300}, 512, 36, 7.68e6),
        ({"spacing_khz": 30.0}, 128, 9, 3.84e6),
    ],
)
def test_numerology_matches_lte(
    settings: dict[str, Any], fft_size: int, prefix: int, rate: float
) -> None:
    frame = Frame(images=10, uses=16, **settings)
    assert (frame.fft_size, frame.prefix, frame.sample_rate) == (fft_size, prefix, rate)


@pytest.mark.parametrize(("images", "uses"), [(1, 1), (1, 100), (7, 33), (500, 16)])
def test_data_and_pilots_occupy_disjoint_grid_places(images: int, uses: int) -> None:
    frame = Frame(images=images, uses=uses)
    pilots, data = set(frame.pilot_places.tolist()), set(frame.data_places.tolist())
    assert not pilots & data
    assert len(data) == images * uses
    assert max(data | pilots) < frame.grid_uses == frame.rows * frame.subcarriers
    rows = frame.pilot_places[:: frame.subcarriers] // frame.subcarriers
    assert len(rows) == len(pilots) // frame.subcarriers
    assert np.diff(rows).max(initial=0) <= 8


def test_ofdm_rows_contain_prefix_data_and_pilots(generator: torch.Generator) -> None:
    frame = Frame(images=20, uses=30)
    x = torch.randn((20, 30), dtype=torch.complex64, generator=generator)
    signal = frame.signal(x)
    assert len(signal) == frame.samples
    rows = signal[frame.preamble_samples :].reshape(frame.rows, -1)
    np.testing.assert_allclose(rows[:, : frame.prefix], rows[:, -frame.prefix :])
    grid = np.fft.fft(rows[:, frame.prefix :], norm="ortho")[:, frame.columns].reshape(-1)
    np.testing.assert_allclose(grid[frame.data_places].reshape(20, 30), x.numpy(), atol=1e-5)
    np.testing.assert_allclose(grid[frame.pilot_places], frame.pilot_symbols, atol=1e-12)


def test_preamble_halves_are_equal_and_band_limited() -> None:
    frame = Frame(images=1, uses=72)
    half = frame.half
    assert np.mean(np.abs(half) ** 2) == pytest.approx(frame.subcarriers / frame.fft_size)
    power = np.abs(np.fft.fft(half)) ** 2
    outside = np.abs(np.fft.fftfreq(len(half), 1 / frame.fft_size)) > frame.subcarriers / 2
    assert power[outside].max() < 1e-20 * power.max()
    signal = frame.signal(torch.ones((1, 72), dtype=torch.complex64))
    first = signal[frame.prefix : frame.prefix + len(half)]
    np.testing.assert_array_equal(first, signal[frame.prefix + len(half) :][: len(half)])


def test_samples_of_gives_the_samples_of_an_image(generator: torch.Generator) -> None:
    """Removing the symbols of an image changes the signal only within these samples."""
    frame = Frame(images=20, uses=30)
    x = torch.randn((20, 30), dtype=torch.complex64, generator=generator)
    without = x.clone()
    without[7] = 0
    changed = np.flatnonzero(np.abs(frame.signal(x) - frame.signal(without)) > 1e-9)
    start, count = frame.samples_of(7)
    assert start <= changed[0] < start + frame.row_samples
    assert start + count - frame.row_samples <= changed[-1] < start + count


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"images": 0}, "images of a frame must be 1 to 1000000, got 0"),
        ({"uses": 2.5}, "uses of a frame must be"),
        ({"images": True}, "images of a frame must be"),
        ({"subcarriers": 13}, "subcarriers of a frame must be even, got 13"),
        ({"spacing_khz": 0.5}, "spacing_khz of a frame must be 1.0 to 960.0, got 0.5"),
    ],
)
def test_out_of_range_settings_raise_an_error(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Frame(**{"images": 2, "uses": 4, **settings})


def test_symbols_of_wrong_shape_raise_an_error() -> None:
    with pytest.raises(ValueError, match=r"x must be complex \[images, k\] = \[2, 4\]"):
        Frame(images=2, uses=4).signal(torch.zeros((4, 2), dtype=torch.complex64))
