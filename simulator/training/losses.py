"""Losses: plain functions of tensors."""

from typing import Final, NamedTuple

from torch import Tensor
from torch.nn import functional

from simulator.description.stages import LossWeights

TINY: Final = 1e-7  # beside a variance, whose root has no gradient at 0


class TeacherTargets(NamedTuple):
    """What the teacher says of a batch: normalised features [B, D] and scores [B, num_classes]."""

    features: Tensor
    scores: Tensor


def distillation_loss(
    features: Tensor,
    scores: Tensor,
    labels: Tensor,
    targets: TeacherTargets | None,
    weights: LossWeights,
    *,
    bits: Tensor | None = None,
) -> Tensor:
    """Weighted sum of MSE(z, t), CE(v, y) and tau^2 KL(softmax(v_t / tau) || softmax(v / tau)).

    `bits` is what the channel could carry of each image: with `weights.mse_bits` the first term
    counts only in proportion to it, because features cannot arrive over a channel that hardly
    carries a label, and trying to send them costs accuracy. With `weights.standardised` the scores
    of every image are standardised first, so that a small student need not match the size of the
    teacher's (Sun et al., Logit standardization in knowledge distillation, arXiv 2403.01427).

    Shapes: features [B, D], scores [B, num_classes], labels [B], bits [B, 1] -> scalar, mean over
    the batch. A term of weight zero is not computed; without targets the first and the last have
    none.
    """
    loss = features.new_zeros(())
    if weights.mse and targets:
        loss = loss + weights.mse * _squared_error(features, targets.features, weights, bits)
    if weights.ce:
        loss = loss + weights.ce * functional.cross_entropy(scores, labels)
    if weights.kl and targets:
        told, said = targets.scores, scores
        if weights.standardised:
            told, said = standardised(told), standardised(said)
        loss = loss + weights.kl * softened_divergence(told, said, weights.temperature)
    return loss


def standardised(scores: Tensor) -> Tensor:
    """Scores [B, num_classes] with mean 0 and deviation 1 over the classes of every image."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + TINY).sqrt()


def _squared_error(told: Tensor, said: Tensor, weights: LossWeights, bits: Tensor | None) -> Tensor:
    if not weights.mse_bits or bits is None:
        return functional.mse_loss(told, said)
    counts = (bits[:, 0] / weights.mse_bits).clamp(max=1)
    return ((told - said).square().mean(dim=1) * counts).mean()


def softened_divergence(told: Tensor, said: Tensor, temperature: float) -> Tensor:
    """tau^2 KL(softmax(told / tau) || softmax(said / tau)), mean over the batch.

    Shapes: told, said [B, num_classes] -> scalar. Gradients reach `said` alone if `told` is
    detached.
    """
    told = functional.log_softmax(told / temperature, dim=1)
    said = functional.log_softmax(said / temperature, dim=1)
    divergence = functional.kl_div(said, told, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
