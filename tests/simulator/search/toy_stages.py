"""A toy search of stages with a known best network.

The dots of a pair are side by side or one above the other, and a pair spans eight pixels. Stem and
entry have a receptive field of five pixels, and of seven with a block of kernel 3. Only a block of
kernel 5 sees both dots.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from channels.streams import Streams
from models.nas.staged_space import STAGES, Budget
from models.nas.staged_supernet import StagedArchitecture, StagedSupernet
from simulator.description.stages import LossWeights
from simulator.search.config import StagedSearchConfig
from simulator.search.loop import Batch, Half, SearchTask, Take
from simulator.search.relaxed import RelaxedStages
from simulator.training.loop import fresh
from simulator.training.losses import TeacherTargets

IMAGES, PAIRS, APART = 1024, 2, 7
SIDE = 2 * APART  # so that across the border, too, the dots of a pair are APART pixels apart
SPACE = replace(
    STAGES,
    stages=1,
    widths=(16,),
    depths=(1,),
    blocks=("residual",),
    kernels=(3, 5),
    expansions=(2,),
    poolings=("none",),
    stems=(8,),
    projected_dim=8,
)


def dots(*, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images with pairs of dots, and labels: 1 if the pairs are vertical, else 0.

    Single dots carry no information, because every row and column is equally likely.
    """
    labels = torch.randint(2, (IMAGES,), generator=generator)
    images = torch.zeros(IMAGES, 1, SIDE, SIDE)
    across, along = torch.randint(0, SIDE, (2, IMAGES, PAIRS), generator=generator)
    number = torch.arange(IMAGES)[:, None]
    images[number, 0, across, along] = 1
    images[number, 0, across, (along + APART) % SIDE] = 1
    upright = (labels == 1)[:, None, None, None]
    return torch.where(upright, images.transpose(2, 3), images), labels


def staged_config(**changes: object) -> StagedSearchConfig:
    """Settings of a search that takes a few seconds."""
    settings: dict[str, Any] = {
        "space": SPACE,
        "shrink": 1,
        "image_size": SIDE,
        "images": IMAGES,
        "epochs": 14,
        "batch_size": 32,
        "temperature": (5.0, 1.0),
        "weights_rate": (0.1, 0.01),
        "weights_decay": 0.0,
        "architecture_rate": 0.1,
        "architecture_decay": 0.0,
        "clip": 5.0,
        "warmup": 0.5,
        "loss": LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0),
        "penalty": 0.0,
        "target": 1000.0,
        "stable_epochs": 100,
        "proposals": 2,
        "rungs": (1,),
        "precision": "fp32",
    }
    return StagedSearchConfig(**(settings | changes))


def staged_task(config: StagedSearchConfig, seed: int, budget: Budget) -> SearchTask:
    """The search for this seed, with its images and initial weights."""
    streams = Streams(seed=seed)
    halves: dict[Half, tuple[Tensor, Tensor]] = {
        "weights": dots(generator=streams("A")),
        "architecture": dots(generator=streams("B")),
    }

    def batches(half: Half, epoch: int) -> Take:
        images, labels = halves[half]
        return lambda indices: batch(images[indices], labels[indices])

    space = config.space
    return SearchTask(
        name="toy",
        relaxed=RelaxedStages(
            model=fresh(
                lambda: StagedSupernet(space, shrink=1, image_channels=1, num_classes=2),
                seed=streams.seed_of("weights"),
            ),
            architecture=fresh(lambda: StagedArchitecture(space), seed=streams.seed_of("alpha")),
            config=config,
            budget=budget,
        ),
        num_images=IMAGES,
        batches=batches,
        validation=[batch(*dots(generator=streams("validation")))],
    )


def batch(images: Tensor, labels: Tensor) -> Batch:
    """A batch whose teacher outputs are zeros, because the loss ignores them."""
    nothing = torch.zeros(len(labels), SPACE.projected_dim)
    return Batch(images, labels, TeacherTargets(nothing, torch.zeros(len(labels), 2)))
