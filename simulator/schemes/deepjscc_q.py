"""DeepJSCC-Q over a channel: deep JSCC with a QAM modulator.

Source: Tung et al., arXiv 2206.08100 (`models.joint.modulator`). The receiver makes no hard
decisions: the decoder gets the MMSE estimates of the symbols, as in `deep_jscc`.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import Tensor
from torch.nn import functional

from models import (
    DeepJsccImage,
    DeepJsccQ,
    DeepJsccQImage,
    DeepJsccQImageConfig,
    JointModel,
    ModulatorConfig,
)
from simulator.description.basis import Basis, Part
from simulator.errors import UserError
from simulator.schemes.contract import Label
from simulator.schemes.image import ImageJsccConfig
from simulator.schemes.joint import BatchTargets, JointSchemeConfig, TrainingLink
from simulator.training.run import TrainingRun

IMAGES: Final = "deep_jscc_q_image"
USUAL_BITS: Final = 6  # bits per symbol of the default constellation, which has no label


def labelled_name(kind: str, modulator: ModulatorConfig) -> str:
    """The kind, followed by a label for the constellation unless that is the default."""
    bits = modulator.bits_per_symbol
    return kind if bits == USUAL_BITS else f"{kind}:{2**bits}qam"


@dataclass(frozen=True, kw_only=True)
class DeepJsccQSchemeConfig(JointSchemeConfig):
    """The symbols of deep JSCC, moved to the nearest points of a QAM."""

    def symbols(self, model: JointModel, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """The nearest points of the constellation, [B, k] complex64."""
        x: Tensor = _modulated(model).modulator(super().symbols(model, features, snr_db=snr_db))
        return x

    def loss(
        self, model: JointModel, features: Tensor, targets: BatchTargets, link: TrainingLink
    ) -> Tensor:
        """The losses through the channel, plus a penalty for unequal use of the points."""
        modulator = _modulated(model).modulator
        analog = super().symbols(model, features, snr_db=link.snr_db)
        sent = modulator.relaxed(analog, progress=link.progress)
        estimate = self.estimate(model, link.send(sent.x), snr_db=link.snr_db)
        price = modulator.config.uniformity * sent.divergence
        return self.taught_loss(model, estimate, targets, link) + price

    def labelled(self, label: str) -> JointSchemeConfig:
        """Raises: UserError: there are no further labels."""
        raise UserError(
            f"{self.name} takes no label, got {label!r}; DeepJSCC-Q is deep_jscc_q:16qam, "
            "deep_jscc_q (64-QAM) or deep_jscc_q:256qam"
        )

    def settings_text(self, model: JointModel) -> str:
        """The constellation."""
        return _constellation_text(_modulated(model).modulator.config)


@dataclass(frozen=True, kw_only=True)
class DeepJsccQImageSchemeConfig(ImageJsccConfig):
    """An encoder-decoder pair with a modulator for each k that the image size allows."""

    modulator: ModulatorConfig

    labels: ClassVar[tuple[Label, ...]] = ImageJsccConfig.labels[:1]  # not `retrained`

    @property
    def kind(self) -> str:
        """deep_jscc_q_image, followed by its constellation unless that is the default."""
        return labelled_name(IMAGES, self.modulator)

    def labelled(self, label: str) -> ImageJsccConfig:
        """With another classifier of the received images. Raises: UserError if it is unknown."""
        if label not in [own.text for own in self.labels]:
            raise UserError(
                f"{self.kind} takes one label, as in {self.kind}:teacher, got {label!r}"
            )
        return super().labelled(label)

    def model(self, bottleneck: int) -> DeepJsccQImageConfig:
        """The pair with `bottleneck` values per 4x4 pixels."""
        return DeepJsccQImageConfig(bottleneck=bottleneck, modulator=self.modulator)

    def symbols(self, pair: DeepJsccImage, values: Tensor) -> Tensor:
        """The nearest points of the constellation, [B, k] complex64."""
        assert isinstance(pair, DeepJsccQImage)
        x: Tensor = pair.modulator(super().symbols(pair, values))
        return x

    def loss(self, pair: DeepJsccImage, images: Tensor, link: TrainingLink) -> Tensor:
        """Squared error through the channel, plus a penalty for unequal use of the points."""
        assert isinstance(pair, DeepJsccQImage)
        analog = super().symbols(pair, pair.encode(images))
        sent = pair.modulator.relaxed(analog, progress=link.progress)
        error = functional.mse_loss(self.arrived(pair, sent.x, images, link), images)
        return error + self.modulator.uniformity * sent.divergence

    def settings_text(self) -> str:
        """The constellation."""
        return _constellation_text(self.modulator)

    def pair_part(self, recipe: Basis, uses: int) -> Part:
        """The pair for `uses` channel uses."""
        part = super().pair_part(recipe, uses)
        description = (*part.description, self.modulator)
        return part._replace(name=part.name.replace(":", "_"), description=description)

    def check(self, run: TrainingRun, stage: str) -> None:
        """Nothing to check: pairs need no other parts."""


def _constellation_text(config: ModulatorConfig) -> str:
    return f", points of {config.constellation}, unit power on average over images"


def _modulated(model: JointModel) -> DeepJsccQ:
    assert isinstance(model, DeepJsccQ)
    return model
