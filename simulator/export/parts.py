"""The parts of an `rkd_sc` link as networks of real tensors, since ONNX has no complex ones.

A complex symbol is a pair (re, im) in the last dimension. Codewords always have K symbols, the
maximum of the codec. Symbols beyond an image's k are zero at the transmitter, and the receiver
ignores them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models import ChannelCodec
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.training.weights import Weights


class Transmitter(nn.Module):
    """Features to symbols: the encoder of the channel codec and power control.

    Shapes: features [B, D], snr_db [B, 1], k [B, 1] int64 in 1..K -> x [B, K, 2].
    Units:  snr_db is the average Es/N0 in dB; mean |x|^2 = 1 over the first k symbols.
    """

    def __init__(self, codec: ChannelCodec, snr_range_db: tuple[float, float]) -> None:
        super().__init__()
        self.encoder = codec.encoder
        self.max_uses = codec.config.max_uses
        self.snr_range_db = snr_range_db

    def forward(self, features: Tensor, snr_db: Tensor, k: Tensor) -> Tensor:
        """Map features to symbols."""
        told = snr_db.clamp(*self.snr_range_db)
        values = self.encoder(features, snr_db=told, uses=k)
        pairs = values.unflatten(1, (-1, 2)) * used(k, self.max_uses).unsqueeze(2)
        pairs = pairs / pairs.abs().amax(dim=(1, 2), keepdim=True)  # squares stay in range
        energy = pairs.square().sum(dim=(1, 2), keepdim=True)  # [B, 1, 1]
        sent: Tensor = pairs * (k.unsqueeze(2) / energy).sqrt()
        return sent


class Receiver(nn.Module):
    """Received symbols to features: MMSE, receive SNR, and the decoder of the channel codec.

    Shapes: y [B, K, 2], h [B, K, 2], noise_power [B, 1], k [B, 1] int64 in 1..K -> [B, D].
    Units:  noise_power is E|w|^2 per complex channel use, above 0.
    """

    def __init__(self, codec: ChannelCodec) -> None:
        super().__init__()
        self.decoder = codec.decoder
        self.reliability = codec.reliability
        self.max_uses = codec.config.max_uses

    def forward(self, y: Tensor, h: Tensor, noise_power: Tensor, k: Tensor) -> Tensor:
        """Estimate the features from received symbols."""
        power = h.square().sum(dim=2)  # |h|^2, [B, K]
        total = power + noise_power
        real = h[..., 0] * y[..., 0] + h[..., 1] * y[..., 1]  # of h* y
        imag = h[..., 0] * y[..., 1] - h[..., 1] * y[..., 0]
        values = (torch.stack([real, imag], dim=2) / total.unsqueeze(2)).flatten(1)
        mean = (power * used(k, self.max_uses)).sum(dim=1, keepdim=True) / k
        gamma = 10 * torch.log10(mean / noise_power)
        more = {"reliability": power / total} if self.reliability else {}
        features: Tensor = self.decoder(values, snr_db=gamma, uses=k, **more)
        return features


def used(k: Tensor, max_uses: int) -> Tensor:
    """1 for the symbols that an image uses, else 0: k [B, 1] -> [B, K] float32."""
    return (torch.arange(max_uses) < k).float()


class LinkPart(NamedTuple):
    """A network to export, and the names of its inputs and its output."""

    network: nn.Module
    inputs: tuple[str, ...]
    output: str


def parts_of(config: RkdScConfig, weights: Weights) -> dict[str, LinkPart]:
    """The parts of `rkd_sc`, in the order in which a transmission runs them.

    The additional part `classifier` is the student's head for noiseless features, with which the
    label code decides. It is left out if the student was trained together with the codec.

    Raises: UserError if weights are missing.
    """
    student, link = config.modules(weights)
    sender = Transmitter(link.codec, config.codec.conditions.snr_range)
    parts = {
        "encoder": LinkPart(student, ("images",), "features"),
        "transmitter": LinkPart(sender, ("features", "snr_db", "k"), "x"),
        "receiver": LinkPart(Receiver(link.codec), ("y", "h", "noise_power", "k"), "features"),
        "head": LinkPart(link.head, ("features",), "scores"),
    }
    if config.codec.student == "frozen":
        clean = weights.head(config.student_parts(weights.recipe), config.student)
        parts["classifier"] = LinkPart(clean, ("features",), "scores")
    return {name: own._replace(network=own.network.eval()) for name, own in parts.items()}
