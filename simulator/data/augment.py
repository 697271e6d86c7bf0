"""Training images: augmentation, downsampling, and the order in which an epoch takes them."""

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, *, crop_padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift every image by its own random offset, and mirror half of them left to right.

    Image b is padded with `crop_padding` zeros on each side and cropped to its old size at a place
    drawn uniformly; with `flip` it is then mirrored with probability 1/2. Image b uses only row b
    of the draws [B, 3], and no other image.

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
    padded = functional.pad(images, [crop_padding] * 4)
    index = torch.arange(batch, device=images.device)[:, None, None]
    cropped = padded[index, :, rows[:, :, None], columns[:, None, :]]  # [B, H, W, C]
    return cropped.permute(0, 3, 1, 2).contiguous()


def recolour(images: Tensor, *, jitter: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of every image.

    Each is multiplied by a factor drawn uniformly from 1 - `jitter` to 1 + `jitter`. Image b uses
    only row b of the draws [B, 3].

    Shapes: images uint8 [B, C, H, W] -> the same.
    """
    factors = _between(1 - jitter, 1 + jitter, (len(images), 3), generator, images)
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(dim=1)
    bright = images.float() * brightness
    mean = bright.mean(dim=(1, 2, 3), keepdim=True)
    hard = mean + (bright - mean) * contrast
    grey = hard.mean(dim=1, keepdim=True)
    return _pixels(grey + (hard - grey) * saturation)


def erase(images: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Cover a rectangle with the mean of the image's pixels, in each image with probability 1/2.

    The rectangle has the shape of the image, `share` of its height and width, and lies at a place
    drawn uniformly. Image b uses only row b of the draws [B, 3].

    Shapes: images uint8 [B, C, H, W] -> the same.
    """
    height, width = images.shape[2:]
    chance, down, right = _between(0, 1, (len(images), 3), generator, images).unbind(dim=1)
    rows = _covered(down, height, round(share * height))
    columns = _covered(right, width, round(share * width))
    hidden = rows[:, :, None] & columns[:, None, :] & (chance < 0.5)[:, None, None]  # [B, H, W]
    mean = images.float().mean(dim=(2, 3), keepdim=True)
    return torch.where(hidden[:, None], _pixels(mean), images)


def paste(images: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Cover a rectangle of every image with that of a random other (CutMix, arXiv 1905.04899).

    The rectangle has the shape of the image and lies at a place drawn uniformly; its share of the
    pixels is drawn from 0 to `share`, which is below a half, so every image keeps its label.

    Shapes: images [B, C, H, W] of any type -> the same.
    Raises: ValueError if `share` is not from 0 to below 1/2.
    """
    if not 0 <= share < 0.5:
        raise ValueError(f"share must be at least 0 and below 0.5, got {share}")
    others = torch.randperm(len(images), generator=generator, device=generator.device)
    area, down, right = _between(0, 1, (len(images), 3), generator, images).unbind(dim=1)
    height, width = images.shape[2:]
    side = (share * area).sqrt()
    rows = _covered(down, height, (side * height).long())
    columns = _covered(right, width, (side * width).long())
    taken = rows[:, :, None] & columns[:, None, :]
    return torch.where(taken[:, None], images[others.to(images.device)], images)


def _covered(place: Tensor, length: int, covered: int | Tensor) -> Tensor:
    """Mask of a run of `covered` pixels among `length`, bool [B, length].

    `place` [B] in 0..1 is the position of the run, from the first to the last that is possible.
    `covered` is one number, or one for every image [B].
    """
    first = (place * (length - covered + 1)).long()
    pixel = torch.arange(length, device=place.device)
    return (first[:, None] <= pixel) & (pixel < (first + covered)[:, None])


def _between(
    low: float, high: float, shape: tuple[int, int], generator: torch.Generator, images: Tensor
) -> Tensor:
    draws = torch.rand(shape, generator=generator, device=generator.device)
    return (low + (high - low) * draws).to(images.device)


def _pixels(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def shrunk(images: Tensor, side: int) -> Tensor:
    """Floating-point images [B, C, H, W], averaged down to [B, C, side, side]."""
    return functional.interpolate(images, size=(side, side), mode="area")


def epoch_order(num_images: int, *, generator: torch.Generator) -> Tensor:
    """The numbers 0 to `num_images` - 1 in random order, int64 [N].

    Raises: ValueError if `num_images` is below 1.
    """
    if num_images < 1:
        raise ValueError(f"num_images must be at least 1, got {num_images}")
    return torch.randperm(num_images, generator=generator, device=generator.device)
