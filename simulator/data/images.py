"""Image files to pixels: every format that Pillow opens, 8 bits per value, one size for all.

Where grey and colour meet in one data set, all become RGB. An alpha channel is dropped if the image
is opaque everywhere and refused otherwise, since what lies behind would be our invention. Pictures
are turned upright as their EXIF orientation says; of an animation the first frame counts.
"""

import struct
import warnings
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from simulator.data.splits import Pool
from simulator.errors import UserError
from simulator.progress import progress

_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")
_ORIENTATION = 0x0112  # EXIF tag

# What Pillow's readers are known to raise on files that are cut off, damaged or far too large.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(RuntimeError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


class ImageFile(NamedTuple):
    """One encoded image: where it belongs, what to call it in an error, and its file or bytes."""

    split: str
    label: int
    name: str  # "train/cat/1.png", "test.parquet row 7"
    source: Path | bytes


def decode_all(files: Iterable[ImageFile], *, total: int) -> dict[str, Pool]:
    """Decode the images of all splits, with a progress line on stderr if that is a terminal.

    Shapes: images uint8 [N, 1, H, W] if every image of every split is grey, else [N, 3, H, W].
    Raises: UserError naming the first image that cannot be decoded or has another size.
    """
    pixels: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    first: tuple[str, NDArray[np.uint8]] | None = None
    with warnings.catch_warnings():
        # Pillow warns of damaged metadata; where pixels are damaged, it raises.
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # leave=False: where an error follows, it is the only line that stays.
        bar = progress(files, total=total, desc="decoding images", unit=" images", leave=False)
        with bar:
            for file in bar:
                image = decode(file.source, name=file.name)
                first = first or (file.name, image)
                _check_size(image, file.name, *first)
                pixels.setdefault(file.split, []).append(image)
                labels.setdefault(file.split, []).append(file.label)
    grey = all(image.ndim == 2 for images in pixels.values() for image in images)
    return {
        split: Pool(_stack(pixels.pop(split), grey=grey), np.array(labels[split], dtype=np.int64))
        for split in list(pixels)
    }


def decode(source: Path | bytes, *, name: str) -> NDArray[np.uint8]:
    """Pixels of one image: [H, W] if it is grey, else [H, W, 3].

    Raises: UserError naming the image if it is unreadable, transparent or not of 8 bits.
    """
    try:
        image = _open(source)
    except UnidentifiedImageError:
        raise UserError(f"{name}: not an image in any format that Pillow knows") from None
    except _BROKEN as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: the image cannot be read ({reason})") from None
    if image.mode not in _GREY + _COLOUR:
        raise UserError(
            f"{name}: images must be grey or RGB with 8 bits per value, got Pillow mode "
            f"{image.mode}; convert them first"
        )
    target = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise UserError(f"{name}: the image is transparent; flatten it onto a background first")
    return np.asarray(image.convert(target))


def _open(source: Path | bytes) -> Image.Image:
    with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
        image.load()
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image
        return ImageOps.exif_transpose(image)


def _check_size(
    image: NDArray[np.uint8], name: str, first_name: str, first: NDArray[np.uint8]
) -> None:
    if image.shape[:2] != first.shape[:2]:
        (height, width), (first_height, first_width) = image.shape[:2], first.shape[:2]
        raise UserError(
            f"{name}: all images must have one size, but this one has {width}x{height} pixels "
            f"and {first_name} has {first_width}x{first_height}; resize them first"
        )


def _stack(images: list[NDArray[np.uint8]], *, grey: bool) -> NDArray[np.uint8]:
    height, width = images[0].shape[:2]
    stacked = np.empty((len(images), 1 if grey else 3, height, width), dtype=np.uint8)
    for target, image in zip(stacked, images, strict=True):
        target[:] = image if image.ndim == 2 else image.transpose(2, 0, 1)  # [C, H, W]
    return stacked
