"""The image networks: shapes, determinism, learning on one batch, independence of images."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models import (
    DeepJscc,
    DeepJsccConfig,
    DeepJsccImageConfig,
    ImageClassifier,
    ResidualCnnConfig,
    WideResNetConfig,
)
from models.blocks import Pointwise, parameter_count
from models.joint.deepjscc_image import SubPixelTransposed

SMALL = ResidualCnnConfig(widths=(4, 8), blocks=1, feature_dim=6)


def classifier() -> ImageClassifier:
    """A small classifier with fixed weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ImageClassifier(SMALL, image_channels=3, num_classes=5)


def deep_jscc(uses: int = 7) -> DeepJscc:
    """A small deep JSCC pair with fixed weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = DeepJsccConfig(body=SMALL, hidden=8)
        return config.build(image_channels=3, num_classes=5, uses=uses)


def through(model: DeepJscc, images: Tensor) -> Tensor:
    """Scores of images without a channel."""
    assert model.body is not None
    snr_db = torch.zeros(len(images), 1)
    values = model.encode(model.body(images), snr_db=snr_db)
    assert values.shape == (len(images), 2 * model.uses)
    return model.scores(model.decode(values, snr_db=snr_db, gamma_db=snr_db))


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (32, 32)])
def test_output_shapes_for_any_image_size(
    size: tuple[int, int], generator: torch.Generator
) -> None:
    images = torch.rand((2, 3, *size), generator=generator)
    features, scores = classifier().eval()(images)
    assert features.shape == (2, 6)
    assert scores.shape == (2, 5)
    assert through(deep_jscc().eval(), images).shape == (2, 5)


def test_image_does_not_depend_on_its_batch_in_eval(generator: torch.Generator) -> None:
    images = torch.rand((4, 3, 8, 8), generator=generator)
    model = classifier().eval()
    torch.testing.assert_close(
        model(images).scores[1:2], model(images[1:2]).scores, atol=1e-5, rtol=0
    )
    pair = deep_jscc().eval()
    torch.testing.assert_close(
        through(pair, images)[1:2], through(pair, images[1:2]), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("build", [classifier, deep_jscc])
def test_loss_falls_on_one_batch(build: type[nn.Module], generator: torch.Generator) -> None:
    images = torch.rand((16, 3, 8, 8), generator=generator)
    labels = torch.randint(0, 5, (16,), generator=generator)
    model = build()

    def loss() -> Tensor:
        if isinstance(model, DeepJscc):
            return cross_entropy(through(model, images), labels)
        return cross_entropy(model(images).scores, labels)

    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    first = float(loss().detach())
    for _ in range(20):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert float(loss().detach()) < 0.7 * first


@pytest.mark.parametrize("every", [1, 2, 3])
def test_pointwise_is_a_strided_convolution(every: int, generator: torch.Generator) -> None:
    images = torch.rand((16, 4, 9, 8), generator=generator).to(memory_format=torch.channels_last)
    images.requires_grad_(True)
    ours = Pointwise(4, 6, every=every)
    theirs = nn.Conv2d(4, 6, 1, every, bias=False)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(images), theirs(images))
    ours(images).square().sum().backward()  # where oneDNN wrote out of bounds
    exact = images.detach().double().requires_grad_(True)
    weight = ours.weight.detach().double()[:, :, 0, 0].requires_grad_(True)
    torch.einsum("oc,bchw->bohw", weight, exact[..., ::every, ::every]).square().sum().backward()
    assert weight.grad is not None
    assert exact.grad is not None
    assert images.grad is not None
    assert ours.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad[:, :, 0, 0], weight.grad.float())
    torch.testing.assert_close(images.grad, exact.grad.float())


def test_output_is_float32_under_autocast(generator: torch.Generator) -> None:
    images = torch.rand((2, 3, 8, 8), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        features, scores = classifier().eval()(images)
    assert features.dtype == scores.dtype == torch.float32


def test_empty_widths_raise_an_error() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        ResidualCnnConfig(widths=(), blocks=1, feature_dim=6)


def test_wrn_28_10_has_its_published_size() -> None:
    with torch.device("meta"):
        teacher = ImageClassifier(
            WideResNetConfig(depth=28, widen=10), image_channels=3, num_classes=100
        )
    assert parameter_count(teacher) == 36_536_884


def test_wide_resnet_accepts_any_image_size(generator: torch.Generator) -> None:
    config = WideResNetConfig(depth=10, widen=1)
    network = config.build(image_channels=1).eval()
    images = torch.rand((3, 1, 12, 9), generator=generator)
    features = network(images)
    assert features.shape == (3, config.feature_dim) == (3, 64)
    torch.testing.assert_close(network(images[1:2]), features[1:2], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="depth must be 6 n"):
        WideResNetConfig(depth=12, widen=1)


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_sub_pixel_transposed_convolution_matches_pytorch(
    size: tuple[int, int], generator: torch.Generator
) -> None:
    layer = SubPixelTransposed(16, 3)
    maps = torch.rand((2, 16, *size), generator=generator)
    expected = nn.ConvTranspose2d.forward(layer, maps)
    torch.testing.assert_close(layer(maps), expected, rtol=1e-5, atol=1e-6)
    (slow,) = torch.autograd.grad(expected.square().sum(), layer.weight)
    (quick,) = torch.autograd.grad(layer(maps).square().sum(), layer.weight)
    torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-4)


def test_image_codec_restores_the_image_shape() -> None:
    pair = DeepJsccImageConfig(bottleneck=8).build(image_channels=3)
    assert isinstance(pair.decoder[-2], SubPixelTransposed)
    values = pair.encode(torch.rand(2, 3, 16, 32))
    assert values.shape == (2, 8 * 16 * 32 // 16)
    assert pair.decode(values, height=16, width=32).shape == (2, 3, 16, 32)
