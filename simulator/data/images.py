"""Image files to pixels: every format that Pillow opens, 8 bits per value, one size for all.

If a data set has both grey and colour images, all become RGB. Transparent images are placed on
white. Images are turned upright by their EXIF orientation. Of an animation, the first frame is
used. If a size is requested, the centre square is rescaled to it. Remarks report how many images
were changed in each way.
"""

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from simulator.data.splits import Pool
from simulator.errors import UserError
from simulator.progress import progress

_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")
_ORIENTATION = 0x0112  # EXIF tag
_PNG_DEPTH = 24  # signature of 8 bytes; length, name, width, height of IHDR 4 each; then the depth

# Changes to images, as the remarks report them.
_TURNED = "were turned upright as their EXIF orientation says"
_ON_WHITE = "had transparency and were placed on white"
_RESCALED = "were rescaled, by the centre square"
_COLOURED = "were grey and became RGB, as others are in colour"

# Exceptions of Pillow for files that are truncated, damaged or far too large.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(RuntimeError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)

_SHOWN = 3  # file names that an error lists


class NoImage(UserError):
    """A file that Pillow does not recognise as an image."""


class ImageFile(NamedTuple):
    """One encoded image: its split and label, its name in errors, and its file or bytes."""

    split: str
    label: int
    name: str  # "train/cat/1.png", "test.parquet row 7"
    source: Path | bytes


class Pictures(NamedTuple):
    """Decoded images by split, and one remark for each way in which some were changed."""

    pools: dict[str, Pool]
    remarks: tuple[str, ...]


def decode_all(files: Iterable[ImageFile], *, total: int, resize: int | None = None) -> Pictures:
    """Decode the images of all splits, with a progress line on stderr if that is a terminal.

    Shapes: images uint8 [N, 1, H, W] if every image of every split is grey, else [N, 3, H, W].
    Raises: UserError naming the first image that cannot be decoded or has another size.
    """
    pixels: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    first: tuple[str, NDArray[np.uint8]] | None = None
    done: Counter[str] = Counter()
    with warnings.catch_warnings():
        # Pillow warns about damaged metadata; it raises if pixels are damaged.
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # leave=False: if an error follows, only that line stays on the screen.
        bar = progress(files, total=total, desc="decoding images", unit=" images", leave=False)
        with bar:
            left = iter(bar)
            for file in left:
                try:
                    image = decode(file.source, name=file.name, resize=resize, done=done)
                except NoImage as error:
                    raise _not_images(error, file, left) from None
                first = first or (file.name, image)
                _check_size(image, file.name, *first)
                pixels.setdefault(file.split, []).append(image)
                labels.setdefault(file.split, []).append(file.label)
    number_grey = sum(image.ndim == 2 for images in pixels.values() for image in images)
    grey = number_grey == sum(map(len, pixels.values()))
    done[_COLOURED] += 0 if grey else number_grey
    pools = {
        split: Pool(_stack(pixels.pop(split), grey=grey), np.array(labels[split], dtype=np.int64))
        for split in list(pixels)
    }
    told = (_told(number, total, what) for what, number in done.items() if number)
    return Pictures(pools, tuple(told))


def _told(number: int, total: int, what: str) -> str:
    """A remark: how many images were changed in this way."""
    if number == 1:
        what = what.replace("were ", "was ").replace("their ", "its ")
    return f"{number:,} of {total:,} images {what}"


def _not_images(error: UserError, first: ImageFile, others: Iterable[ImageFile]) -> UserError:
    """One error for the first file that is not an image and all later ones."""
    if isinstance(first.source, bytes):  # not a file of its own
        return error
    names = [first.name, *(file.name for file in others if not _known(file.source))]
    if len(names) == 1:
        return error
    told = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return UserError(
        f"{len(names):,} files are no images in any format that Pillow knows: {told}; remove them"
    )


def _known(source: Path | bytes) -> bool:
    """Whether Pillow knows the format; the file may still be damaged."""
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source):
            return True
    except UnidentifiedImageError:
        return False
    except _BROKEN:
        return True


def decode(
    source: Path | bytes,
    *,
    name: str,
    resize: int | None = None,
    done: Counter[str] | None = None,
) -> NDArray[np.uint8]:
    """Pixels of one image: [H, W] if it is grey, else [H, W, 3]; `done` counts the changes.

    Raises: UserError naming the image if it is unreadable or not of 8 bits.
    """
    done = Counter() if done is None else done
    try:
        image, depth = _open(source, done)
    except UnidentifiedImageError:
        raise NoImage(f"{name}: not an image in any format that Pillow knows") from None
    except _BROKEN as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: the image cannot be read ({reason})") from None
    if image.mode not in _GREY + _COLOUR or depth > 8:
        got = f"{depth} bits" if depth > 8 else f"Pillow mode {image.mode}"
        raise UserError(
            f"{name}: images must be grey or RGB with 8 bits per value, got {got}; convert them "
            "first"
        )
    target = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        image = _on_white(image.convert("RGBA"), done)
    image = image.convert(target)
    return np.asarray(image if resize is None else _rescaled(image, resize, done))


def _on_white(image: Image.Image, done: Counter[str]) -> Image.Image:
    if np.asarray(image.getchannel("A")).min() == 255:
        return image
    done[_ON_WHITE] += 1
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _rescaled(image: Image.Image, size: int, done: Counter[str]) -> Image.Image:
    """The centre square, rescaled to `size` pixels a side with a filter against aliasing."""
    if image.size == (size, size):
        return image
    done[_RESCALED] += 1
    left, top = ((length - min(image.size)) / 2 for length in image.size)
    box = (left, top, left + min(image.size), top + min(image.size))
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def _open(source: Path | bytes, done: Counter[str]) -> tuple[Image.Image, int]:
    """The image upright, and its bits per value."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    with Image.open(BytesIO(content)) as image:
        depth = _depth(image, content)
        image.load()
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image, depth
        done[_TURNED] += 1
        return ImageOps.exif_transpose(image), depth


def _depth(image: Image.Image, content: bytes) -> int:
    """Bits per value of PNG and TIFF, of which Pillow silently cuts 16-bit colour to 8; else 8."""
    if isinstance(image, PngImageFile):
        return content[_PNG_DEPTH]
    return max(image.tag_v2.get(BITSPERSAMPLE, (8,))) if isinstance(image, TiffImageFile) else 8


def _check_size(
    image: NDArray[np.uint8], name: str, first_name: str, first: NDArray[np.uint8]
) -> None:
    if image.shape[:2] != first.shape[:2]:
        (height, width), (first_height, first_width) = image.shape[:2], first.shape[:2]
        raise UserError(
            f"{name}: all images must have one size, but this one has {width}x{height} pixels "
            f"and {first_name} has {first_width}x{first_height}; add --resize N to make all NxN"
        )


def _stack(images: list[NDArray[np.uint8]], *, grey: bool) -> NDArray[np.uint8]:
    height, width = images[0].shape[:2]
    stacked = np.empty((len(images), 1 if grey else 3, height, width), dtype=np.uint8)
    for target, image in zip(stacked, images, strict=True):
        target[:] = image if image.ndim == 2 else image.transpose(2, 0, 1)  # [C, H, W]
    return stacked
