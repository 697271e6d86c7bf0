"""Zero forcing, MMSE and receive SNR against values calculated by hand."""

import math

import pytest
import torch

from channels.base import ChannelOutput
from channels.equalize import mmse, receive_snr_db, reliability, zero_forcing
from channels.fading import RayleighChannel

RECEIVED = ChannelOutput(
    y=torch.tensor([[2 + 4j, 3j], [1 + 0j, 1 + 1j]]),
    h=torch.tensor([[1 + 1j, 3 + 0j], [0.5j, -1 + 0j]]),
    noise_power=torch.tensor([[0.5], [0.25]]),
)


def test_zero_forcing_by_hand() -> None:
    # (2+4j)/(1+1j) = 3+1j, 3j/3 = 1j, 1/0.5j = -2j, (1+1j)/-1
    expected = torch.tensor([[3 + 1j, 1j], [-2j, -1 - 1j]])
    torch.testing.assert_close(zero_forcing(RECEIVED), expected)


def test_mmse_by_hand() -> None:
    # (1-1j)(2+4j)/2.5 = (6+2j)/2.5, 9j/9.5, -0.5j/0.5, (-1-1j)/1.25
    expected = torch.tensor([[2.4 + 0.8j, 9j / 9.5], [-1j, -0.8 - 0.8j]])
    torch.testing.assert_close(mmse(RECEIVED), expected)


def test_receive_snr_by_hand() -> None:
    # mean |h|^2 is (2 + 9)/2 over 0.5, and (0.25 + 1)/2 over 0.25
    expected = torch.tensor([[10 * math.log10(11.0)], [10 * math.log10(2.5)]])
    torch.testing.assert_close(receive_snr_db(RECEIVED), expected)
    used = torch.tensor([[True, False], [True, True]])
    expected[0] = 10 * math.log10(4.0)
    torch.testing.assert_close(receive_snr_db(RECEIVED, used=used), expected)
    # with estimation error: mean N0 is 0.5 over the used symbols, and (0.25 + 0.75)/2
    estimated = RECEIVED._replace(noise_power=torch.tensor([[0.5, 1.5], [0.25, 0.75]]))
    expected[1] = 10 * math.log10(0.625 / 0.5)
    torch.testing.assert_close(receive_snr_db(estimated, used=used), expected)
    expected[0] = 10 * math.log10(5.5 / 1.0)
    torch.testing.assert_close(receive_snr_db(estimated), expected)


def test_erased_noiseless_symbols_give_finite_estimates() -> None:
    erased = ChannelOutput(
        y=torch.tensor([[0j, 2 + 0j]]),
        h=torch.tensor([[0j, 2 + 0j]]),
        noise_power=torch.zeros(1, 1),
    )
    for estimate in (mmse(erased), zero_forcing(erased)):
        torch.testing.assert_close(estimate, torch.tensor([[0j, 1 + 0j]]))
    torch.testing.assert_close(reliability(erased), torch.tensor([[0.0, 1.0]]))
    assert torch.isfinite(receive_snr_db(erased)).all()


@pytest.mark.parametrize(
    "used",
    [
        torch.ones(2, 2),
        torch.ones(2, 1, dtype=torch.bool),
        torch.tensor([[False, False], [True, True]]),
    ],
)
def test_invalid_masks_raise_an_error(used: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="used"):
        receive_snr_db(RECEIVED, used=used)


def test_mmse_error_matches_theory(generator: torch.Generator) -> None:
    """The mean squared error is N0 / (|h|^2 + N0) for MMSE and N0 / |h|^2 for zero forcing."""
    x = torch.view_as_complex(torch.randn(1, 100_000, 2, generator=generator) / math.sqrt(2.0))
    channel = RayleighChannel(coherence=1)
    received = channel(x, snr_db=torch.tensor([[3.0]]), generator=generator)
    error = (mmse(received) - x).abs().double().square()
    expected = received.noise_power / (received.h.abs().double().square() + received.noise_power)
    difference = error - expected
    standard_error = float(difference.std()) / math.sqrt(difference.numel())
    assert abs(float(difference.mean())) < 4 * standard_error
    assert float((zero_forcing(received) - x).abs().square().mean()) > 2 * float(error.mean())


def test_noiseless_estimates_recover_the_symbols(generator: torch.Generator) -> None:
    x = torch.view_as_complex(torch.randn(5, 8, 2, generator=generator))
    channel = RayleighChannel(coherence=3)
    received = channel(x, snr_db=torch.full((5, 1), math.inf), generator=generator)
    assert bool((received.noise_power == 0).all())
    torch.testing.assert_close(zero_forcing(received), x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mmse(received), x, rtol=1e-4, atol=1e-4)
