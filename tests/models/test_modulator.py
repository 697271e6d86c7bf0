"""The modulator of DeepJSCC-Q against a literal version with one softmax over all points."""

import math

import pytest
import torch
from torch import Tensor

from channels.digital.qam import qam_points
from models import ModulatorConfig, QamModulator

BITS = (2, 4, 6, 8)


def modulator(bits: int, hardness: tuple[float, float] = (5.0, 100.0)) -> QamModulator:
    """A newly built modulator."""
    return ModulatorConfig(bits_per_symbol=bits, hardness=hardness, uniformity=0.05).build()


def points(bits: int) -> Tensor:
    """All points of the QAM of the digital schemes, [M]."""
    return qam_points(bits, torch.device("cpu"))


def analog(generator: torch.Generator, count: int = 40) -> Tensor:
    """Symbols of mean power 1, [3, count]."""
    parts = torch.randn(3, count, 2, generator=generator) / math.sqrt(2)
    return torch.view_as_complex(parts).requires_grad_()


def distances(x: Tensor, bits: int) -> Tensor:
    """Squared distances of symbols from all points, [3, count, M]."""
    return (x.unsqueeze(2) - points(bits)).abs().square()


@pytest.mark.parametrize("bits", BITS)
def test_output_is_the_nearest_qam_point(bits: int, generator: torch.Generator) -> None:
    x = analog(generator)
    nearest = points(bits)[distances(x, bits).argmin(dim=2)]
    torch.testing.assert_close(modulator(bits)(x), nearest)
    torch.testing.assert_close(modulator(bits)(points(bits).unsqueeze(0))[0], points(bits))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("progress", [0.0, 0.25])
def test_gradient_and_divergence_match_a_softmax_over_all_points(
    bits: int, progress: float, generator: torch.Generator
) -> None:
    """Equations 12, 13, 18 and 21."""
    x, weights = analog(generator), torch.randn(3, 40, generator=generator)
    mine = modulator(bits)
    sent = mine.relaxed(x, progress=progress)
    torch.testing.assert_close(sent.x, mine(x))
    (found,) = torch.autograd.grad((sent.x.real * weights).sum() + sent.divergence, x)

    shares = torch.softmax(-(5.0 + 95.0 * progress) * distances(x, bits), dim=2)
    soft = (shares * points(bits)).sum(dim=2) / mine.power.sqrt()
    frequencies = shares.mean(dim=(0, 1))
    divergence = (frequencies * (frequencies * 2**bits).log()).sum()
    torch.testing.assert_close(sent.divergence, divergence)
    (expected,) = torch.autograd.grad((soft.real * weights).sum() + divergence, x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bits", BITS)
def test_divergence_is_zero_for_uniform_use_and_maximal_for_one_point(bits: int) -> None:
    hard = modulator(bits, hardness=(1e5, 1e5))
    equal = hard.relaxed(points(bits).unsqueeze(0), progress=0.5).divergence
    assert float(equal) == pytest.approx(0.0, abs=1e-5)
    alone = hard.relaxed(points(bits)[:1].expand(2, 5), progress=0.5).divergence
    assert float(alone) == pytest.approx(bits * math.log(2), rel=1e-5)


def test_mean_power_is_one_even_if_only_corners_are_sent() -> None:
    """Without normalisation, an encoder that sends only corner points would gain 2.6 dB."""
    own, corners = modulator(4), torch.full((8, 3), 1 + 1j)
    assert float(own(corners).abs().square().mean()) == pytest.approx(1.8)
    for _ in range(1000):
        own.relaxed(corners, progress=0.0)
    assert float(own(corners).abs().square().mean()) == pytest.approx(1.0, rel=1e-3)
    assert set(own.state_dict()) == {"power"}


@pytest.mark.parametrize("bits", [0, 1, 5])
def test_non_square_constellations_raise_an_error(bits: int) -> None:
    with pytest.raises(ValueError, match=f"must be even and at least 2, got {bits}"):
        modulator(bits)
