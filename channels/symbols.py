"""Real features to complex symbols of unit power per image, and back."""

import torch
from torch import Tensor


def to_symbols(values: Tensor, *, used: Tensor | None = None) -> Tensor:
    """Pack neighbouring values (re, im) into symbols of unit mean power over the used ones.

    `x = u sqrt(k_used) / ||u||`, separately for every image. Unused symbols are 0 and carry no
    power. Differentiable in `values`.

    Shapes: values [B, 2k] real, used [B, k] bool or None (all are used) -> x [B, k] complex64.
    Raises: ValueError for another shape or type, or unless used values are finite and not all 0.
    """
    if not values.is_floating_point() or values.dim() != 2 or values.shape[1] % 2:
        raise ValueError(
            f"values must be real [B, 2k], got {values.dtype} {list(values.shape)}; "
            "symbol i is made of values 2i and 2i + 1"
        )
    pairs = values.to(torch.float32).reshape(values.shape[0], -1, 2)  # [B, k, 2]
    if used is None:
        count = torch.full((len(pairs), 1, 1), float(pairs.shape[1]), device=values.device)
    else:
        _check_used(used, pairs)
        pairs = pairs.masked_fill(~used.unsqueeze(-1), 0.0)
        count = used.sum(dim=1).to(torch.float32).reshape(-1, 1, 1)
    # Dividing by the peak keeps the squares in range; it does not change the result.
    peak = pairs.detach().abs().amax(dim=(1, 2), keepdim=True)  # [B, 1, 1]
    if not bool(((peak > 0) & torch.isfinite(peak)).all()):
        raise ValueError(
            "the used values of every image must be finite and not all zero, else they have no "
            f"direction; images {_some(((peak > 0) & torch.isfinite(peak)).flatten())} break this"
        )
    pairs = pairs / peak
    energy = pairs.square().sum(dim=(1, 2), keepdim=True)  # [B, 1, 1]
    return torch.view_as_complex(pairs * (count / energy).sqrt())


def from_symbols(x: Tensor) -> Tensor:
    """Unpack symbols into neighbouring values (re, im): undo the packing of `to_symbols`.

    Shapes: x [B, k] complex -> values [B, 2k] real.
    Raises: ValueError if x is not complex [B, k].
    """
    if not x.is_complex() or x.dim() != 2:
        raise ValueError(f"x must be complex [B, k], got {x.dtype} {list(x.shape)}")
    return torch.view_as_real(x.resolve_conj()).flatten(start_dim=1)


def _check_used(used: Tensor, pairs: Tensor) -> None:
    """Check that the mask is bool and has one entry for every symbol of every image."""
    if used.dtype != torch.bool or used.shape != pairs.shape[:2]:
        raise ValueError(
            f"used must be bool [B, k] = {list(pairs.shape[:2])}, "
            f"got {used.dtype} {list(used.shape)}"
        )


def _some(good: Tensor) -> list[int]:
    """Indices of the first five images for which `good` is False."""
    return torch.nonzero(~good).flatten()[:5].tolist()
