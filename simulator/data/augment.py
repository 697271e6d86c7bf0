"""Augmentation of training images, and the order in which an epoch takes them."""

import torch
from torch import Tensor


def augment(images: Tensor, *, crop_padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift every image by its own random offset, and mirror every second one left to right.

    Image b is padded with `crop_padding` zeros on each side and cropped to its old size at a place
    drawn uniformly; with `flip` it is then mirrored with probability 1/2. Image b uses row b of
    the draws [B, 3] and nothing of the other images.

    Shapes: images [B, C, H, W] of any type -> the same.
    Raises: ValueError if the images have another shape or `crop_padding` is negative.
    """
    if images.ndim != 4:
        raise ValueError(f"images must be [B, C, H, W], got {list(images.shape)}")
    if crop_padding < 0:
        raise ValueError(f"crop_padding must be 0 or more pixels, got {crop_padding}")
    batch, _, height, width = images.shape
    draws = torch.rand((batch, 3), generator=generator, device=generator.device).to(images.device)
    top, left = (draws[:, :2] * (2 * crop_padding + 1)).long().unbind(dim=1)  # [B], 0..2p
    rows = top[:, None] + torch.arange(height, device=images.device)  # [B, H]
    columns = left[:, None] + torch.arange(width, device=images.device)  # [B, W]
    if flip:
        columns = torch.where(draws[:, 2:] < 0.5, columns.flip(dims=[1]), columns)
    padded = torch.nn.functional.pad(images, [crop_padding] * 4)
    index = torch.arange(batch, device=images.device)[:, None, None]
    cropped = padded[index, :, rows[:, :, None], columns[:, None, :]]  # [B, H, W, C]
    return cropped.permute(0, 3, 1, 2).contiguous()


def epoch_order(num_images: int, *, generator: torch.Generator) -> Tensor:
    """The numbers 0 to `num_images` - 1 in random order, int64 [N]. ValueError if there is none."""
    if num_images < 1:
        raise ValueError(f"num_images must be at least 1, got {num_images}")
    return torch.randperm(num_images, generator=generator, device=generator.device)
