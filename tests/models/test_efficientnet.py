"""The depthwise convolution of EfficientNet, whose gradient is fast for small images."""

import pytest
import torch
from torch import Tensor, nn

from models.encoders.efficientnet import FastDepthwise


class Padded(nn.Conv2d):
    """A depthwise convolution that pads before it convolves, as that of the package does."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, groups=channels, bias=False)
        before = (kernel - stride) // 2
        self.static_padding = nn.ZeroPad2d((before, kernel - stride - before) * 2)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.static_padding(images))


@pytest.mark.parametrize(("kernel", "stride", "side"), [(5, 1, 5), (3, 1, 4), (5, 2, 10)])
def test_depthwise_convolution_and_its_gradients_match_those_of_torch(
    kernel: int, stride: int, side: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    conv = Padded(6, kernel, stride).double()
    fast = FastDepthwise(conv).train()
    images = torch.randn(3, 6, side, side, generator=generator, dtype=torch.float64)
    images.requires_grad_(True)
    right, found = conv(images), fast(images)
    assert found.shape == right.shape
    assert torch.allclose(found, right, atol=1e-12)
    slope = torch.randn(right.shape, generator=generator, dtype=torch.float64)
    for own, other in zip(
        torch.autograd.grad(found, (images, conv.weight), slope),
        torch.autograd.grad(right, (images, conv.weight), slope),
        strict=True,
    ):
        assert torch.allclose(own, other, atol=1e-12)


def test_large_images_and_evaluation_use_the_convolution() -> None:
    conv = Padded(2, 3, 1)
    fast = FastDepthwise(conv)
    large, small = torch.randn(1, 2, 11, 11), torch.randn(1, 2, 5, 5)
    assert torch.equal(fast.train()(large), conv(large))
    assert torch.equal(fast.eval()(small), conv(small))
