"""DeepJSCC-Q: deep JSCC whose symbols are points of a fixed QAM, for classes and for images.

Source: Tung, Kurka, Jankowski and Gunduz, arXiv 2206.08100 (`models.joint.modulator`). The networks
are those of deep JSCC here, not of the source, so that the modulator alone differs.
"""

from dataclasses import dataclass

from models.joint.deepjscc import DeepJscc, DeepJsccConfig
from models.joint.deepjscc_image import DeepJsccImage, DeepJsccImageConfig
from models.joint.modulator import ModulatorConfig


@dataclass(frozen=True, kw_only=True)
class DeepJsccQConfig(DeepJsccConfig):
    """Size of a task-oriented pair, and its constellation."""

    modulator: ModulatorConfig

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "DeepJsccQ":
        """The pair for `uses` channel uses, fresh weights from torch's global state."""
        return DeepJsccQ(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class DeepJsccQ(DeepJscc):
    """`DeepJscc` and the modulator for its normalised symbols. Shapes: as `JointModel`."""

    def __init__(
        self, config: DeepJsccQConfig, *, image_channels: int | None, num_classes: int, uses: int
    ) -> None:
        super().__init__(config, image_channels=image_channels, num_classes=num_classes, uses=uses)
        self.modulator = config.modulator.build()


@dataclass(frozen=True, kw_only=True)
class DeepJsccQImageConfig(DeepJsccImageConfig):
    """Size of an image-to-image pair, and its constellation."""

    modulator: ModulatorConfig

    def build(self, *, image_channels: int) -> "DeepJsccQImage":
        """The pair with fresh weights from torch's global state."""
        return DeepJsccQImage(self, image_channels=image_channels)


class DeepJsccQImage(DeepJsccImage):
    """`DeepJsccImage` and the modulator for its normalised symbols. Shapes: as there."""

    def __init__(self, config: DeepJsccQImageConfig, *, image_channels: int) -> None:
        super().__init__(config, image_channels=image_channels)
        self.modulator = config.modulator.build()
