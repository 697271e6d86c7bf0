"""VL-VFE over a channel: a gate selects by the SNR how many real values are sent.

Source: Shao et al., arXiv 2102.04170 (`models.joint.vl_vfe`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from channels.equalize import mmse, receive_snr_db
from channels.symbols import from_symbols
from models import JointModel, VlVfe
from models.joint.vl_vfe import divergence, noise_deviation
from simulator.schemes.joint import BatchTargets, JointSchemeConfig, TrainingLink

LISTED_SNR_DB = (-10, 0, 10, 20)  # SNRs at which the settings state how many dimensions are sent
ALL_SENT = 3 / 16  # first share of the epochs, which send all dimensions, as in the authors' code
PENALTY_FROM, PENALTY_FULL = 1 / 16, 1 / 8  # shares of the epochs between which the penalty rises
REFERENCE_DEVIATION = 0.1  # noise deviation at which the divergence has exactly its weight


@dataclass(frozen=True, kw_only=True)
class VlVfeSchemeConfig(JointSchemeConfig):
    """Gated values; gates close as the SNR rises."""

    def loss(
        self, model: JointModel, features: Tensor, targets: BatchTargets, link: TrainingLink
    ) -> Tensor:
        """Variational information bottleneck, annealed as in its authors' code.

        As published, the peak of every value is limited, not the power of an image: if small values
        were scaled up to full power, the divergence could be made to vanish at no cost.
        """
        assert isinstance(model, VlVfe)
        early = link.progress < ALL_SENT
        values = model.encode(features, snr_db=link.snr_db, all_sent=early)
        x = torch.view_as_complex(values.unflatten(1, (-1, 2)).contiguous()) / math.sqrt(2)
        received = link.send(x)
        estimate = model.decode(
            from_symbols(mmse(received)),
            snr_db=link.snr_db,
            gamma_db=receive_snr_db(received),
            all_sent=early,
        )
        ramp = (link.progress - PENALTY_FROM) / (PENALTY_FULL - PENALTY_FROM)
        weight = model.config.sparsity * min(1.0, max(0.0, ramp))
        deviation = noise_deviation(link.snr_db)
        costs = divergence(values, deviation) * REFERENCE_DEVIATION / deviation.squeeze(1)
        return self.taught_loss(model, estimate, targets, link) + weight * costs.mean()

    def settings_text(self, model: JointModel) -> str:
        """The number of dimensions that are sent at some SNRs."""
        assert isinstance(model, VlVfe)
        low, high = self.snr_range_db
        asked = dict.fromkeys(min(max(snr_db, low), high) for snr_db in LISTED_SNR_DB)
        counts = "/".join(str(active_dimensions(model, snr_db)) for snr_db in asked)
        at = "/".join(f"{snr_db:g}" for snr_db in asked)
        return (
            f", {counts} of {2 * model.uses} real dimensions sent at {at} dB with the energy of "
            "all, average SNR known to both ends"
        )


def active_dimensions(model: VlVfe, snr_db: float) -> int:
    """How many of its 2k real dimensions VL-VFE sends at an average SNR in dB."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return int(model.sent(torch.full((1, 1), float(snr_db), device=device)).sum())
