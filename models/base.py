"""What every transmitter and receiver network takes and returns."""

from typing import Protocol

from torch import Tensor


class FeatureEncoder(Protocol):
    """Images [B, C, H, W] in [0, 1] to features [B, D]."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features of every image."""


class SymbolEncoder(Protocol):
    """Features [B, D] to the real values [B, 2K] of K complex symbols, before power control.

    `snr_db` [B, 1] and `uses` [B, 1] (channel uses granted to each image) are what the transmitter
    knows. Only the first `uses` symbols of an image are sent.
    """

    def __call__(self, features: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Values of all K symbols."""


class SymbolDecoder(Protocol):
    """Received real values [B, 2w], w <= K, to features [B, D].

    Values of symbols beyond an image's `uses` [B, 1] are ignored. `snr_db` [B, 1] is the receive
    SNR of the image, fading included.
    """

    def __call__(self, values: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Estimated features."""


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


class ChannelCodec(Protocol):
    """Both ends of a channel codec; a `torch.nn.Module`."""

    @property
    def config(self) -> CodecConfig:
        """What it was built from."""

    @property
    def encoder(self) -> SymbolEncoder:
        """Transmitter."""

    @property
    def decoder(self) -> SymbolDecoder:
        """Receiver."""
