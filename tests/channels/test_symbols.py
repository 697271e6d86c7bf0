"""Packing of features into symbols: pairs, unit power per image, masks, gradients."""

import math

import pytest
import torch
from torch import Tensor

from channels.symbols import from_symbols, to_symbols


def power(x: Tensor) -> Tensor:
    """Energy of each image, in double precision."""
    return x.abs().double().square().sum(dim=1)


@pytest.mark.parametrize("k", range(1, 65))
def test_every_image_has_unit_power_for_every_k(k: int, generator: torch.Generator) -> None:
    scale = torch.tensor([[1e-30], [1e-3], [1.0], [1e20], [3e37]])  # very quiet to very loud
    x = to_symbols(torch.randn(5, 2 * k, generator=generator) * scale)
    assert x.dtype == torch.complex64
    assert x.shape == (5, k)
    torch.testing.assert_close(power(x) / k, torch.ones(5).double(), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("k", range(1, 65))
def test_power_is_normalised_over_used_symbols_only(k: int, generator: torch.Generator) -> None:
    used = torch.rand(6, k, generator=generator) < 0.5
    used[torch.arange(6), torch.randint(0, k, (6,), generator=generator)] = True
    values = torch.randn(6, 2 * k, generator=generator)
    x = to_symbols(values, used=used)
    assert bool((x[~used] == 0).all())
    torch.testing.assert_close(
        power(x) / used.sum(dim=1), torch.ones(6).double(), rtol=1e-6, atol=0
    )
    # values outside the mask have no effect, not even NaN
    values[~used.repeat_interleave(2, dim=1)] = math.nan
    assert torch.equal(to_symbols(values, used=used), x)


def test_masking_to_a_prefix_equals_packing_only_the_prefix(generator: torch.Generator) -> None:
    values = torch.randn(3, 32, generator=generator)
    used = (torch.arange(16) < 5).expand(3, 16)
    torch.testing.assert_close(to_symbols(values, used=used)[:, :5], to_symbols(values[:, :10]))


def test_adjacent_values_become_real_and_imaginary_parts() -> None:
    x = to_symbols(torch.tensor([[3.0, 4.0, 0.0, 0.0], [1.0, -1.0, 1.0, 1.0]]))
    root = math.sqrt(2.0)
    by_hand = torch.tensor(
        [[complex(0.6 * root, 0.8 * root), 0], [complex(1, -1) / root, complex(1, 1) / root]]
    )
    torch.testing.assert_close(x, by_hand)
    torch.testing.assert_close(
        from_symbols(x), torch.tensor([[0.6, 0.8, 0.0, 0.0], [0.5, -0.5, 0.5, 0.5]]) * root
    )


def test_unpacking_inverts_packing(generator: torch.Generator) -> None:
    values = torch.randn(3, 20, generator=generator)
    values *= math.sqrt(10) / values.norm(dim=1, keepdim=True)  # mean power 1 over 10 symbols
    torch.testing.assert_close(from_symbols(to_symbols(values)), values)
    conjugate = to_symbols(values).conj()  # a lazy view in torch
    torch.testing.assert_close(from_symbols(conjugate)[:, 1::2], -values[:, 1::2])


def test_images_do_not_affect_each_other(generator: torch.Generator) -> None:
    values = torch.randn(2, 16, generator=generator)
    alone = to_symbols(values[:1])
    values[1] *= 1000.0
    assert torch.equal(to_symbols(values)[:1], alone)


def test_gradient_matches_the_definition(generator: torch.Generator) -> None:
    values = torch.randn(2, 8, generator=generator, dtype=torch.float32).requires_grad_()
    used = torch.tensor([[True, True, True, False], [True, False, True, True]])
    weight = torch.randn(2, 8, generator=generator)

    def literal(u: Tensor) -> Tensor:
        kept = u * used.repeat_interleave(2, dim=1)
        norm = kept.square().sum(dim=1, keepdim=True).sqrt()
        return kept * math.sqrt(3.0) / norm

    (ours,) = torch.autograd.grad(
        (from_symbols(to_symbols(values, used=used)) * weight).sum(), values
    )
    (expected,) = torch.autograd.grad((literal(values) * weight).sum(), values)
    torch.testing.assert_close(ours, expected)
    assert float(ours.abs().max()) > 0.01
    assert bool((ours[~used.repeat_interleave(2, dim=1)] == 0).all())


@pytest.mark.parametrize(
    "values",
    [torch.ones(2, 3), torch.ones(4), torch.ones(2, 4).int(), torch.ones(2, 4) + 0j],
)
def test_invalid_values_raise_an_error(values: Tensor) -> None:
    with pytest.raises(ValueError, match=r"values must be real \[B, 2k\]"):
        to_symbols(values)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_zero_or_non_finite_images_raise_an_error(bad: float) -> None:
    values = torch.ones(3, 4)
    values[1] = bad
    with pytest.raises(ValueError, match=r"finite and not all zero.*images \[1\]"):
        to_symbols(values)


@pytest.mark.parametrize(
    ("used", "message"),
    [
        (torch.ones(2, 2), "used must be bool"),
        (torch.ones(2, 4, dtype=torch.bool), "used must be bool"),
        (torch.tensor([[True, True], [False, False]]), "not all zero"),
    ],
)
def test_invalid_masks_raise_an_error(used: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_symbols(torch.ones(2, 4), used=used)


@pytest.mark.parametrize("x", [torch.ones(2, 4), torch.ones(4) + 0j])
def test_unpacking_invalid_symbols_raises_an_error(x: Tensor) -> None:
    with pytest.raises(ValueError, match="x must be complex"):
        from_symbols(x)
