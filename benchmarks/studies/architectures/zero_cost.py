"""A vote of scores that predict, without training, how good a network will be.

Three scores are simplified from AZ-NAS (Lee and Ham, arXiv 2403.19232): expressivity is the entropy
of features, trainability how evenly gradients reach the stages, complexity the MACs. The fourth
follows DisWOT (Dong et al., arXiv 2303.15678): how similar the relations between the images of a
batch are in the features of student and teachers. Ranks are combined by the sum of their
logarithms, as in AZ-NAS, so that one bad score suffices to rank a network low.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from benchmarks.studies.architectures.proxy import Proxy
from channels.streams import Streams
from models import StagedCnn, StagedCnnConfig
from models.blocks import normalised
from models.nas.staged_space import Budget, cost
from simulator.data.dataset import to_float
from simulator.training.loop import fresh

BATCH: Final = 32
TINY: Final = 1e-8


class Scores(NamedTuple):
    """The scores of one network; larger is better."""

    expressivity: float
    trainability: float
    complexity: float
    similarity: float


def vote(
    models: Sequence[StagedCnnConfig], proxy: Proxy, budget: Budget, *, seed: int
) -> list[StagedCnnConfig]:
    """The same networks, the one with the best ranks first."""
    images, features = sample(proxy, seed)
    table = np.array([scores(own, images, features, budget) for own in models])
    return [models[place] for place in np.argsort(-combined(table), kind="stable")]


def combined(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """One score for each network [N] of those in a table [N, scores]: the sum of log ranks."""
    ranks = stats.rankdata(table, axis=0) / len(table)
    votes: NDArray[np.float64] = np.log(ranks).sum(axis=1)
    return votes


def sample(proxy: Proxy, seed: int) -> tuple[Tensor, Tensor]:
    """A batch of training images [B, C, H, W] in [0, 1], and the teachers' features [B, D]."""
    assert proxy.dataset.train is not None
    images = proxy.dataset.train.images
    rows = torch.randperm(len(images), generator=Streams(seed=seed)("zero cost"))[:BATCH]
    return to_float(images[rows]), proxy.targets.features[rows]


def scores(model: StagedCnnConfig, images: Tensor, told: Tensor, budget: Budget) -> Scores:
    """The scores of a network with fresh weights, always from the same seed."""
    network = fresh(lambda: model.build(image_channels=images.shape[1]), seed=0).train()
    outputs = stage_outputs(network, images)
    features = network.projection(outputs[-1].mean(dim=(2, 3)))
    gradients = torch.autograd.grad(features.square().mean(), outputs)
    return Scores(
        expressivity=sum(entropy(own.detach()) for own in outputs),
        trainability=evenness(gradients),
        complexity=float(cost(model, budget.image_shape).macs),
        similarity=-float((relations(features.detach()) - relations(told)).square().mean()),
    )


def stage_outputs(network: StagedCnn, images: Tensor) -> list[Tensor]:
    """The outputs of stem and stages, each [B, C, H, W], with gradients."""
    hidden = network.stem(normalised(images))
    found = [hidden]
    for stage in network.stages:
        hidden = stage(hidden)
        found.append(hidden)
    return found


def entropy(hidden: Tensor) -> float:
    """Entropy of the shares of variance along the principal axes of features [B, C, H, W]."""
    rows = hidden.permute(0, 2, 3, 1).flatten(end_dim=2)
    rows = rows - rows.mean(dim=0)
    variances = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp(min=TINY)
    shares = variances / variances.sum()
    return float(-(shares * shares.log()).sum())


def evenness(gradients: Sequence[Tensor]) -> float:
    """0 if the mean squared gradients of all stages are equal, else negative."""
    powers = torch.stack([own.square().mean().clamp(min=TINY**2).log() for own in gradients])
    return -float(powers.diff().abs().mean())


def relations(features: Tensor) -> Tensor:
    """Cosines between the centred features [B, D] of all pairs of images, [B, B]."""
    directions = nn.functional.normalize(features - features.mean(dim=0), dim=1)
    return directions @ directions.T
