"""Pretrained teachers: the real loading code on tiny models made here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.recipes.digits import digits
from models import PretrainedTeacher, ResidualCnnConfig
from models.encoders.pretrained import load_tower
from simulator import resolve
from simulator.commands.train import TrainRequest, train
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.storage.files import load_tensors
from simulator.training.loop import fresh
from simulator.training.teachers import fit_projection
from simulator.training.weights import Weights

transformers = pytest.importorskip("transformers", reason="extra teachers is not installed")
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 28,
    "patch_size": 14,
}
MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def saved(folder: Path, kind: str) -> Path:
    """Save a tiny model with random weights and its image preprocessing."""
    if kind == "clip":
        config = transformers.CLIPVisionConfig(**SIZES, projection_dim=12)
        build: Any = transformers.CLIPVisionModelWithProjection
    elif kind == "dinov2":
        config = transformers.Dinov2Config(**{**SIZES, "mlp_ratio": 2})
        build = transformers.Dinov2Model
    else:
        config = transformers.ViTConfig(**SIZES)
        build = transformers.ViTModel
    model: nn.Module = fresh(lambda: build(config), seed=0)
    model.save_pretrained(folder)  # type: ignore[operator]
    pixels = {"size": {"shortest_edge": 28}, "image_mean": MEAN, "image_std": DEVIATION}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("kind", "width"), [("clip", 12), ("dinov2", 16), ("vit", 16)])
def test_features_match_the_wrapped_model(
    tmp_path: Path, kind: str, width: int, generator: torch.Generator
) -> None:
    tower = load_tower(str(saved(tmp_path, kind)))
    images = torch.rand((5, 3, 28, 28), generator=generator)
    features = tower(images)
    assert features.shape == (5, width)
    assert tower.feature_dim == width
    by_hand = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.no_grad():
        outputs = tower.model(pixel_values=by_hand)
    expected = outputs.image_embeds if kind == "clip" else outputs.last_hidden_state[:, 0]
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tower(images[2:3]), features[2:3], rtol=1e-4, atol=1e-5)
    assert tower(torch.rand((2, 1, 8, 8), generator=generator)).shape == (2, width)  # grey, small
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert not tower.train().training
    teacher = PretrainedTeacher(tower, nn.Linear(width, 7))
    assert teacher(images).scores.shape == (5, 7)


def test_models_that_cannot_be_loaded_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a teacher must be a folder or a name on the hub"):
        load_tower(str(tmp_path / "nothing"))
    transformers.BertConfig(hidden_size=8).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="must be one of clip, .*, got 'bert'"):
        load_tower(str(tmp_path))


def test_training_with_a_pretrained_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 16 features of a ViT are projected to the student's 8; only the probe is saved."""
    from dataclasses import replace

    recipe = digits()
    student = recipe.student
    assert isinstance(student.model, ResidualCnnConfig)
    small = replace(student.model, feature_dim=8)
    teacher = replace(
        recipe.teacher,
        training=replace(student.head, epochs=3),
    )
    brief = replace(
        recipe,
        views=1,
        teacher=teacher,
        student=replace(student, model=small, training=replace(student.training, epochs=1)),
    )
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: brief)

    def trained(teacher: Path, *, fresh: bool = False) -> None:
        out = tmp_path / "run"
        request = TrainRequest(
            recipe="digits", stage="stage1", out=out, teacher=str(teacher), fresh=fresh
        )
        train(request)

    trained(saved(tmp_path / "vit", "vit"))
    head, _ = load_tensors(tmp_path / "run" / "weights" / "teacher.safetensors")
    assert head["weight"].shape == (10, 16)
    assert set(head) == {"weight", "bias"}
    cache = tmp_path / "run" / "cache"
    views, _ = load_tensors(cache / "teacher_views" / "view_00_from_0.safetensors")
    assert views["features"].shape[1] == 8
    data = embedded("digits")
    weights = Weights(brief, data, tmp_path / "run" / "weights", torch.device("cpu"))
    asked = weights.teacher()  # as recorded in its file, though the recipe names another
    assert asked is not None
    assert asked(data.test.images[:4].float() / 255).scores.shape == (4, 10)
    with pytest.raises(UserError, match="a teacher must be a folder or a name"):
        trained(tmp_path / "no", fresh=True)


def test_projection_onto_principal_components(generator: torch.Generator) -> None:
    wide = torch.randn((1, 500, 6), generator=generator) * torch.tensor([5.0, 3, 1, 1, 0.1, 0.1])
    project = fit_projection([wide], 2)
    projected = project([wide[0]])
    assert projected.shape == (500, 2)
    variances = (projected * project.scale).var(dim=0)
    assert variances.tolist() == pytest.approx([25, 9], rel=0.2)
    assert float(projected.square().mean()) == pytest.approx(1, abs=1e-3)
    assert torch.equal(fit_projection([wide], 6).directions, torch.eye(6))
    with pytest.raises(UserError, match="feature_dim 9 must not exceed the teacher's 6"):
        fit_projection([wide], 9)
