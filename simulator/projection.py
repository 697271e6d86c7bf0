"""Features of teachers side by side, at equal weight, on as many dimensions as a student has."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simulator.errors import UserError


class Projection(NamedTuple):
    """An affine map of teachers' features, fitted on the shared views.

    weights [W] over the W dimensions of all teachers, directions [W, D], centre [W], mean [D], and
    scale the root of the mean variance over the D dimensions, so that predicting the mean costs a
    squared error of 1; explained is the share of variance that is kept.
    """

    weights: Tensor
    centre: Tensor
    directions: Tensor
    mean: Tensor
    scale: Tensor
    explained: Tensor

    def __call__(self, features: Sequence[Tensor]) -> Tensor:
        """Features [N, D] of one view, normalised, of those of every teacher."""
        joined = torch.cat([own.float() for own in features], dim=1) * self.weights
        return ((joined - self.centre) @ self.directions - self.mean) / self.scale


def fit_projection(features: Sequence[Tensor], width: int) -> Projection:
    """Fit on features [V, N, D_i] of every teacher.

    Several teachers are each brought to unit variance; features that are not `width` together are
    projected on their principal components.
    Raises: UserError if there are fewer.
    """
    weights = torch.cat(
        [torch.ones(own.shape[2], device=own.device) / _weight(own, features) for own in features]
    )
    found = len(weights)
    plain = Projection(
        weights=weights,
        centre=torch.zeros_like(weights),
        directions=torch.eye(found, device=weights.device),
        mean=torch.zeros_like(weights),
        scale=torch.ones((), device=weights.device),
        explained=torch.ones((), device=weights.device),
    )
    chosen = plain
    if found != width:
        centre, directions, explained = _principal_components(features, plain, width)
        mean = torch.zeros(width, device=weights.device)
        chosen = plain._replace(
            centre=centre, directions=directions, mean=mean, explained=explained
        )
    mean, scale = _moments(features, chosen)
    return chosen._replace(mean=mean, scale=scale)


def _weight(own: Tensor, features: Sequence[Tensor]) -> Tensor:
    """What a teacher's features are divided by; 1 for one that is alone."""
    return _scale(own) if len(features) > 1 else torch.ones((), device=own.device)


def _scale(features: Tensor) -> Tensor:
    """Root of the mean variance over dimensions of features [V, N, D]."""
    mean = torch.stack([view.float().mean(dim=0) for view in features]).mean(dim=0)
    squares = torch.stack([(view.float() - mean).square().mean(dim=0) for view in features])
    return squares.mean().sqrt()


def _moments(features: Sequence[Tensor], projection: Projection) -> tuple[Tensor, Tensor]:
    """Mean [D] of what a projection gives, and the root of its mean variance."""
    views = range(len(features[0]))
    mean = sum(projection([own[v] for own in features]).mean(dim=0) for v in views) / len(views)
    assert isinstance(mean, Tensor)
    squares = sum(
        (projection([own[v] for own in features]) - mean).square().mean() for v in views
    ) / len(views)
    assert isinstance(squares, Tensor)
    return mean, squares.sqrt()


def _principal_components(
    features: Sequence[Tensor], plain: Projection, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [W], the first directions [W, width], and the share of variance that they explain."""
    found = len(plain.weights)
    if found < width:
        raise UserError(f"the student's feature_dim {width} must not exceed the teacher's {found}")
    centre, _ = _moments(features, plain)
    second = torch.zeros((found, found), dtype=torch.float64, device=centre.device)
    for view in range(len(features[0])):
        own = (plain([teacher[view] for teacher in features]) - centre).double()
        second += own.T @ own
    variances, directions = torch.linalg.eigh(second)  # ascending
    explained = variances[-width:].sum() / variances.sum()
    return centre, directions.flip(1)[:, :width].float(), explained.float()
