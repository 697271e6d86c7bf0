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
    alone = len(features) == 1
    weights = torch.cat(
        [
            torch.ones(own.shape[2], device=own.device) / (1 if alone else moments(own.unbind())[1])
            for own in features
        ]
    )
    plain = Projection(
        weights=weights,
        centre=torch.zeros_like(weights),
        directions=torch.eye(len(weights), device=weights.device),
        mean=torch.zeros_like(weights),
        scale=torch.ones((), device=weights.device),
        explained=torch.ones((), device=weights.device),
    )
    joined = [plain([own[view] for own in features]) for view in range(len(features[0]))]
    if len(weights) == width:
        mean, scale = moments(joined)
        return plain._replace(mean=mean, scale=scale)
    centre, directions, explained = principal_components(joined, width)
    mean, scale = moments([(view - centre) @ directions for view in joined])
    return Projection(weights, centre, directions, mean, scale, explained)


def moments(views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean [D] of views [N, D] of equal length, and the root of the mean variance."""
    mean = torch.stack([view.float().mean(dim=0) for view in views]).mean(dim=0)
    squares = torch.stack([(view.float() - mean).square().mean() for view in views])
    return mean, squares.mean().sqrt()


def principal_components(views: Sequence[Tensor], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [W], first directions [W, width], and the share of variance that these explain.

    Shapes: views [N, W] of equal length.
    Raises: UserError if W is less than `width`.
    """
    found = views[0].shape[1]
    if found < width:
        raise UserError(f"the student's feature_dim {width} must not exceed the teacher's {found}")
    centre, _ = moments(views)
    second = torch.zeros((found, found), dtype=torch.float64, device=centre.device)
    for view in views:
        own = (view - centre).double()
        second += own.T @ own
    variances, directions = torch.linalg.eigh(second)  # ascending
    explained = variances[-width:].sum() / variances.sum()
    return centre, directions.flip(1)[:, :width].float(), explained.float()
