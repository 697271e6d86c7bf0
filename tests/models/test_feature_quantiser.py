"""The feature quantiser against NumPy, and the initialisation of its heads."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models import FeatureQuantiser, FeatureQuantiserConfig
from models.feature_quantiser import RANGES, best_ranges

CONFIG = FeatureQuantiserConfig(feature_dim=12, ranks=(3, 6), bits=(2, 4))


@pytest.fixture(scope="module")
def features() -> Tensor:
    """Correlated features [2000, 12] with a mean."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(12, 12, generator=generator)
    return torch.randn(2000, 12, generator=generator) @ mixing + 3


@pytest.fixture(scope="module")
def fitted(features: Tensor) -> tuple[FeatureQuantiser, nn.Linear]:
    """A quantiser fitted to these features in two parts, and the head it was initialised from."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, head = CONFIG.build(num_classes=5), nn.Linear(12, 5)
    model.fit([features[:900], features[900:]], head)
    return model, head


def test_components_match_numpy(
    fitted: tuple[FeatureQuantiser, nn.Linear], features: Tensor
) -> None:
    data = features.double().numpy()
    centred = data - data.mean(axis=0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ rows[:6].T / (singular[:6] / np.sqrt(len(data)))
    ours = fitted[0].components(features).numpy()
    signs = np.sign((ours * expected).sum(axis=0))  # the sign of a direction is arbitrary
    assert np.abs(ours - expected * signs).max() < 1e-3
    basis = fitted[0].basis.numpy()
    assert (basis[np.abs(basis).argmax(axis=0), np.arange(6)] > 0).all()


@pytest.mark.parametrize(("row", "bits"), list(enumerate(CONFIG.bits)))
def test_cells_ranges_and_frequencies_match_numpy(
    fitted: tuple[FeatureQuantiser, nn.Linear], features: Tensor, row: int, bits: int
) -> None:
    model = fitted[0]
    components = model.components(features)
    values = components.double().numpy()
    for column in (0, 4):
        errors, first = [], values[:900, column]  # ranges are fitted to the first part
        for half in RANGES:
            edges = np.linspace(-half, half, 2**bits + 1)
            cell = np.searchsorted(edges[1:-1], first, side="right")
            middles = (edges[:-1] + edges[1:]) / 2
            errors.append(((first - middles[cell]) ** 2).mean())
        chosen = float(model.ranges[row, column])
        assert errors[RANGES.index(round(chosen, 1))] <= min(errors) * (1 + 1e-5)
        edges = np.linspace(-chosen, chosen, 2**bits + 1)
        cell = np.searchsorted(edges[1:-1], values[:, column], side="right")
        ours = model.levels(components, bits)[:, column].numpy()
        assert (ours != cell).mean() < 1e-3  # rounding at an edge
        counts = np.bincount(ours, minlength=2**bits)
        expected = (counts + 1) / (len(values) + 2**bits)
        assert np.allclose(model.probabilities(6, bits)[column].numpy(), expected, atol=1e-12)


def test_more_bits_and_components_reduce_the_error(
    fitted: tuple[FeatureQuantiser, nn.Linear], features: Tensor
) -> None:
    model = fitted[0]
    components = model.components(features)
    errors = [
        float((model.features(model.levels(components[:, :rank], bits), bits) - features).norm())
        for rank, bits in ((3, 2), (3, 4), (6, 4))
    ]
    assert errors == sorted(errors, reverse=True)
    assert float(best_ranges(components, 4).mean()) > float(best_ranges(components, 2).mean())


def test_heads_are_initialised_from_the_head_on_quantised_features(
    fitted: tuple[FeatureQuantiser, nn.Linear], features: Tensor
) -> None:
    model, head = fitted
    for rank, bits in CONFIG.options:
        levels = model.levels(model.components(features)[:, :rank], bits)
        expected = head(model.features(levels, bits))
        assert torch.allclose(model.scores(levels, bits), expected, atol=1e-3)


def test_invalid_quantisers_raise_an_error() -> None:
    with pytest.raises(ValueError, match="ranks must not exceed 12"):
        FeatureQuantiserConfig(feature_dim=12, ranks=(3, 13), bits=(2,))
    for wrong in ((), (0, 2), (4, 2), (2, 2)):
        with pytest.raises(ValueError, match="bits must be positive and ascend"):
            FeatureQuantiserConfig(feature_dim=12, ranks=(3,), bits=wrong)
