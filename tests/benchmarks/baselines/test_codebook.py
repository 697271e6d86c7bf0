"""Every family of the label code: energy, correlations, bounds, and unsupported sizes."""

import math

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.codebook import Code, code_family, label_codebook, sent_words
from benchmarks.baselines.spherical import spherical_words
from benchmarks.tools.spherical_words import SIZES as OPTIMISED
from benchmarks.tools.spherical_words import union_bound
from benchmarks.waveform import peaks, reference

SIZES = [(2, 1), (4, 1), (4, 2), (9, 4), (10, 5), (10, 64), (100, 4), (100, 11), (100, 50)]
SIZES += OPTIMISED
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
def test_words_have_energy_k_and_are_distinct(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    assert words.shape == (num_classes, k)
    assert words.dtype == torch.complex64
    energy = words.to(torch.complex128).abs().square().sum(dim=1)
    torch.testing.assert_close(energy, torch.full_like(energy, k), rtol=1e-6, atol=0)
    assert correlations(words).max() < (0.51 if k > 1 else 0.81)


@pytest.mark.parametrize(("num_classes", "k"), [(2, 3), (9, 4), (10, 5), (10, 16), (100, 64)])
def test_simplex_code_if_2k_is_at_least_classes_minus_one(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    assert code_family(num_classes, k) == "simplex"
    assert code_family(num_classes, (num_classes - 2) // 2) != "simplex"
    values = correlations(words)
    torch.testing.assert_close(values, torch.full_like(values, -1 / (num_classes - 1)))


@pytest.mark.parametrize(("num_classes", "k", "most"), [(10, 16, 1.2), (100, 256, 1.2), (9, 4, 1)])
def test_simplex_words_spread_their_energy_over_all_uses(
    num_classes: int, k: int, most: float
) -> None:
    """A one-hot word would put its energy k in one use; all words have equal energy per use."""
    energy = label_codebook(num_classes, k).abs().square()
    torch.testing.assert_close(energy, energy[:1].expand_as(energy))
    assert energy.max() <= most + 1e-6


CLOSEST = [(100, 8, 0.334), (100, 16, 0.247)]
CLOSEST += [(10, 1, 0.810), (10, 2, 0.178), (10, 3, 0.025), (10, 4, 0.034)]


@pytest.mark.parametrize(("num_classes", "k", "most"), CLOSEST)
def test_optimised_words_keep_their_minimum_distance(num_classes: int, k: int, most: float) -> None:
    """The squared distance is 2 k (1 - correlation)."""
    assert code_family(num_classes, k) == "spherical"
    assert correlations(label_codebook(num_classes, k)).max() < most


@pytest.mark.parametrize(("num_classes", "k"), [size for size in OPTIMISED if size[1] > 1])
def test_optimised_words_have_a_lower_union_bound_than_regular_ones(
    num_classes: int, k: int
) -> None:
    own, regular = (
        torch.view_as_real(words).reshape(num_classes, -1).double() / k**0.5
        for words in (label_codebook(num_classes, k), label_codebook(num_classes, k, "regular"))
    )
    for energy_db in (6, 8, 10):
        ratio = 10 ** (energy_db / 10)
        assert union_bound(own, ratio) < union_bound(regular, ratio)


def test_union_bound_of_two_antipodal_words_is_their_error_rate() -> None:
    words = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert float(union_bound(words, 2.0)) == pytest.approx(math.erfc(2.0**0.5) / 2)


@pytest.mark.parametrize(("num_classes", "k"), OPTIMISED)
def test_optimised_words_spread_their_energy_over_all_uses(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    torch.testing.assert_close(words.abs().square().mean(dim=0), torch.ones(k), atol=0.1, rtol=0)


def test_other_sizes_use_regular_words() -> None:
    assert spherical_words(99, 16) is None
    assert code_family(99, 16) == code_family(99, 16, "regular") == "Reed-Muller"


@pytest.mark.parametrize(("num_classes", "k"), [(10, 5), (10, 64), (100, 50), (100, 256)])
def test_regular_code_is_orthogonal_if_2k_is_at_least_classes(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k, "regular")
    assert code_family(num_classes, k, "regular") == "orthogonal"
    assert correlations(words).abs().max() < 1e-6
    # Every use has unit energy; a one-hot word would put all its energy k in one use.
    torch.testing.assert_close(words.abs(), torch.ones(num_classes, k))


@pytest.mark.parametrize(("num_classes", "k"), [(10, 3), (10, 4), (100, 25), (100, 49)])
def test_regular_code_is_biorthogonal_if_4k_is_at_least_classes(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k, "regular")
    assert code_family(num_classes, k, "regular") == "biorthogonal"
    torch.testing.assert_close(words[1::2], -words[::2])
    values = correlations(words)
    assert int((values < -0.999).sum()) == num_classes // 2
    assert values[values > -0.999].abs().max() < 1e-6


@pytest.mark.parametrize(("num_classes", "k", "largest"), LARGEST_CORRELATIONS)
def test_reed_muller_correlations_meet_the_quadratic_form_limit(
    num_classes: int, k: int, largest: float
) -> None:
    assert code_family(num_classes, k, "regular") == "Reed-Muller"
    assert correlations(label_codebook(num_classes, k, "regular")).max() < largest + 1e-6


def test_first_reed_muller_words_form_the_first_order_code() -> None:
    signs = torch.view_as_real(label_codebook(100, 16, "regular")).reshape(100, 32)
    torch.testing.assert_close(signs.abs(), torch.full((100, 32), 0.5**0.5))
    first = (signs[:64] @ signs[:64].T) / 16
    expected = torch.eye(64) - torch.eye(64).reshape(32, 2, 64).flip(1).reshape(64, 64)
    torch.testing.assert_close(first, expected)


def test_reed_muller_leaves_uses_beyond_a_power_of_two_silent() -> None:
    words = label_codebook(100, 20)
    assert words[:, 16:].abs().max() == 0
    torch.testing.assert_close(words[:, :16], label_codebook(100, 16, "regular") * (20 / 16) ** 0.5)


def test_sizes_with_too_few_words_raise_errors() -> None:
    assert code_family(100, 3) is None
    assert code_family(10, 1, "regular") is None
    assert code_family(10, 0) is None
    with pytest.raises(ValueError, match=r"k = 3 .* 100 classes"):
        label_codebook(100, 3)
    with pytest.raises(ValueError, match="at least 2 classes"):
        code_family(1, 8)


@pytest.mark.parametrize("code", ["own", "regular"])
@pytest.mark.parametrize(
    ("num_classes", "k"), [(10, 16), (10, 64), (100, 16), (100, 64), (100, 256)]
)
def test_sent_words_keep_their_distances_and_have_peaks_below_those_of_gaussian_symbols(
    num_classes: int, k: int, code: Code
) -> None:
    plain, sent = (words(num_classes, k, code) for words in (label_codebook, sent_words))
    products = [torch.view_as_real(own).flatten(1).double() for own in (plain, sent)]
    torch.testing.assert_close(*(own @ own.T for own in products), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sent.abs(), plain.abs())
    assert peaks(sent, width=72).papr_db < peaks(reference("gaussian", k), width=72).papr_db
    if code == "regular" and k > 16:
        assert peaks(plain, width=72).papr_db > 17
