"""QAM points by index: unit power, the labels of the bit pipe, and closed-form error rates."""

import math

import pytest
import torch

from channels.digital.bit_pipe import qam_bits
from channels.digital.qam import _points, nearest_points, qam_points
from channels.equalize import zero_forcing
from channels.names import channel_from_name
from channels.theory import qam_symbol_error_rate_awgn, qam_symbol_error_rate_rayleigh

CPU = torch.device("cpu")
RATES = {"awgn": qam_symbol_error_rate_awgn, "rayleigh": qam_symbol_error_rate_rayleigh}


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_points_have_unit_power_and_are_their_own_nearest(bits: int) -> None:
    points = qam_points(bits, CPU)
    assert points.shape == (2**bits,)
    assert float(points.abs().square().mean()) == pytest.approx(1)
    numbers = torch.arange(2**bits)
    assert torch.equal(nearest_points(points[None], bits_per_symbol=bits)[0], numbers)
    labels = qam_bits(points[None], bits_per_symbol=bits).view(-1, bits)
    assert [int("".join(map(str, row)), 2) for row in labels.tolist()] == numbers.tolist()


def test_points_cached_in_inference_mode_allow_gradients() -> None:
    _points.cache_clear()
    with torch.inference_mode():
        points = qam_points(4, CPU)
    shares = torch.full((1, 16), 1 / 16, dtype=torch.complex64, requires_grad=True)
    (shares @ points).abs().sum().backward()
    assert shares.grad is not None


@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_symbol_error_rate_matches_theory(
    bits: int, channel: str, generator: torch.Generator
) -> None:
    count, snr_db = 100_000, 8.0
    chosen = torch.randint(0, 2**bits, (count, 1), generator=generator)
    x = qam_points(bits, CPU)[chosen]
    snr = torch.full((count, 1), snr_db)
    received = channel_from_name(channel)(x, snr_db=snr, generator=generator)
    decided = nearest_points(zero_forcing(received), bits_per_symbol=bits)
    rate = RATES[channel](snr_db, bits_per_symbol=bits)
    errors = int((decided != chosen).sum())
    assert abs(errors - count * rate) < 4 * math.sqrt(count * rate * (1 - rate))


def test_unknown_modulation_raises_an_error() -> None:
    with pytest.raises(ValueError, match="bits_per_symbol must be one of"):
        qam_points(5, CPU)
