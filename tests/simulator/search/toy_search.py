"""A toy search with a known best architecture.

A convolution can distinguish horizontal from vertical stripes. Skip and average pooling cannot:
both kinds of stripes give the same mean, because the network after the cell only rectifies and
averages.
"""

import torch
from torch import Tensor, nn

from channels.streams import Streams
from models import CellShape, Classified
from models.nas.cell_supernet import Architecture, CostTable, MixedCell, Mixtures
from models.nas.operations import CONV, Operation, SearchSpace
from simulator.description.stages import LossWeights
from simulator.search.config import SearchConfig
from simulator.search.loop import Batch, Half, SearchTask, Take
from simulator.search.relaxed import RelaxedCells
from simulator.training.loop import fresh
from simulator.training.losses import TeacherTargets

WIDTH, SIZE, IMAGES = 4, 8, 192
COSTS = {"skip": 0.0, "avg3": 0.0, "conv3": 100.0, "heavy": 300.0}


def heavy(width: int, searched: bool) -> nn.Module:
    """The 3x3 convolution of the space again; the cost table charges it three times as much."""
    return CONV.operations[2].build(width, searched)


TOY = SearchSpace("toy", 1, CONV.operations[:3])
TWINS = SearchSpace("twins", 1, (*CONV.operations[:3], Operation("heavy", heavy)))


class ToyNet(nn.Module):
    """One cell applied to the images, then rectification, averaging and a linear head."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.cell = MixedCell(space, WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, images: Tensor, mixtures: Mixtures, skip: float) -> Classified:
        features = torch.relu(self.cell(images, images, mixtures.normal, skip)).mean(dim=(2, 3))
        return Classified(features, self.head(features))


def stripes(*, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy stripes of period 4, horizontal or vertical, with random phase: images and labels."""
    labels = torch.randint(2, (IMAGES,), generator=generator)
    phase = torch.randint(4, (IMAGES, 1, 1), generator=generator)
    rows = ((torch.arange(SIZE)[None, :, None] + phase) % 4 < 2).float().expand(-1, -1, SIZE)
    images = torch.where(labels[:, None, None] > 0, rows, rows.transpose(1, 2)) - 0.5
    noise = 0.1 * torch.randn((IMAGES, WIDTH, SIZE, SIZE), generator=generator)
    return images[:, None] + noise, labels


def toy_config(**changes: object) -> SearchConfig:
    """Settings of a search that takes a few seconds."""
    shape = CellShape(stem=1, widths=(WIDTH,), normal_cells=(0,), projected_dim=WIDTH)
    settings: dict[str, object] = {
        "space": "conv",
        "shape": shape,
        "deployed": shape,
        "image_size": SIZE,
        "images": IMAGES,
        "epochs": 12,
        "batch_size": 32,
        "operations": "sampled",
        "temperature": (5.0, 0.5),
        "weights_rate": (0.1, 0.01),
        "weights_decay": 0.0,
        "architecture_rate": 0.05,
        "architecture_decay": 0.0,
        "clip": 5.0,
        "warmup": 0.25,
        "loss": LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0),
        "penalty": 0.0,
        "target": 100.0,
        "auxiliary_skip": True,
        "most_skips": 2,
        "stable_epochs": 100,
        "precision": "fp32",
    }
    return SearchConfig(**(settings | changes))  # type: ignore[arg-type]


def toy_task(space: SearchSpace, config: SearchConfig, seed: int) -> SearchTask:
    """The search for this seed, with its images and initial weights."""
    streams = Streams(seed=seed)
    halves: dict[Half, tuple[Tensor, Tensor]] = {
        "weights": stripes(generator=streams("A")),
        "architecture": stripes(generator=streams("B")),
    }

    def batches(half: Half, epoch: int) -> Take:
        images, labels = halves[half]
        return lambda indices: batch(images[indices], labels[indices])

    costs = torch.tensor([COSTS[name] for name in space.names], dtype=torch.float64)
    return SearchTask(
        name="toy",
        relaxed=RelaxedCells(
            space=space,
            model=fresh(lambda: ToyNet(space), seed=streams.seed_of("weights")),
            architecture=fresh(lambda: Architecture(space), seed=streams.seed_of("alpha")),
            costs=CostTable(0.0, costs, torch.zeros_like(costs)),
            config=config,
        ),
        num_images=IMAGES,
        batches=batches,
        validation=[batch(*stripes(generator=streams("validation")))],
    )


def batch(images: Tensor, labels: Tensor) -> Batch:
    """A batch whose teacher outputs are zeros, because the loss ignores them."""
    nothing = torch.zeros(len(labels), WIDTH)
    return Batch(images, labels, TeacherTargets(nothing, torch.zeros(len(labels), 2)))
