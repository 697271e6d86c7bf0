"""A square QAM modulator after an analog encoder, trained by soft-to-hard assignment.

Source: Tung, Kurka, Jankowski and Gunduz, DeepJSCC-Q: Constellation Constrained Deep Joint
Source-Channel Coding, 2022 (arXiv 2206.08100), sec. IV-A.1 and IV-B.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

POWER_MOMENTUM = 0.01  # of the running mean power of the points


@dataclass(frozen=True, kw_only=True)
class ModulatorConfig:
    """A square QAM, and how an encoder is trained with it.

    Raises: ValueError if `bits_per_symbol` is odd or below 2.
    """

    bits_per_symbol: int
    hardness: tuple[float, float]  # sigma_q at the beginning and at the end of training
    uniformity: float  # lambda: weight in the loss of the divergence from equal frequencies

    def __post_init__(self) -> None:
        if self.bits_per_symbol < 2 or self.bits_per_symbol % 2:
            raise ValueError(
                f"bits_per_symbol must be even and at least 2, got {self.bits_per_symbol}"
            )

    @property
    def constellation(self) -> str:
        """Name of the constellation, such as 64-QAM."""
        return f"{2**self.bits_per_symbol}-QAM"

    def build(self) -> "QamModulator":
        """The modulator; it has no weights, only the mean power of its points."""
        return QamModulator(self)


class Relaxed(NamedTuple):
    """Points with the gradient of the soft assignment, and the divergence of their frequencies."""

    x: Tensor  # [B, k] complex64
    divergence: Tensor  # [], of the frequencies of the points from equal ones, in nats


class QamModulator(nn.Module):
    """Maps analog symbols to the nearest points of a square QAM.

    Shapes: [B, k] complex64 -> [B, k] complex64.

    The points have mean power 1 if all are equally frequent. Encoders use some more often than
    others, so the points are divided by the root of their mean power over training images. The
    power is thus 1 on average over images, not for each image.
    """

    power: Tensor  # running mean [] of the power of the points for training images
    levels: Tensor  # of the real and of the imaginary part, [sqrt(M)]

    def __init__(self, config: ModulatorConfig) -> None:
        super().__init__()
        self.config = config
        side = 2 ** (config.bits_per_symbol // 2)
        steps = torch.arange(1.0 - side, side, 2.0)
        levels = steps * math.sqrt(1.5 / (side**2 - 1))
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("power", torch.ones(()))

    def forward(self, symbols: Tensor) -> Tensor:
        """The nearest points."""
        return self._sent(self.levels[self._distances(symbols).argmin(dim=3)])

    def relaxed(self, symbols: Tensor, *, progress: float) -> Relaxed:
        """The nearest points, for training; `progress` is the completed fraction of it.

        Their gradient is that of the soft assignment, eq. 12 and 13. A squared distance is the sum
        over the real and the imaginary part, so the softmax over M points is the product of two
        over sqrt(M) levels. Frequencies follow eq. 18, their divergence eq. 21.
        """
        low, high = self.config.hardness
        distances = self._distances(symbols)  # [B, k, 2, sqrt(M)]
        shares = torch.softmax(-(low + (high - low) * progress) * distances, dim=3)
        soft, hard = shares @ self.levels, self.levels[distances.argmin(dim=3)]
        with torch.no_grad():
            self.power.lerp_(hard.square().sum(dim=2).mean(), POWER_MOMENTUM)
        x = self._sent(soft + (hard - soft).detach())
        return Relaxed(x, _divergence(*shares.flatten(0, 1).unbind(dim=1)))

    def _distances(self, symbols: Tensor) -> Tensor:
        """Squared distances of real and imaginary parts from all levels, [B, k, 2, sqrt(M)]."""
        return (torch.view_as_real(symbols).unsqueeze(3) - self.levels).square()

    def _sent(self, parts: Tensor) -> Tensor:
        """Real and imaginary parts [B, k, 2] as symbols of mean power 1."""
        return torch.view_as_complex(parts.contiguous()) / self.power.sqrt()


def _divergence(real: Tensor, imaginary: Tensor) -> Tensor:
    """KL divergence of the mean frequencies of points from equal ones; inputs [N, sqrt(M)]."""
    frequencies = real.T @ imaginary / len(real)
    return (frequencies * (frequencies * frequencies.numel()).clamp_min(1e-12).log()).sum()
