"""Features as a few integers: principal components, a uniform quantiser, and classifier heads.

Transform and quantiser are fitted to training features before the heads are trained. They are those
of Gersho and Gray, Vector Quantization and Signal Compression, 1992, sec. 5 and 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

RANGES: Final = tuple(round(0.1 * step, 1) for step in range(8, 61))  # half widths to try


@dataclass(frozen=True, kw_only=True)
class FeatureQuantiserConfig:
    """The available pairs (rank, bits).

    Raises: ValueError if one of them is impossible.
    """

    feature_dim: int
    ranks: tuple[int, ...]  # numbers of components kept, ascending
    bits: tuple[int, ...]  # per component, ascending

    def __post_init__(self) -> None:
        for name, values in (("ranks", self.ranks), ("bits", self.bits)):
            if not values or min(values) < 1 or list(values) != sorted(set(values)):
                raise ValueError(f"{name} must be positive and ascend, got {values}")
        if self.ranks[-1] > self.feature_dim:
            raise ValueError(f"ranks must not exceed {self.feature_dim} features, got {self.ranks}")

    @property
    def options(self) -> tuple[tuple[int, int], ...]:
        """All pairs (rank, bits)."""
        return tuple((rank, bits) for rank in self.ranks for bits in self.bits)

    def build(self, *, num_classes: int) -> "FeatureQuantiser":
        """The unfitted quantiser; heads with weights drawn from torch's global generator."""
        return FeatureQuantiser(self, num_classes=num_classes)


class FeatureQuantiser(nn.Module):
    """Maps features to levels and levels to class scores, and counts the levels.

    With R the largest rank: `mean` [D], `basis` [D, R] and `scale` [R] are the mean, directions and
    standard deviations of the principal components, `ranges` [bits, R] the half widths of the
    quantisers in standard deviations, and `counts` [bits, R, 2^most bits] the number of occurrences
    of each level in training.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor
    ranges: Tensor
    counts: Tensor

    def __init__(self, config: FeatureQuantiserConfig, *, num_classes: int) -> None:
        super().__init__()
        self.config = config
        most, levels = config.ranks[-1], 2 ** config.bits[-1]
        self.register_buffer("mean", torch.zeros(config.feature_dim))
        self.register_buffer("basis", torch.eye(config.feature_dim)[:, :most].clone())
        self.register_buffer("scale", torch.ones(most))
        self.register_buffer("ranges", torch.ones(len(config.bits), most))
        self.register_buffer(
            "counts", torch.zeros(len(config.bits), most, levels, dtype=torch.int64)
        )
        self.heads = nn.ModuleDict(
            {_head(rank, bits): nn.Linear(rank, num_classes) for rank, bits in config.options}
        )

    @torch.no_grad()
    def fit(self, features: Sequence[Tensor], head: nn.Linear) -> None:
        """Fit to training features, each [N, D], and initialise all heads by `head` [D -> classes].

        Only the first part determines the ranges: one view of all images is enough for that. The
        largest entry of every direction is positive, so that signs do not depend on the solver.
        """
        count = sum(len(part) for part in features)
        mean = torch.stack([part.double().sum(dim=0) for part in features]).sum(dim=0) / count
        squares = torch.stack([part.double().T @ part.double() for part in features])
        second = squares.sum(dim=0) / count
        variance, directions = torch.linalg.eigh(second - torch.outer(mean, mean))
        most = self.config.ranks[-1]
        variance, directions = variance.flip(0)[:most], directions.flip(1)[:, :most]
        largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
        self.mean.copy_(mean)
        self.basis.copy_(directions * largest.sign())
        self.scale.copy_(variance.clamp_min(1e-12).sqrt())
        parts = [self.components(part.float()) for part in features]
        for row, bits in enumerate(self.config.bits):
            self.ranges[row] = best_ranges(parts[0], bits)
            for part in parts:
                levels = self.levels(part, bits)
                self.counts[row] += _histogram(levels, self.counts.shape[2])
        for rank, bits in self.config.options:
            own = self.heads[_head(rank, bits)]
            assert isinstance(own, nn.Linear)
            basis = self.basis[:, :rank] * self.scale[:rank]
            own.weight.copy_(head.weight @ basis)
            own.bias.copy_(head.bias + head.weight @ self.mean)

    def components(self, features: Tensor) -> Tensor:
        """Principal components [B, R] of features [B, D], with unit variance in training."""
        return (features - self.mean) @ self.basis / self.scale

    def levels(self, components: Tensor, bits: int) -> Tensor:
        """Index of the quantiser cell of every component [B, r], int64 from 0 to 2^bits - 1."""
        return _cells(components, self._range(bits, components.shape[1]), bits)

    def values(self, levels: Tensor, bits: int) -> Tensor:
        """Midpoints [B, r] of the quantiser cells."""
        return _middles(levels, self._range(bits, levels.shape[1]), bits)

    def scores(self, levels: Tensor, bits: int) -> Tensor:
        """Class scores [B, num_classes] of levels [B, r]."""
        scores: Tensor = self.heads[_head(levels.shape[1], bits)](self.values(levels, bits))
        return scores

    def features(self, levels: Tensor, bits: int) -> Tensor:
        """Features [B, D] reconstructed from levels [B, r]."""
        rank = levels.shape[1]
        return self.values(levels, bits) * self.scale[:rank] @ self.basis[:, :rank].T + self.mean

    def probabilities(self, rank: int, bits: int) -> Tensor:
        """Estimated probability of each level of each component, [rank, 2^bits]; never 0."""
        counts = self.counts[self.config.bits.index(bits), :rank, : 2**bits].double() + 1.0
        return counts / counts.sum(dim=1, keepdim=True)

    def _range(self, bits: int, rank: int) -> Tensor:
        return self.ranges[self.config.bits.index(bits), :rank]


def best_ranges(components: Tensor, bits: int) -> Tensor:
    """The half width of RANGES with the least squared error, for each component of [N, R]."""
    errors = []
    for half in RANGES:
        ranges = torch.full((components.shape[1],), half, device=components.device)
        wrong = components - _middles(_cells(components, ranges, bits), ranges, bits)
        errors.append(wrong.square().sum(dim=0, dtype=torch.float64))
    best = torch.stack(errors).argmin(dim=0)
    return torch.tensor(RANGES, device=best.device)[best]


def _cells(components: Tensor, ranges: Tensor, bits: int) -> Tensor:
    """Uniform quantiser of 2^bits cells on -ranges..ranges; what lies outside is clipped."""
    width = 2 * ranges / 2**bits
    cells: Tensor = ((components + ranges) / width).floor()
    return cells.clamp(0, 2**bits - 1).long()


def _middles(levels: Tensor, ranges: Tensor, bits: int) -> Tensor:
    middles: Tensor = (levels + 0.5) * (2 * ranges / 2**bits) - ranges
    return middles


def _histogram(levels: Tensor, size: int) -> Tensor:
    """Number of occurrences of each of `size` levels in every column of [N, R]: [R, size]."""
    offset = size * torch.arange(levels.shape[1], device=levels.device)
    counts = torch.bincount((levels + offset).flatten(), minlength=size * levels.shape[1])
    return counts.view(levels.shape[1], size)


def _head(rank: int, bits: int) -> str:
    """Name of the head for a pair (rank, bits)."""
    return f"r{rank}_b{bits}"
