"""Joint source-channel coding baselines at both ends of a channel, and the scheme that they are."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from channels.base import Channel, ChannelOutput
from channels.bit_pipe import MODULATIONS
from channels.equalize import mmse, receive_snr_db, zero_forcing
from channels.qam import nearest_points, qam_points
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from models import Adjscc, DtJscc, FeatureEncoder, JointModel, VlVfe
from simulator.description.stages import JointStage
from simulator.scheme import Received, Tensors, all_delivered, in_pieces

TOLD_SNR_DB = (-10, 0, 10, 20)  # where the settings of VL-VFE say how many dimensions it sends


BACKBONES = {"scratch": "", "frozen": ", backbone frozen", "tuned": ", backbone fine-tuned"}


def joint_symbols(model: JointModel, features: Tensor, *, snr_db: Tensor) -> Tensor:
    """What a model sends. Shapes: features [B, D], average snr_db [B, 1] -> [B, k] complex64."""
    carried = model.encode(features, snr_db=snr_db)
    if isinstance(model, DtJscc):
        return modulate(model, carried.argmax(dim=2))
    return to_symbols(carried)


def joint_scores(model: JointModel, received: ChannelOutput, *, snr_db: Tensor) -> Tensor:
    """What a model makes of what arrives: class scores [B, num_classes].

    The receiver knows the average SNR, the gain and the noise power. Values are equalised by MMSE;
    points of a constellation are decided by maximum likelihood.
    """
    gamma_db = receive_snr_db(received)
    if isinstance(model, DtJscc):
        heard = one_hot(model, decide(model, received))
    else:
        heard = from_symbols(mmse(received))
    return model.decode(heard, snr_db=snr_db, gamma_db=gamma_db)


def modulate(model: DtJscc, chosen: Tensor) -> Tensor:
    """Points of the constellation: chosen [B, k] int64 -> [B, k] complex64.

    Images do not choose all points equally often, so that the constellation's own mean power is not
    what is sent. The points are scaled by the mean over training images: as with any QAM, the power
    is 1 on average over images, not for each of them.
    """
    points = qam_points(model.config.bits_per_symbol, chosen.device)
    return points[chosen] / model.power.sqrt()


def decide(model: DtJscc, received: ChannelOutput) -> Tensor:
    """The points that are nearest to what arrived: [B, k] int64."""
    symbols = zero_forcing(received) * model.power.sqrt()
    return nearest_points(symbols, bits_per_symbol=model.config.bits_per_symbol)


def one_hot(model: DtJscc, chosen: Tensor) -> Tensor:
    """Words by number, [B, k], as vectors [B, k, M]."""
    return functional.one_hot(chosen, len(model.words)).float()


class JointScheme:
    """Joint source-channel coding: one trained model for each k.

    `backbone` gives the features where it is frozen; else every model has its own.
    """

    version = 1

    def __init__(
        self,
        stage: JointStage,
        models: Mapping[int, JointModel],
        *,
        backbone: FeatureEncoder | None = None,
    ) -> None:
        self.name = stage.name
        self._stage = stage
        self.models = dict(models)
        self._backbone = backbone

    @property
    def channel_uses(self) -> str:
        """Where a model was trained."""
        return "k in {" + ", ".join(str(k) for k in sorted(self.models)) + "}"

    def serves(self, k: int) -> bool:
        """Where a model was trained."""
        return k in self.models

    def settings(self, k: int) -> str:
        """How this k's model was trained, and what both ends are told."""
        low, high = self._stage.snr_range_db
        trained = f"trained at {low:g} dB" if low == high else f"trained at {low:g} to {high:g} dB"
        told = _told(self.models[k], k)
        backbone = BACKBONES[self._stage.backbone]
        if backbone and not self._stage.backbone_of:
            backbone = backbone.replace("backbone", "the backbone of rkd_sc")
        return f"one model for k = {k}{told}, {trained}, no header{backbone}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Features [B, D] of the backbone, or of every model's own: none is told the channel."""
        if self._backbone is not None:
            return {"features": in_pieces(self._backbone, images)}
        return {
            str(k): in_pieces(model.body, images)
            for k, model in self.models.items()
            if model.body is not None
        }

    @torch.inference_mode()
    def encode(
        self,
        prepared: Tensors,
        *,
        channel: Channel,  # noqa: ARG002 - the transmitter does not know it
        snr_db: Tensor,
        k: int,
    ) -> Tensors:
        """This k's symbols [B, k]."""
        features = prepared["features" if self._backbone is not None else str(k)]
        return {"x": joint_symbols(self.models[k], features, snr_db=snr_db)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The symbols through the channel to scores."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        scores = joint_scores(self.models[k], received, snr_db=snr_db)
        return Received(scores, all_delivered(x))


def active_dimensions(model: VlVfe, snr_db: float) -> int:
    """How many of its 2k real dimensions VL-VFE sends at an average SNR in dB."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return int(model.sent(torch.full((1, 1), float(snr_db), device=device)).sum())


def _told(model: JointModel, k: int) -> str:
    """What is special about a kind of model."""
    if isinstance(model, Adjscc):
        return ", average SNR known to both ends"
    if isinstance(model, DtJscc):
        bits = model.config.bits_per_symbol
        words = f"{MODULATIONS[bits]} with {2**bits} learnt words, hard decisions"
        return f", {words}, unit power on average over images"
    if isinstance(model, VlVfe):
        counts = "/".join(str(active_dimensions(model, snr_db)) for snr_db in TOLD_SNR_DB)
        at = "/".join(f"{snr_db:d}" for snr_db in TOLD_SNR_DB)
        return (
            f", {counts} of {2 * k} real dimensions sent at {at} dB with the energy of all, "
            "average SNR known to both ends"
        )
    return ""
