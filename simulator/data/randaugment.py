"""RandAugment (Cubuk et al., arXiv 1909.13719): a few random operations on every image, by Pillow.

The operations and their ranges are those of torchvision's `RandAugment`. Its 31 levels of
magnitude correspond to a number from 0 to 1 here.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor


class Amount(NamedTuple):
    """Strength of an operation: a share of its range, -1 to 1, and the image's side in pixels."""

    share: float
    side: int


Change = Callable[[Image.Image, Amount], Image.Image]
Enhancer = Callable[[Image.Image], ImageEnhance._Enhance]


def _enhanced(enhancer: Enhancer) -> Change:
    return lambda image, amount: enhancer(image).enhance(1 + 0.9 * amount.share)


def _moved(*, shear: float = 0.0, shift: float = 0.0, down: bool = False) -> Change:
    """Move rows sideways by a shear and a shift (share of the side), or columns if `down`."""

    def change(image: Image.Image, amount: Amount) -> Image.Image:
        slope, move = shear * amount.share, shift * amount.share * amount.side
        matrix = (1, 0, 0, slope, 1, move) if down else (1, slope, move, 0, 1, 0)
        return image.transform(image.size, Image.Transform.AFFINE, matrix)

    return change


def _posterised(image: Image.Image, amount: Amount) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * abs(amount.share)))


def _solarised(image: Image.Image, amount: Amount) -> Image.Image:
    return ImageOps.solarize(image, round(256 * (1 - abs(amount.share))))


OPERATIONS: Final[Mapping[str, Change]] = {
    "identity": lambda image, _: image,
    "shear_x": _moved(shear=0.3),
    "shear_y": _moved(shear=0.3, down=True),
    "translate_x": _moved(shift=150 / 331),
    "translate_y": _moved(shift=150 / 331, down=True),
    "rotate": lambda image, amount: image.rotate(30 * amount.share),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "posterise": _posterised,
    "solarise": _solarised,
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalise": lambda image, _: ImageOps.equalize(image),
}


def randaugment(
    images: Tensor, *, operations: int, magnitude: float, generator: torch.Generator
) -> Tensor:
    """Apply `operations` random operations to every image, one after the other.

    Each operation is drawn uniformly, and so is its direction; `magnitude` is the share of its
    range. Image b uses only row b of the draws [B, `operations`, 2].

    Shapes: images uint8 [B, C, H, W], C 1 or 3 -> the same.
    Raises: ValueError if `operations` is negative or `magnitude` not from 0 to 1.
    """
    if operations < 0 or not 0 <= magnitude <= 1:
        raise ValueError(
            f"operations must be 0 or more and magnitude from 0 to 1, got {operations}, {magnitude}"
        )
    draws = torch.rand((len(images), operations, 2), generator=generator, device=generator.device)
    changes, side = [*OPERATIONS.values()], min(images.shape[2:])
    changed = []
    for pixels, row in zip(images.cpu().numpy(), draws.tolist(), strict=True):
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        for which, direction in row:
            amount = Amount(math.copysign(magnitude, direction - 0.5), side)
            image = changes[int(which * len(changes))](image, amount)
        changed.append(np.asarray(image).reshape(*image.size[::-1], -1).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(changed)).to(images.device)
