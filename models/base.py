"""Interfaces of the transmitter and receiver networks."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


class FeatureEncoder(Protocol):
    """Maps images [B, C, H, W] in [0, 1] to features [B, D]."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features of every image."""


class FeatureDecoder(Protocol):
    """Maps features [B, D] to class scores [B, num_classes]."""

    def __call__(self, features: Tensor) -> Tensor:
        """Scores of every class."""


@runtime_checkable
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
        """Short description of the codec, for tables and legends."""

    def serves(self, k: int) -> bool:
        """Whether the codec supports k channel uses."""

    def build(self) -> "ChannelCodec":
        """The codec with weights drawn from torch's global generator."""


class ChannelCodec(nn.Module):
    """Encoder and decoder of a channel codec, with keyword arguments `snr_db` and `uses` [B, 1].

    The encoder maps features [B, D] to the real values [B, 2K] of K complex symbols, before power
    control. Its `snr_db` is the average SNR, and `uses` is the number of channel uses of each
    image; only the first `uses` symbols of an image are sent.

    The decoder maps received real values [B, 2w], w <= K, to features [B, D]. It ignores symbols
    beyond `uses`. Its `snr_db` is the receive SNR of each image, fading included.
    """

    def __init__(self, config: CodecConfig, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder: Any = encoder
        self.decoder: Any = decoder

    @property
    def reliability(self) -> bool:
        """Whether the decoder also takes the reliability of every symbol."""
        return getattr(self.config, "reliability", False)
