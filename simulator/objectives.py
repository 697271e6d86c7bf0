"""Losses and per-image metrics: plain functions of tensors."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from simulator.config import LossWeights


class TeacherTargets(NamedTuple):
    """What the teacher says of a batch: normalised features [B, D] and scores [B, num_classes]."""

    features: Tensor
    scores: Tensor


def distillation_loss(
    features: Tensor, scores: Tensor, labels: Tensor, targets: TeacherTargets, weights: LossWeights
) -> Tensor:
    """Weighted sum of MSE(z, t), CE(v, y) and tau^2 KL(softmax(v_t / tau) || softmax(v / tau)).

    Shapes: features [B, D], scores [B, num_classes], labels [B] -> scalar, mean over the batch.
    A term of weight zero is not computed.
    """
    loss = features.new_zeros(())
    if weights.mse:
        loss = loss + weights.mse * functional.mse_loss(features, targets.features)
    if weights.ce:
        loss = loss + weights.ce * functional.cross_entropy(scores, labels)
    if weights.kl:
        loss = loss + weights.kl * softened_divergence(targets.scores, scores, weights.temperature)
    return loss


def softened_divergence(told: Tensor, said: Tensor, temperature: float) -> Tensor:
    """tau^2 KL(softmax(told / tau) || softmax(said / tau)), mean over the batch.

    Shapes: told, said [B, num_classes] -> scalar. Gradients reach `said` alone if `told` is
    detached.
    """
    told = functional.log_softmax(told / temperature, dim=1)
    said = functional.log_softmax(said / temperature, dim=1)
    divergence = functional.kl_div(said, told, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def image_credits(scores: Tensor, labels: Tensor, delivered: Tensor) -> Tensor:
    """Per-image credit: 1 for the right class, 0 for a wrong one, 1 / num_classes for an outage.

    Shapes: scores [B, num_classes], labels [B], delivered [B] bool -> [B] float64.
    """
    right = (scores.argmax(dim=1) == labels).double()
    guess = torch.full_like(right, 1 / scores.shape[1])
    return torch.where(delivered, right, guess)
