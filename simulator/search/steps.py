"""Single steps of the two levels of an architecture search."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from models import Classified
from models.operations import SearchSpace
from models.search_space import Architecture, CostTable, Mixtures
from simulator.description.stages import LossWeights
from simulator.device import autocast, native
from simulator.search.config import SearchConfig
from simulator.training.losses import TeacherTargets, distillation_loss

LIKENESS = 0.01  # length of the step of the finite difference, METHOD's second order


class Batch(NamedTuple):
    """Images [b, C, H, W] in [0, 1], labels [b], and what the teacher says of them."""

    images: Tensor
    labels: Tensor
    targets: TeacherTargets


class Searched(Protocol):
    """A supernet: images, mixtures and the weight of the auxiliary skip to features and scores."""

    def __call__(self, images: Tensor, mixtures: Mixtures, skip: float) -> Classified:
        """Features and scores."""


def batch_loss(
    model: nn.Module, batch: Batch, mixtures: Mixtures, skip: float, config: SearchConfig
) -> Tensor:
    """The distillation loss of a batch under these mixtures."""
    device = batch.images.device
    with autocast(device, native(device, config.precision)):
        features, scores = model(batch.images, mixtures, skip)
    weights: LossWeights = config.loss
    return distillation_loss(features, scores, batch.labels, batch.targets, weights)


def penalty(
    architecture: Architecture, costs: CostTable, space: SearchSpace, config: SearchConfig
) -> Tensor:
    """lambda max(0, ln(E[cost] / target)), or lambda (E[cost] - target) / target."""  # noqa: D403
    ratio = costs.expected(architecture.probabilities(), space) / config.target
    size = ratio.log().clamp(min=0) if config.penalty_form == "hinge" else ratio - 1
    return config.penalty * size


def step_weights(
    loss: Tensor, model: nn.Module, optimiser: torch.optim.Optimizer, *, clip: float
) -> None:
    """Lower level: one step on half A."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimiser.step()


def step_architecture(
    architecture: Architecture,
    optimiser: torch.optim.Optimizer,
    gradients: Sequence[Tensor],
) -> None:
    """Upper level: one step along these gradients."""
    for alpha, gradient in zip(architecture.parameters(), gradients, strict=True):
        alpha.grad = gradient
    optimiser.step()
    optimiser.zero_grad()


def first_order(architecture: Architecture, upper: Callable[[], Tensor]) -> list[Tensor]:
    """Gradient of the upper loss, the weights being as they are."""
    return list(_gradients(upper(), list(architecture.parameters())))


def second_order(
    architecture: Architecture,
    model: nn.Module,
    upper: Callable[[], Tensor],
    lower: Callable[[], Tensor],
    *,
    rate: float,
) -> list[Tensor]:
    """Gradient of the upper loss behind one step of the weights [1, eq. 7 and 8].

    grad_a L_B(w', a) - rate (grad_a L_A(w+, a) - grad_a L_A(w-, a)) / (2 e), with
    w' = w - rate grad_w L_A(w, a), w+- = w +- e grad_w' L_B(w', a), e = 0.01 / |grad_w' L_B|.
    Both losses must be the same functions whenever they are called. The weights are put back.

    [1] Liu, Simonyan and Yang, DARTS: Differentiable Architecture Search, 2019.
    """
    alphas = list(architecture.parameters())
    weights = [w for w in model.parameters() if w.requires_grad]
    moved = [-rate * g for g in _gradients(lower(), weights)]
    with shifted(weights, moved):
        both = _gradients(upper(), [*alphas, *weights])
    direct, vector = both[: len(alphas)], both[len(alphas) :]
    epsilon = LIKENESS / math.sqrt(sum(float(v.square().sum()) for v in vector) + 1e-12)
    with shifted(weights, [epsilon * v for v in vector]):
        above = _gradients(lower(), alphas)
    with shifted(weights, [-epsilon * v for v in vector]):
        below = _gradients(lower(), alphas)
    pairs = zip(direct, above, below, strict=True)
    return [d - rate * (a - b) / (2 * epsilon) for d, a, b in pairs]


@contextmanager
def shifted(weights: Sequence[Tensor], steps: Sequence[Tensor]) -> Iterator[None]:
    """Weights moved by these steps for as long as the block runs, then exactly as before."""
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for weight, step in zip(weights, steps, strict=True):
            weight.add_(step)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)


def _gradients(loss: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, inputs, materialize_grads=True)
