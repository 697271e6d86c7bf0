"""The tuned blocks of EfficientNet as products of matrices, against convolutions."""

import copy

import pytest
import torch
from torch import Tensor

from models import EfficientNet, EfficientNetConfig

pytest.importorskip("efficientnet_lite_pytorch", reason="extra teachers is not installed")


def by_convolutions(body: EfficientNet, hidden: Tensor) -> Tensor:
    features: Tensor = body.late(hidden)
    return features.mean(dim=(2, 3))


@pytest.mark.parametrize(("side", "frozen"), [(160, 15), (96, 20), (192, 14)])
def test_features_and_gradients_in_training_match_those_of_convolutions(
    side: int, frozen: int, generator: torch.Generator
) -> None:
    """Images of 10x10 and 3x3; the last case begins with 12x12, which stay convolutions."""
    body = EfficientNetConfig(side=side, frozen=frozen).build(image_channels=3).train()
    images = torch.rand((2, 3, 32, 32), generator=generator)
    hidden = body.begun(images).double()
    body.late.double()
    other = copy.deepcopy(body)
    found, right = body.finished(hidden), by_convolutions(other, hidden).float()
    torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-5)
    slope = torch.randn(right.shape, generator=generator)
    found.backward(slope)
    right.backward(slope)
    pairs = [*zip(body.late.parameters(), other.late.parameters(), strict=True)]
    scale = max(float(own.grad.abs().max()) for own, _ in pairs if own.grad is not None)
    for own, theirs in pairs:
        torch.testing.assert_close(own.grad, theirs.grad, atol=1e-6 * scale, rtol=1e-4)
    for name, buffer in body.late.named_buffers():
        torch.testing.assert_close(buffer, other.late.get_buffer(name))


@torch.no_grad()
def test_features_in_evaluation_match_those_of_the_layers(generator: torch.Generator) -> None:
    body = EfficientNetConfig(side=64, frozen=8).pretrained().eval()
    images = torch.rand((3, 3, 32, 32), generator=generator)
    hidden = body.early(body._shown(images))
    torch.testing.assert_close(body.begun(images), hidden, atol=1e-4, rtol=1e-4)
    features = by_convolutions(body, hidden)
    before = torch.get_rng_state()
    assert body.double().finished(hidden.double()).shape == features.shape  # of any precision
    body.float()
    assert torch.equal(torch.get_rng_state(), before)  # nothing is drawn
    torch.testing.assert_close(body.finished(hidden), features, atol=1e-4, rtol=1e-4)
