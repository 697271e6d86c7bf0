"""The supernet of staged networks: one relaxed choice per decision, weights shared by all.

A step runs one network, drawn by Gumbel softmax with a hard forward and a soft backward pass
(GDAS: Dong and Yang, 2019, section 3.2). Widths are masks over the channels of the widest network
(FBNetV2: Wan et al., arXiv 2004.05565), depths are gates around blocks. A kernel of size 3 is the
centre of that of size 5, and a small expansion uses the first channels of a large one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import normalised
from models.encoders.classifier import Classified
from models.encoders.staged_cnn import EXPANDING, GROUP, BlockKind, StagedCnnConfig
from models.nas.cell_supernet import SPREAD, hard
from models.nas.staged_space import StagedSpace

Weights = Mapping[str, Tensor]  # decision to [options]: probabilities, noise, or a choice


class Choice(NamedTuple):
    """One option of every decision, with the gradients of its relaxation if it has any."""

    weights: Weights  # one-hot
    picks: Mapping[str, int]  # indices of the ones
    learns: bool  # whether gradients reach the architecture

    @classmethod
    def of(cls, weights: Weights) -> "Choice":
        """The choice of these one-hot weights."""
        picks = {name: int(own.argmax()) for name, own in weights.items()}
        return cls(weights, picks, any(own.requires_grad for own in weights.values()))

    def detached(self) -> "Choice":
        """The same without gradients for the architecture, to update the network weights."""
        return Choice({name: own.detach() for name, own in self.weights.items()}, self.picks, False)

    def factor(self, *names: str) -> Tensor:
        """The factor 1, with the gradients of the picked options."""
        factor = torch.ones(())
        for name in names:
            factor = factor * self.weights[name][self.picks[name]]
        return factor


class StagedArchitecture(nn.Module):
    """Parameters of the upper level: a value alpha for every option of every decision.

    Initialised by N(0, 1e-6) from torch's global generator.
    """

    def __init__(self, space: StagedSpace) -> None:
        super().__init__()
        self.space = space
        self.values = nn.ParameterDict(
            {
                name: nn.Parameter(SPREAD * torch.randn(len(options)))
                for name, options in space.decisions.items()
            }
        )

    def probabilities(self) -> dict[str, Tensor]:
        """P = softmax(alpha) of every decision."""
        return {name: own.softmax(dim=0) for name, own in self.values.items()}

    def sampled(self, noise: Weights, temperature: float) -> Choice:
        """Hard values with gradients of softmax((ln p + noise) / temperature)."""
        return Choice.of(
            {
                name: hard(own.log_softmax(dim=0) + noise[name].to(own.device), temperature)
                for name, own in self.values.items()
            }
        )

    def best(self) -> Choice:
        """The most probable option of every decision."""
        zeros = {name: torch.zeros_like(own) for name, own in self.values.items()}
        with torch.no_grad():
            return self.sampled(zeros, 1.0)

    def drawn(self, *, generator: torch.Generator) -> StagedCnnConfig:
        """A network drawn from the probabilities."""
        picks = {
            name: int(torch.multinomial(own.detach().cpu(), 1, generator=generator))
            for name, own in self.probabilities().items()
        }
        return self.space.network(picks)


class SharedConv(nn.Module):
    """Convolution, optional pooling, batch normalisation; only the first channels are used.

    Shapes: [B, in, H, W] -> [B, out, H, W], halved by pooling; in and out are at most the widths
    that it was built with.
    """

    def __init__(self, in_width: int, width: int, kernel: int, *, group: int | None = None) -> None:
        """`group` is the number of channels of a group; None: there are no groups."""
        super().__init__()
        self.group = group
        shape = (width, in_width if group is None else group, kernel, kernel)
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight)

    def forward(self, images: Tensor, width: int, *, kernel: int = 0, pool: bool = False) -> Tensor:
        """The first `width` channels; `kernel` is the size of the central part used, 0 for all."""
        whole = self.weight.shape[2]
        kernel = kernel or whole
        edge = (whole - kernel) // 2
        inner = slice(edge, whole - edge)
        if self.group is None:
            weight, groups = self.weight[:width, : images.shape[1], inner, inner], 1
        else:
            weight, groups = self.weight[:width, :, inner, inner], width // self.group
        hidden = functional.conv2d(images, weight, padding=kernel // 2, groups=groups)
        if pool:
            hidden = functional.max_pool2d(hidden, 2, ceil_mode=True)
        return functional.batch_norm(hidden, None, None, training=True)


class _Width(NamedTuple):
    """Number of computed channels, and a mask of those in use if the width is learnt."""

    computed: int
    mask: Tensor | None

    def apply(self, images: Tensor) -> Tensor:
        """Set channels that are not in use to zero."""
        return images if self.mask is None else images * self.mask[:, None, None]


def _width(sizes: Sequence[int], weights: Tensor, *, learns: bool) -> _Width:
    """The width for options with these sizes and weights."""
    if not learns:
        return _Width(sizes[int(weights.argmax())], None)
    channel = torch.arange(max(sizes), device=weights.device)
    counts = channel < torch.tensor(sizes, device=weights.device)[:, None]  # [options, channels]
    return _Width(max(sizes), weights @ counts.float())


class SharedBlock(nn.Module):
    """All kinds of blocks at one depth of one stage, each with its own weights."""

    def __init__(self, space: StagedSpace, widths: Sequence[int], shrink: int) -> None:
        super().__init__()
        self.space, self.widths = space, widths
        width, kernel, most = max(widths), max(space.kernels), max(space.expansions)
        half, wide = width // min(space.expansions), width * most
        group = math.gcd(max(1, GROUP // shrink), *widths)  # groups are whole at every width
        kinds: dict[BlockKind, list[nn.Module]] = {
            "plain": [SharedConv(width, width, kernel)],
            "residual": [SharedConv(width, width, kernel)],
            "pair": [SharedConv(width, width, kernel) for _ in range(2)],
            "grouped": [
                SharedConv(width, width, kernel, group=group),
                SharedConv(width, width, 1),
            ],
            "bottleneck": [
                SharedConv(width, half, 1),
                SharedConv(half, half, kernel),
                SharedConv(half, width, 1),
            ],
            "inverted": [
                SharedConv(width, wide, 1),
                SharedConv(wide, wide, kernel, group=1),
                SharedConv(wide, width, 1),
            ],
        }
        self.kinds = nn.ModuleDict({name: nn.ModuleList(kinds[name]) for name in space.blocks})

    def forward(self, images: Tensor, choice: Choice, stage: int, width: _Width) -> Tensor:
        """Apply the chosen block to images whose channels are already masked."""
        names = [f"{name}_{stage}" for name in ("block", "kernel")]  # the others act by masks
        kind = self.space.blocks[choice.picks[names[0]]]
        kernel = self.space.kernels[choice.picks[names[1]]]
        layers = self.kinds[kind]
        assert isinstance(layers, nn.ModuleList)
        if kind in EXPANDING:
            inner = self._inner(choice, stage, kind)
            hidden = inner.apply(torch.relu(layers[0](images, inner.computed)))
            hidden = inner.apply(torch.relu(layers[1](hidden, inner.computed, kernel=kernel)))
            hidden = layers[2](hidden, width.computed)
        elif kind in ("plain", "residual"):
            hidden = torch.relu(layers[0](images, width.computed, kernel=kernel))
        else:
            hidden = width.apply(torch.relu(layers[0](images, width.computed, kernel=kernel)))
            second = {"kernel": kernel} if kind == "pair" else {}
            hidden = layers[1](hidden, width.computed, **second)
        branch = width.apply(hidden)
        total = branch if kind == "plain" else images + branch
        if kind in ("pair", "bottleneck", "grouped"):
            total = torch.relu(total)
        return total * choice.factor(*names) if choice.learns else total

    def _inner(self, choice: Choice, stage: int, kind: BlockKind) -> _Width:
        """Inner width, given by the width and the expansion together."""
        width, expansion = (choice.weights[f"{name}_{stage}"] for name in ("width", "expansion"))
        sizes = [
            own * factor if kind == "inverted" else max(1, own // factor)
            for own in self.widths
            for factor in self.space.expansions
        ]
        return _width(sizes, torch.outer(width, expansion).flatten(), learns=choice.learns)


class StagedSupernet(nn.Module):
    """All staged networks of a space in one, `shrink` times narrower than the built networks.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D], scores [B, num_classes]. It always
    uses batch statistics, so the outputs for an image depend on its batch; those of built networks
    do not in evaluation mode.
    """

    def __init__(
        self, space: StagedSpace, *, shrink: int, image_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.space = space
        self.stems = [max(1, own // shrink) for own in space.stems]
        self.widths = [max(1, own // shrink) for own in space.widths]
        width = max(self.widths)
        self.stem = SharedConv(image_channels, max(self.stems), 3)
        inputs = [max(self.stems), *[width] * (space.stages - 1)]
        self.entries = nn.ModuleList(SharedConv(own, width, 3) for own in inputs)
        self.blocks = nn.ModuleList(
            nn.ModuleList(SharedBlock(space, self.widths, shrink) for _ in range(max(space.depths)))
            for _ in range(space.stages)
        )
        self.projection = nn.Linear(width, space.projected_dim)
        self.head = nn.Linear(space.projected_dim, num_classes)

    def forward(self, images: Tensor, choice: Choice) -> Classified:
        """Features and scores of the chosen network."""
        stem = _width(self.stems, choice.weights["stem"], learns=choice.learns)
        hidden = stem.apply(torch.relu(self.stem(normalised(images), stem.computed)))
        for stage in range(self.space.stages):
            hidden = self._stage(hidden, choice, stage)
        pooled = hidden.mean(dim=(2, 3))
        weight = self.projection.weight[:, : pooled.shape[1]]
        features = functional.linear(pooled, weight, self.projection.bias)
        return Classified(features.float(), self.head(features).float())

    def _stage(self, hidden: Tensor, choice: Choice, stage: int) -> Tensor:
        width = _width(self.widths, choice.weights[f"width_{stage}"], learns=choice.learns)
        pooling = self.space.poolings[choice.picks[f"pooling_{stage}"]]
        if pooling == "before":
            hidden = functional.max_pool2d(hidden, 2, ceil_mode=True)
        entry = self.entries[stage](hidden, width.computed, pool=pooling == "after")
        hidden = width.apply(torch.relu(entry))
        if choice.learns:
            hidden = hidden * choice.factor(f"pooling_{stage}")
        blocks = self.blocks[stage]
        assert isinstance(blocks, nn.ModuleList)
        depths = self.space.depths
        for place in range(depths[choice.picks[f"depth_{stage}"]]):
            changed = blocks[place](hidden, choice, stage, width)
            if choice.learns:
                deeper = torch.tensor([float(depth > place) for depth in depths])
                gate = choice.weights[f"depth_{stage}"] @ deeper.to(hidden.device)
                changed = hidden + gate * (changed - hidden)
            hidden = changed
        return hidden
