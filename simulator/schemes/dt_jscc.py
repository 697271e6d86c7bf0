"""DT-JSCC over a channel: constellation points that stand for learned words.

Source: Xie et al., arXiv 2209.10382 (`models.joint.dt_jscc`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from channels.base import ChannelOutput
from channels.digital.bit_pipe import MODULATIONS
from channels.digital.qam import nearest_points, qam_points
from channels.equalize import receive_snr_db, zero_forcing
from models import DtJscc, JointModel
from simulator.schemes.joint import BatchTargets, JointSchemeConfig, TrainingLink

POWER_MOMENTUM = 0.01  # step of the running mean of the points' power


@dataclass(frozen=True, kw_only=True)
class DtJsccSchemeConfig(JointSchemeConfig):
    """Points that the transmitter chooses, and the receiver detects by maximum likelihood."""

    def symbols(self, model: JointModel, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """The points of the most likely words, [B, k] complex64."""
        return modulate(_discrete(model), model.encode(features, snr_db=snr_db).argmax(dim=2))

    def estimate(self, model: JointModel, received: ChannelOutput, *, snr_db: Tensor) -> Tensor:
        """Features [B, D] of the words whose points are nearest to the received symbols."""
        model = _discrete(model)
        heard = one_hot(model, decide(model, received))
        return model.decode(heard, snr_db=snr_db, gamma_db=receive_snr_db(received))

    def loss(
        self, model: JointModel, features: Tensor, targets: BatchTargets, link: TrainingLink
    ) -> Tensor:
        """Robust information bottleneck, by the relaxation of its authors' code.

        Words are drawn by the Gumbel-max rule; their points are sent through the channel and
        detected. The gradient is that of the relaxed choice, as if the detected words had been
        chosen (straight-through).
        """
        model = _discrete(model)
        logits = model.encode(features, snr_db=link.snr_db)  # [B, k, M]
        _track_power(model, logits.argmax(dim=2))
        uniform = torch.rand(logits.shape, generator=link.generator, device=logits.device)
        gumbel = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
        relaxed = torch.softmax((logits + gumbel) / model.config.temperature, dim=2)
        sent = modulate(model, relaxed.argmax(dim=2))
        received = link.send(sent)
        heard = one_hot(model, decide(model, received)) + relaxed - relaxed.detach()
        estimate = model.decode(heard, snr_db=link.snr_db, gamma_db=link.snr_db)
        log_choice = torch.log_softmax(logits, dim=2)
        entropy = -(log_choice.exp() * log_choice).sum(dim=2).mean()
        taught = self.taught_loss(model, estimate, targets, link)
        return taught - model.config.robustness * entropy

    def settings_text(self, model: JointModel) -> str:
        """The constellation and its words."""
        bits = _discrete(model).config.bits_per_symbol
        words = f"{MODULATIONS[bits]} with {2**bits} learnt words, hard decisions"
        return f", {words}, unit power on average over images"


def modulate(model: DtJscc, chosen: Tensor) -> Tensor:
    """Points of the constellation: chosen [B, k] int64 -> [B, k] complex64.

    Images do not choose all points equally often, so the mean power that is sent differs from that
    of the constellation. The points are scaled by their mean power over training images: as with
    any QAM, the power is 1 on average over images, not for each image.
    """
    points = qam_points(model.config.bits_per_symbol, chosen.device)
    return points[chosen] / model.power.sqrt()


def decide(model: DtJscc, received: ChannelOutput) -> Tensor:
    """Indices of the points that are nearest to the received symbols, [B, k] int64."""
    symbols = zero_forcing(received) * model.power.sqrt()
    return nearest_points(symbols, bits_per_symbol=model.config.bits_per_symbol)


def one_hot(model: DtJscc, chosen: Tensor) -> Tensor:
    """Indices of words [B, k] as one-hot vectors [B, k, M]."""
    return functional.one_hot(chosen, len(model.words)).float()


@torch.no_grad()
def _track_power(model: DtJscc, chosen: Tensor) -> None:
    points = qam_points(model.config.bits_per_symbol, chosen.device)
    model.power.lerp_(points[chosen].abs().square().mean(), POWER_MOMENTUM)


def _discrete(model: JointModel) -> DtJscc:
    assert isinstance(model, DtJscc)
    return model
