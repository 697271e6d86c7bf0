"""What every transmitter and receiver network takes and returns."""

from typing import Any, Protocol

from torch import Tensor, nn


class FeatureEncoder(Protocol):
    """Images [B, C, H, W] in [0, 1] to features [B, D]."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features of every image."""


class FeatureDecoder(Protocol):
    """Features [B, D] to class scores [B, num_classes]."""

    def __call__(self, features: Tensor) -> Tensor:
        """Scores of every class."""


class CodecConfig(Protocol):
    """Size of a channel codec: a frozen dataclass that can build it."""

    @property
    def feature_dim(self) -> int:
        """D."""

    @property
    def max_uses(self) -> int:
        """K, symbols of the longest codeword."""

    @property
    def kind(self) -> str:
        """The codec in words, for tables and legends."""

    def serves(self, k: int) -> bool:
        """Whether k channel uses can be granted."""

    def build(self) -> "ChannelCodec":
        """The codec with fresh weights from torch's global state."""


class ChannelCodec(nn.Module):
    """Both ends of a channel codec, called with `snr_db` [B, 1] and `uses` [B, 1] by name.

    The encoder takes features [B, D] to the real values [B, 2K] of K complex symbols, before power
    control. `snr_db` and `uses` (channel uses granted to each image) are what it knows; only the
    first `uses` symbols of an image are sent.

    The decoder takes received real values [B, 2w], w <= K, to features [B, D]. Values of symbols
    beyond `uses` are ignored, and `snr_db` is the receive SNR of the image, fading included.
    """

    def __init__(self, config: CodecConfig, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder: Any = encoder
        self.decoder: Any = decoder

    @property
    def reliability(self) -> bool:
        """Whether its decoder is given the reliability of every symbol too."""
        return getattr(self.config, "reliability", False)
