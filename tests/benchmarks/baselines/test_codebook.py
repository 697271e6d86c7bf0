"""Every family of the label code: energy, correlations, and what does not fit."""

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.codebook import code_family, label_codebook

SIZES = [(2, 1), (4, 1), (10, 2), (10, 3), (10, 4), (10, 5), (10, 64), (100, 4), (100, 11)]
SIZES += [(100, 16), (100, 20), (100, 32), (100, 256), (1000, 16), (1000, 100)]

LARGEST_CORRELATIONS = [
    (10, 2, 1 / 2),
    (100, 4, 1 / 2),
    (100, 8, 1 / 4),
    (100, 16, 8 / 32),
    (100, 20, 8 / 32),
    (256, 32, 1 / 8),
    (1000, 64, 1 / 8),
]


def correlations(words: Tensor) -> Tensor:
    """Correlations Re<s_i, s_j> / k of all pairs i < j."""
    gram = (words @ words.mH).real / words.shape[1]
    row, column = torch.triu_indices(len(words), len(words), offset=1)
    return gram[row, column]


@pytest.mark.parametrize(("num_classes", "k"), SIZES)
def test_every_word_has_energy_k_and_is_its_own(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    assert words.shape == (num_classes, k)
    assert words.dtype == torch.complex64
    energy = words.to(torch.complex128).abs().square().sum(dim=1)
    torch.testing.assert_close(energy, torch.full_like(energy, k), rtol=1e-6, atol=0)
    assert correlations(words).max() < 0.51


@pytest.mark.parametrize(("num_classes", "k"), [(10, 5), (10, 64), (100, 50), (100, 256)])
def test_orthogonal_where_two_k_reach_the_classes(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    assert code_family(num_classes, k) == "orthogonal"
    assert correlations(words).abs().max() < 1e-6
    # Every use holds 1 of the energy k, where a one-hot word would put all of it in one.
    torch.testing.assert_close(words.abs(), torch.ones(num_classes, k))


@pytest.mark.parametrize(("num_classes", "k"), [(10, 3), (10, 4), (100, 25), (100, 49)])
def test_biorthogonal_where_four_k_reach_the_classes(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    assert code_family(num_classes, k) == "biorthogonal"
    torch.testing.assert_close(words[1::2], -words[::2])
    values = correlations(words)
    assert int((values < -0.999).sum()) == num_classes // 2
    assert values[values > -0.999].abs().max() < 1e-6


@pytest.mark.parametrize(("num_classes", "k", "largest"), LARGEST_CORRELATIONS)
def test_reed_muller_words_are_as_far_apart_as_quadratic_forms_allow(
    num_classes: int, k: int, largest: float
) -> None:
    assert code_family(num_classes, k) == "Reed-Muller"
    assert correlations(label_codebook(num_classes, k)).max() < largest + 1e-6


def test_reed_muller_starts_with_the_first_order_code() -> None:
    signs = torch.view_as_real(label_codebook(100, 16)).reshape(100, 32)
    torch.testing.assert_close(signs.abs(), torch.full((100, 32), 0.5**0.5))
    first = (signs[:64] @ signs[:64].T) / 16
    expected = torch.eye(64) - torch.eye(64).reshape(32, 2, 64).flip(1).reshape(64, 64)
    torch.testing.assert_close(first, expected)


def test_reed_muller_leaves_silent_what_is_no_power_of_two() -> None:
    words = label_codebook(100, 20)
    assert words[:, 16:].abs().max() == 0
    torch.testing.assert_close(words[:, :16], label_codebook(100, 16) * (20 / 16) ** 0.5)


def test_too_few_words_are_refused() -> None:
    assert code_family(100, 3) is None
    assert code_family(10, 1) is None
    assert code_family(10, 0) is None
    with pytest.raises(ValueError, match=r"k = 3 .* 100 classes"):
        label_codebook(100, 3)
    with pytest.raises(ValueError, match="at least 2 classes"):
        code_family(1, 8)
