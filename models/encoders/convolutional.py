"""Base class of the convolutional students: stem, stages, pooling, projection."""

from torch import Tensor, nn

from models.blocks import normalised


class ConvolutionalEncoder(nn.Module):
    """Stem, stages, global average pooling, projection; subclasses create these parts.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D]. Any H and W.
    """

    stem: nn.Sequential
    stages: nn.Sequential
    projection: nn.Module

    def freeze_all_but_last_stage(self) -> None:
        """Leave only the last stage and the projection trainable."""
        self.requires_grad_(False)
        for module in (self.stages[-1], self.projection):
            module.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D] of images [B, C, H, W]; float32 also under autocast."""
        hidden = self.stages(self.stem(normalised(images)))
        features: Tensor = self.projection(hidden.mean(dim=(2, 3)))
        return features.float()
