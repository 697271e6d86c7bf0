"""Polar words of the label code: energy, distances, simulated error rates, and use in sweeps."""

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.codebook import code_family, label_codebook
from benchmarks.baselines.label_code import LabelCodeConfig, LabelCodeScheme
from benchmarks.recipes.digits import digits
from benchmarks.studies.label_codes import wrong_decisions
from channels.theory import biorthogonal_symbol_error_rate
from simulator.errors import UserError


def correlations(words: Tensor) -> Tensor:
    """Correlations Re<s_i, s_j> / k of all pairs i < j."""
    row, column = torch.triu_indices(len(words), len(words), offset=1)
    return ((words @ words.mH).real / words.shape[1])[row, column]


@pytest.mark.parametrize(("num_classes", "k"), [(10, 16), (100, 16), (100, 20), (100, 700)])
def test_every_use_of_every_word_has_unit_energy(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k, "polar")
    assert words.shape == (num_classes, k)
    torch.testing.assert_close(words.abs(), torch.ones(num_classes, k))
    assert float(correlations(words).max()) < 0.6


@pytest.mark.parametrize(
    ("k", "polar", "regular"), [(16, 0.5, 0.25), (64, 0.0, 0.0), (256, 0.5, 0.0)]
)
def test_polar_words_are_no_farther_apart_than_regular_words(
    k: int, polar: float, regular: float
) -> None:
    for code, most in (("polar", polar), ("regular", regular)):
        words = label_codebook(100, k, code)
        assert float(correlations(words).max()) == pytest.approx(most, abs=1e-6)


def test_error_rate_of_biorthogonal_words_matches_the_closed_form() -> None:
    snr_db, trials = 10 - 18.0618, 40_000  # a word over 64 uses has E/N0 = 10 dB
    rate = biorthogonal_symbol_error_rate(100, 64 * 10 ** (snr_db / 10))
    errors = wrong_decisions(label_codebook(100, 64, "polar"), "awgn", snr_db)
    assert 0.01 < rate < 0.1
    assert abs(errors - trials * rate) < 4 * (trials * rate * (1 - rate)) ** 0.5


def test_polar_words_have_more_errors_than_default_words_at_16_uses() -> None:
    own, polar = (
        wrong_decisions(words, "awgn", 0.0)
        for words in (label_codebook(100, 16), label_codebook(100, 16, "polar"))
    )
    assert own < polar - 4 * (own + polar) ** 0.5


def test_polar_label_is_swept_only_by_name() -> None:
    recipe = digits()
    assert "label_code:polar" not in recipe.scheme_names
    own = recipe.one(LabelCodeConfig)
    config = own.labelled("polar")
    scheme = LabelCodeScheme(
        config, classify=lambda images: images.flatten(1), class_counts=torch.ones(10)
    )
    assert scheme.name == config.name == "label_code:polar"
    assert scheme.channel_uses == "k >= 16"
    assert [k for k in (4, 15, 16, 64) if scheme.serves(k)] == [16, 64]
    assert "10 polar words" in scheme.settings(16)
    with pytest.raises(
        UserError, match="the label behind label_code must be regular or polar, got 'x'"
    ):
        own.labelled("x")


def test_too_few_channel_uses_raise_an_error() -> None:
    assert code_family(10, 15, "polar") is None
    with pytest.raises(ValueError, match="k = 15 channel uses carry no polar words"):
        label_codebook(10, 15, "polar")
