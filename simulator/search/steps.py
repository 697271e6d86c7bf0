"""Single steps of the two levels of an architecture search."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.nas.operations import SearchSpace
from models.nas.search_space import Architecture, CostTable, Mixtures
from simulator.device import autocast, native
from simulator.search.config import SearchConfig
from simulator.training.losses import TeacherTargets, distillation_loss


class Batch(NamedTuple):
    """Images [b, C, H, W] in [0, 1], labels [b], and what the teacher says of them."""

    images: Tensor
    labels: Tensor
    targets: TeacherTargets


def batch_loss(
    model: nn.Module, batch: Batch, mixtures: Mixtures, skip: float, config: SearchConfig
) -> Tensor:
    """The distillation loss of a batch under these mixtures."""
    device = batch.images.device
    with autocast(device, native(device, config.precision)):
        features, scores = model(batch.images, mixtures, skip)
    return distillation_loss(features, scores, batch.labels, batch.targets, config.loss)


def penalty(
    architecture: Architecture, costs: CostTable, space: SearchSpace, config: SearchConfig
) -> Tensor:
    """lambda max(0, ln(E[cost] / target))."""  # noqa: D403
    ratio = costs.expected(architecture.probabilities(), space) / config.target
    return config.penalty * ratio.log().clamp(min=0)


def step_weights(
    loss: Tensor, model: nn.Module, optimiser: torch.optim.Optimizer, *, clip: float
) -> None:
    """Lower level: one step on half A."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimiser.step()


def step_architecture(
    loss: Tensor, architecture: Architecture, optimiser: torch.optim.Optimizer
) -> None:
    """Upper level: one step on half B, the weights being as they are (DARTS' first order)."""
    alphas = list(architecture.parameters())
    gradients = torch.autograd.grad(loss, alphas, materialize_grads=True)
    for alpha, gradient in zip(alphas, gradients, strict=True):
        alpha.grad = gradient
    optimiser.step()
    optimiser.zero_grad()
