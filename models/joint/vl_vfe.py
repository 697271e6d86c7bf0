"""Variable-length variational feature encoding: the number of dimensions sent depends on the SNR.

Source: Shao, Mao and Zhang, Learning Task-Oriented Communication for Edge Inference: An Information
Bottleneck Approach, 2021 (arXiv 2102.04170), and the sizes and constants of its authors' public
code; here on a vector of features. The log-uniform prior is that of Molchanov, Ashukha and Vetrov,
Variational Dropout Sparsifies Deep Neural Networks, 2017.

The source adds noise of standard deviation sigma to values that tanh keeps within +-1, and calls
-20 log10(sigma) the peak SNR. Here a symbol of two values at their peak has power 1, and noise of
power N0/2 is added to each, so the peak SNR is Es/N0 and sigma = 10^(-snr_db / 20). Training uses
this constraint on the peak power. A trained model is used under a constraint on the average power
over k uses: power that small values and dimensions not sent leave goes to the other values. The
receiver does not know this scale, so the decoder normalises received values to unit mean square.
Channel uses without transmission are charged.
"""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import mlp, snr_input
from models.joint.base import JointConfig, JointModel

SCALE = 8.0  # root mean square of a value before its gate, as in the source's code
NOISE_WIDTH = 16  # of the gate's layers and of the decoder's channel features
K1, K2, K3 = 0.63576, 1.87320, 1.48695  # Molchanov et al., eq. 14


@dataclass(frozen=True, kw_only=True)
class VlVfeConfig(JointConfig):
    """Size of a variable-length encoder and decoder, and settings that limit the length."""

    threshold: float  # a dimension is sent if its gate exceeds this
    sparsity: float  # beta: weight of the Kullback-Leibler divergence in the loss

    knows_snr: ClassVar[bool] = True

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "VlVfe":
        """The model for `uses` channel uses, with weights drawn from torch's global generator."""
        return VlVfe(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class Gate(nn.Module):
    """Gates of all dimensions, which fall from the first to the last and rise with the noise.

    Layers with nonnegative weights and tanh compute increments, which are summed from the last
    dimension to the first. Shapes: sigma [B, 1] -> [B, dims].
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        sizes = (1, NOISE_WIDTH, NOISE_WIDTH, NOISE_WIDTH, dims)
        pairs = itertools.pairwise(sizes)
        self.weights = nn.ParameterList(0.1 * torch.randn(after, before) for before, after in pairs)

    def forward(self, sigma: Tensor) -> Tensor:
        """One gate per dimension."""
        for weight in self.weights:
            sigma = torch.tanh(functional.linear(sigma, weight.abs()))
        return sigma.flip(1).cumsum(dim=1).flip(1)


class VlVfe(JointModel):
    """Encoder with gated values, and decoder that uses the receive SNR.

    Shapes: as `JointModel`. Both ends know the average SNR, hence which dimensions are sent; these
    do not depend on the image. The values of the others are zero, and the decoder ignores them.
    With `all_sent`, as early in training, all dimensions are sent.
    """

    def __init__(
        self, config: VlVfeConfig, *, image_channels: int | None, num_classes: int, uses: int
    ) -> None:
        super().__init__(config, uses=uses, image_channels=image_channels)
        dim, hidden = config.body.feature_dim, config.hidden
        self.config = config
        self.into = nn.Linear(dim, hidden)
        self.directions = nn.Parameter(torch.randn(2 * uses, hidden))
        self.gate = Gate(2 * uses)
        self.about_noise = mlp(1, NOISE_WIDTH, NOISE_WIDTH)
        self.from_values = nn.Linear(2 * uses, hidden)
        self.from_both = mlp(hidden + NOISE_WIDTH, hidden, dim)
        self.head = nn.Linear(dim, num_classes)

    def sent(self, snr_db: Tensor) -> Tensor:
        """Which dimensions are sent at an average SNR, always the first: [B, 1] -> [B, 2k] bool."""
        return self._open(self.gate(noise_deviation(snr_db)))

    def encode(self, features: Tensor, *, snr_db: Tensor, all_sent: bool = False) -> Tensor:
        """Values of all dimensions, zero for those not sent, before power control."""
        hidden = functional.normalize(functional.gelu(self.into(features)), dim=1)
        directions = functional.normalize(self.directions, dim=1)
        ungated = SCALE * math.sqrt(hidden.shape[1]) * functional.linear(hidden, directions)
        gate = self.gate(noise_deviation(snr_db))
        values = torch.tanh(gate * ungated).float()
        return values if all_sent else values * self._open(gate)

    def decode(
        self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor, all_sent: bool = False
    ) -> Tensor:
        """Features from equalised values."""
        sent = torch.ones_like(received) if all_sent else self.sent(snr_db).to(received)
        known = received * sent
        power = known.square().sum(dim=1, keepdim=True) / sent.sum(dim=1, keepdim=True)
        heard = functional.gelu(self.from_values(known / power.clamp_min(1e-12).sqrt()))
        told = self.about_noise(snr_input(gamma_db))
        features: Tensor = self.from_both(torch.cat([heard, told], dim=1))
        return features

    def _open(self, gate: Tensor) -> Tensor:
        always = torch.zeros_like(gate, dtype=torch.bool)
        always[:, 0] = True
        return (gate > self.config.threshold) | always


def noise_deviation(snr_db: Tensor) -> Tensor:
    """The source's sigma at an average SNR: deviation of the noise for a peak amplitude of 1."""
    return torch.pow(10.0, -snr_db / 20.0)


def divergence(values: Tensor, deviation: Tensor) -> Tensor:
    """KL divergence of noisy values from the log-uniform prior, per image [Molchanov, eq. 14].

    alpha = sigma^2 / value^2; a value of exactly zero contributes nothing.

    Shapes: values [B, 2k] within +-1, deviation sigma [B, 1] of their noise -> [B].
    """
    squares = values.square()
    log_alpha = 2 * torch.log(deviation) - torch.log(squares.clamp_min(1e-12))
    negative = K1 * torch.sigmoid(K2 + K3 * log_alpha) - 0.5 * functional.softplus(-log_alpha) - K1
    return -(negative * (squares > 0)).sum(dim=1)
