"""The pooled CNN against its equations, written out on its own weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import PooledCnn, PooledCnnConfig
from simulator.training.loop import fresh

CONFIG = PooledCnnConfig(stem=3, widths=(4, 6), projected_dim=5)


def network(config: PooledCnnConfig, *, image_channels: int) -> PooledCnn:
    """A network in `eval` mode with non-trivial weights and statistics of the batch norms."""

    def build() -> PooledCnn:
        built = config.build(image_channels=image_channels)
        for module in built.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, -2, 2)
                nn.init.normal_(module.bias, std=0.3)
                assert module.running_mean is not None
                assert module.running_var is not None
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.1, 0.5)
        return built

    return fresh(build, seed=0).eval()


def written_out(images: Tensor, weights: dict[str, Tensor], *, stages: int) -> Tensor:
    """Features of images by the equations; `weights` is the network's state."""

    def convolved(x: Tensor, name: str) -> Tensor:
        return functional.conv2d(x, weights[f"{name}.weight"], padding=1)

    def normalised(x: Tensor, name: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, shift = (weights[f"{name}.{own}"][:, None, None] for own in names)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = normalised(convolved((images - 0.5) / 0.25, "stem.0"), "stem.1").clamp(min=0)
    for stage in range(stages):
        name = f"stages.{stage}"
        pooled = largest_of_four(convolved(x, f"{name}.widen"))
        x = normalised(pooled, f"{name}.norm1").clamp(min=0)
        x = x + normalised(convolved(x, f"{name}.conv"), f"{name}.norm2").clamp(min=0)
    features = x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3])
    if "projection.weight" in weights:
        features = features @ weights["projection.weight"].T + weights["projection.bias"]
    return features


def largest_of_four(x: Tensor) -> Tensor:
    """The maximum of every 2x2 pixels, or of fewer at the right and bottom edges."""
    rows, columns = (range(0, size, 2) for size in x.shape[2:])
    pixels = [[x[:, :, i : i + 2, j : j + 2].amax(dim=(2, 3)) for j in columns] for i in rows]
    return torch.stack([torch.stack(row, dim=2) for row in pixels], dim=2)


@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
@pytest.mark.parametrize("projected_dim", [5, None])
def test_features_match_the_equations(
    projected_dim: int | None, size: tuple[int, int], generator: torch.Generator
) -> None:
    config = PooledCnnConfig(stem=3, widths=(4, 6), projected_dim=projected_dim)
    own = network(config, image_channels=2)
    images = torch.rand((3, 2, *size), generator=generator)
    features = own(images)
    assert features.shape == (3, config.feature_dim) == (3, projected_dim or 6)
    expected = written_out(images, own.state_dict(), stages=2)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_image_does_not_depend_on_its_batch(generator: torch.Generator) -> None:
    own = network(CONFIG, image_channels=1)
    images = torch.rand((4, 1, 9, 7), generator=generator)
    others = torch.cat([torch.rand((3, 1, 9, 7), generator=generator), images[3:]])
    features = own(images)
    for same in (own(images[3:]), own(others)[3:]):
        torch.testing.assert_close(features[3:], same, rtol=1e-4, atol=1e-5)
    assert (features[0] - own(others)[0]).abs().max() > 0.01


def test_features_are_float32_under_autocast(generator: torch.Generator) -> None:
    images = torch.rand((2, 1, 8, 8), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(CONFIG, image_channels=1)(images).dtype == torch.float32
