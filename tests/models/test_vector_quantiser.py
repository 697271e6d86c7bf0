"""The vector quantiser: k-means on separate clusters, saving, and invalid arguments."""

import pytest
import torch

from models import VectorQuantiser, VectorQuantiserConfig

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


@pytest.fixture(scope="module")
def quantiser() -> VectorQuantiser:
    """A quantiser fitted to four clusters of 50 points."""
    noise = torch.randn((200, 2), generator=torch.Generator().manual_seed(1))
    model = VectorQuantiserConfig(feature_dim=2, bits=(1, 2)).build()
    model.fit(CENTRES.repeat(50, 1) + 0.1 * noise, seed=lambda bits: bits)
    return model


def test_words_are_the_cluster_centres(quantiser: VectorQuantiser) -> None:
    numbers = quantiser.nearest(CENTRES, 2)
    assert sorted(numbers.tolist()) == [0, 1, 2, 3]
    assert torch.allclose(quantiser.words(2)[numbers], CENTRES, atol=0.1)
    assert quantiser.words(1).shape == (2, 2)


def test_words_are_restored_from_the_state_dict(quantiser: VectorQuantiser) -> None:
    other = quantiser.config.build()
    assert not torch.equal(other.words(2), quantiser.words(2))
    other.load_state_dict(quantiser.state_dict())
    assert torch.equal(other.words(2), quantiser.words(2))


def test_the_same_seed_gives_the_same_words(quantiser: VectorQuantiser) -> None:
    points = torch.randn((64, 2), generator=torch.Generator().manual_seed(2))
    found = []
    for seed in (5, 5, 6):
        model = VectorQuantiserConfig(feature_dim=2, bits=(4,)).build()
        model.fit(points, seed={4: seed}.__getitem__)
        found.append(model.words(4))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("bits", [(), (0, 1), (2, 1), (3, 3)])
def test_bits_must_ascend(bits: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="bits must be positive and ascend"):
        VectorQuantiserConfig(feature_dim=2, bits=bits)


def test_too_few_features_raise_an_error() -> None:
    model = VectorQuantiserConfig(feature_dim=2, bits=(3,)).build()
    with pytest.raises(ValueError, match="8 words need as many features, got 4"):
        model.fit(CENTRES, seed=lambda bits: bits)
