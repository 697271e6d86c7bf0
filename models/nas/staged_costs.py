"""Expected cost of a relaxed staged network; for one-hot probabilities, of the built network.

Decisions are independent, so the expectation of a product of their factors is the product of the
expectations. The cost of a block depends on four decisions jointly and is tabulated.
"""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

from models.encoders.staged_cnn import Stage
from models.nas.staged_space import StagedSpace, block_cost, halved


class ExpectedCost:
    """Expected parameters, and MACs of an image (C, H, W), under a space's probabilities."""

    def __init__(self, space: StagedSpace, image_shape: tuple[int, int, int]) -> None:
        self.space = space
        self.channels, *sides = image_shape
        pixels = []
        for _ in range(space.stages + 1):
            pixels.append(sides[0] * sides[1])
            sides = halved(sides)
        self.pixels = torch.tensor(pixels, dtype=torch.float64)  # after n halvings
        options = (space.widths, space.blocks, space.kernels, space.expansions)
        costs = [
            block_cost(
                Stage(
                    width=width,
                    depth=1,
                    block=block,
                    kernel=kernel,
                    expansion=expansion,
                    pooling="none",
                ),
                (1, 1),
            )
            for width, block, kernel, expansion in itertools.product(*options)
        ]
        # [widths, blocks, kernels, expansions, 2]: parameters, and MACs at one pixel
        self.block = torch.tensor(costs, dtype=torch.float64).view(*map(len, options), 2)

    def __call__(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Parameters and MACs [2], float64, with gradients."""
        chances = {name: own.double().cpu() for name, own in probabilities.items()}
        in_width = _mean(self.space.stems, chances["stem"])
        weights = 9 * self.channels * in_width
        parameters, macs = weights + 2 * in_width, weights * self.pixels[0]
        halvings = torch.zeros(len(self.pixels), dtype=torch.float64)
        halvings[0] = 1  # probability of every number of halvings
        for stage in range(self.space.stages):
            own = {
                name.removesuffix(f"_{stage}"): chance
                for name, chance in chances.items()
                if name.endswith(f"_{stage}")
            }
            pooling = dict(zip(self.space.poolings, own["pooling"], strict=True))
            zero = torch.zeros((), dtype=torch.float64)
            after, before, none = (pooling.get(n, zero) for n in ("after", "before", "none"))
            further = torch.cat([zero[None], halvings[:-1]])  # one halving more
            entry_pixels = ((after + none) * halvings + before * further) @ self.pixels
            halvings = none * halvings + (after + before) * further
            width = _mean(self.space.widths, own["width"])
            weights = 9 * in_width * width
            block = torch.einsum(
                "wbkec,w,b,k,e->c",
                self.block,
                *(own[name] for name in ("width", "block", "kernel", "expansion")),
            )
            depth = _mean(self.space.depths, own["depth"])
            parameters = parameters + weights + 2 * width + depth * block[0]
            macs = macs + weights * entry_pixels + depth * block[1] * (halvings @ self.pixels)
            in_width = width
        weights = in_width * self.space.projected_dim
        return torch.stack([parameters + weights + self.space.projected_dim, macs + weights])


def _mean(options: tuple[int, ...], chances: Tensor) -> Tensor:
    return torch.tensor(options, dtype=torch.float64) @ chances
