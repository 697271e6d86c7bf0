"""DeepJSCC-Q: deep JSCC whose symbols are points of a fixed QAM, for classes and for images.

Source: Tung, Kurka, Jankowski and Gunduz, arXiv 2206.08100 (`models.joint.modulator`). The networks
are those of semlink's deep JSCC, not of the source, so that only the modulator differs.
"""

from dataclasses import dataclass

from models.joint.deepjscc import DeepJscc, DeepJsccConfig
from models.joint.deepjscc_image import DeepJsccImage, DeepJsccImageConfig
from models.joint.modulator import ModulatorConfig


@dataclass(frozen=True, kw_only=True)
class DeepJsccQConfig(DeepJsccConfig):
    """Size of a task-oriented encoder and decoder, and their constellation."""

    modulator: ModulatorConfig

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "DeepJsccQ":
        """The model for `uses` channel uses, with weights drawn from torch's global generator."""
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
    """Size of an encoder and decoder of images, and their constellation."""

    modulator: ModulatorConfig

    def build(self, *, image_channels: int) -> "DeepJsccQImage":
        """The encoder and decoder with weights drawn from torch's global generator."""
        return DeepJsccQImage(self, image_channels=image_channels)


class DeepJsccQImage(DeepJsccImage):
    """`DeepJsccImage` and the modulator for its normalised symbols. Shapes: as there."""

    def __init__(self, config: DeepJsccQImageConfig, *, image_channels: int) -> None:
        super().__init__(config, image_channels=image_channels)
        self.modulator = config.modulator.build()
