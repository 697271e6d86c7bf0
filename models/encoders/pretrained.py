"""Large pretrained image models as teachers, through `transformers` (extra `teachers`).

CLIP image towers (the projected embedding), DINOv2 and ViT (the class token after the last norm).
Weights come from the Hugging Face hub or from a folder made by `save_pretrained`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.encoders.classifier import Classified


@dataclass(frozen=True, kw_only=True)
class PretrainedTeacherConfig:
    """Source of a pretrained model."""

    source: str  # name on the hub, such as "openai/clip-vit-base-patch32", or a local folder

    def build(self) -> "PretrainedTower":
        """The frozen tower with its weights.

        Raises: ValueError, as `load_tower`.
        """
        return load_tower(self.source)


class PretrainedTower(nn.Module):
    """A frozen image model with its own resizing and normalisation.

    Shapes: images [B, 3, H, W] in [0, 1] -> features [B, D], float32.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        model: nn.Module,
        embed: Callable[[Any], Tensor],
        *,
        feature_dim: int,
        size: tuple[int, int],
        mean: list[float],
        deviation: list[float],
    ) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self._embed = embed
        self.feature_dim = feature_dim
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1))

    def train(self, mode: bool = True) -> "PretrainedTower":  # noqa: ARG002 - frozen for good
        """Keep the frozen tower in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features of images of any size, resized to what the model expects (bicubic)."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        resized = interpolate(images, self.size, mode="bicubic", antialias=True).clamp(0, 1)
        outputs = self.model(pixel_values=(resized - self.mean) / self.deviation)
        return self._embed(outputs).float()


class PretrainedTeacher(nn.Module):
    """A frozen tower with a linear probe.

    Shapes: images [B, 3, H, W] in [0, 1] -> features [B, D], scores [B, num_classes].
    """

    def __init__(self, body: PretrainedTower, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, images: Tensor) -> Classified:
        """Features and scores."""
        features = self.body(images)
        return Classified(features, self.head(features).float())


def load_tower(source: str) -> PretrainedTower:
    """Load a tower from the hub or from a folder.

    Raises: ValueError with a one-line message if transformers is not installed, the source cannot
            be read, or its kind of model is not supported.
    """
    try:
        import transformers
    except ImportError:
        raise ValueError(
            "pretrained teachers need transformers: pip install 'semlink[teachers]'"
        ) from None
    try:
        config = transformers.AutoConfig.from_pretrained(source)
        pixels = _preprocessing(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"a teacher must be a folder or a name on the hub that can be reached, got {source!r}: "
            + " ".join(str(error).split())[:200]
        ) from None
    kinds = {
        "clip": transformers.CLIPVisionModelWithProjection,
        "clip_vision_model": transformers.CLIPVisionModelWithProjection,
        "dinov2": transformers.Dinov2Model,
        "vit": transformers.ViTModel,
    }
    if config.model_type not in kinds:
        raise ValueError(
            f"a teacher must be one of {', '.join(kinds)}, got {config.model_type!r} in {source!r}"
        )
    kind = kinds[config.model_type]
    projected = kind is transformers.CLIPVisionModelWithProjection
    return PretrainedTower(
        kind.from_pretrained(source),
        _image_embeds if projected else _class_token,
        feature_dim=int(config.projection_dim if projected else config.hidden_size),
        size=_size(pixels),
        mean=pixels["image_mean"],
        deviation=pixels["image_std"],
    )


def _preprocessing(source: str) -> dict[str, Any]:
    """Settings of a model's image preprocessing, from the file that comes with it."""
    from transformers.utils import cached_file

    name = "preprocessor_config.json"
    path = Path(source) / name
    found = path if Path(source).is_dir() else Path(str(cached_file(source, name)))
    values: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return values


def _size(pixels: dict[str, Any]) -> tuple[int, int]:
    """Input height and width of a model, after its centre crop if it has one."""
    size = pixels["crop_size"] if pixels.get("do_center_crop") else pixels["size"]
    if isinstance(size, int):
        return size, size
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), int(size["shortest_edge"])
    return int(size["height"]), int(size["width"])


def _image_embeds(outputs: Any) -> Tensor:
    embeds: Tensor = outputs.image_embeds
    return embeds


def _class_token(outputs: Any) -> Tensor:
    token: Tensor = outputs.last_hidden_state[:, 0]
    return token
