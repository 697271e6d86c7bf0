"""Loss functions of tensors."""

from typing import Final, NamedTuple

from torch import Tensor
from torch.nn import functional

from simulator.description.stages import LossWeights

TINY: Final = 1e-7  # added to a variance, as its root has no gradient at 0


class TeacherTargets(NamedTuple):
    """The teacher's outputs for a batch: normalised features [B, D] and scores [B, num_classes]."""

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

    z, v are the student's features and scores, t, v_t the teacher's, and y the labels. `bits` is
    the channel capacity per image: with `weights.mse_bits` the MSE of an image is scaled by bits /
    mse_bits, at most 1, because a channel that hardly carries a label cannot carry features, and
    training to send them costs accuracy. With `weights.standardised` the scores of every image are
    standardised first, so that a small student need not match the scale of the teacher's scores
    (Sun et al., Logit standardization in knowledge distillation, arXiv 2403.01427).

    Shapes: features [B, D], scores [B, num_classes], labels [B], bits [B, 1] -> scalar, mean over
    the batch. Terms of weight zero are not computed, nor are MSE and KL without targets.
    """
    loss = features.new_zeros(())
    if weights.mse and targets:
        loss = loss + weights.mse * _squared_error(features, targets.features, weights, bits)
    if weights.ce:
        loss = loss + weights.ce * functional.cross_entropy(scores, labels)
    if weights.kl and targets:
        teacher, student = targets.scores, scores
        if weights.standardised:
            teacher, student = standardised(teacher), standardised(student)
        loss = loss + weights.kl * softened_divergence(teacher, student, weights.temperature)
    return loss


def standardised(scores: Tensor) -> Tensor:
    """Scores [B, num_classes], scaled to mean 0 and standard deviation 1 for every image."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + TINY).sqrt()


def _squared_error(
    features: Tensor, targets: Tensor, weights: LossWeights, bits: Tensor | None
) -> Tensor:
    if not weights.mse_bits or bits is None:
        return functional.mse_loss(features, targets)
    counts = (bits[:, 0] / weights.mse_bits).clamp(max=1)
    return ((features - targets).square().mean(dim=1) * counts).mean()


def softened_divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """tau^2 KL(softmax(teacher / tau) || softmax(student / tau)), mean over the batch.

    `teacher` are the reference scores and `student` the scores to train. Gradients flow into both;
    detach `teacher` to avoid that.

    Shapes: teacher, student [B, num_classes] -> scalar.
    """
    teacher = functional.log_softmax(teacher / temperature, dim=1)
    student = functional.log_softmax(student / temperature, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
