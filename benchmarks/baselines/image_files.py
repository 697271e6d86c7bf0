"""Image files as written by Pillow, and the bytes of a file that need not be sent.

Most of a small image's file is the same for all images of one size and quality: 623 of the 700
bytes of a 32 x 32 JPEG, 290 of the 390 of an AVIF. Both ends can know these bytes in advance. For
every codec, they are found by writing reference images of many kinds: known bytes are those at the
positions from the front at which all files agree, four or more in a row, and the bytes at the end
that are equal in all files. All other bytes are charged, including the length fields of a
container. A file that differs in a known byte cannot be sent at this quality.

Files of images above 128 x 128 pixels take long to write. There, 8 references take the place of 48,
and only positions at which they agree at every quality are known.
"""

import functools
import importlib
import io
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from channels.streams import Streams
from simulator.data.cache import kept
from simulator.errors import UserError
from simulator.progress import progress
from simulator.storage.describe import digest

VERSION = 1  # of the cached results
REFERENCES = 48  # images that are written to find the bytes that all files share
LARGE = 128 * 128  # pixels, above which few references are written
SHORTEST_RUN = 4  # bytes in a row that must agree; shorter runs may be coincidences in the data

UNREADABLE: Final = (  # what Pillow and its plugins raise for damaged files
    *(OSError, SyntaxError, ValueError, RuntimeError, EOFError, IndexError, KeyError),
    *(struct.error, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning),
)

Pixels = NDArray[np.uint8]


class FileFormat(NamedTuple):
    """An image file format, and how its files are written."""

    name: str  # on the command line
    title: str
    pillow: str  # Pillow's name
    settings: tuple[tuple[str, Any], ...] = ()
    package: str = "pillow"
    plugin: str = ""  # module that registers the format with Pillow

    def load(self) -> None:
        """Register the format with Pillow. Raises: UserError if it is not installed."""
        try:
            if self.plugin:
                importlib.import_module(self.plugin)
        except ImportError:
            raise UserError(
                f"codec {self.name} needs {self.package}, which is not installed: "
                "pip install 'semlink[codecs]'"
            ) from None
        Image.init()
        if self.pillow not in Image.SAVE:
            raise UserError(
                f"codec {self.name} is not in this build of Pillow; install another build"
            )


_AVIF = (("speed", 6), ("max_threads", 1), ("subsampling", "4:4:4"))
_HEIC = "pillow_heif.HeifImagePlugin"
FORMATS: Final = {
    form.name: form
    for form in (
        FileFormat("jpeg", "JPEG", "JPEG", (("subsampling", "4:2:0"), ("optimize", False))),
        FileFormat(
            "jpeg444", "JPEG 4:4:4", "JPEG", (("subsampling", "4:4:4"), ("optimize", False))
        ),
        FileFormat("webp", "WebP", "WEBP", (("method", 6),)),
        FileFormat("avif", "AVIF", "AVIF", _AVIF),
        FileFormat("heic", "HEIC", "HEIF", package="pillow-heif", plugin=_HEIC),
        FileFormat("jxl", "JPEG XL", "JXL", package="pillow-jxl-plugin", plugin="pillow_jxl"),
    )
}


class Shared(NamedTuple):
    """What all files of one size and quality have in common."""

    head: Pixels  # the first bytes of one file
    fixed: NDArray[np.bool_]  # which of them are the same in all
    tail: bytes  # the last bytes of all files

    def strip(self, file: bytes) -> bytes | None:
        """The bytes of a file that must be sent; None if it differs in a shared byte."""
        if len(file) < len(self.head) + len(self.tail) or not file.endswith(self.tail):
            return None
        start = np.frombuffer(file[: len(self.head)], np.uint8)
        if not np.array_equal(start[self.fixed], self.head[self.fixed]):
            return None
        return start[~self.fixed].tobytes() + file[len(self.head) : len(file) - len(self.tail)]

    def restore(self, sent: bytes) -> bytes:
        """The file rebuilt from the bytes that were sent; meaningless if these are too few."""
        head, holes = self.head.copy(), ~self.fixed
        own = np.frombuffer(sent[: int(holes.sum())], np.uint8)
        head[np.flatnonzero(holes)[: len(own)]] = own
        return head.tobytes() + sent[len(own) :] + self.tail


@dataclass(frozen=True, kw_only=True)
class ImageCodec:
    """One format for images of one size, at some qualities in ascending order.

    Raises: ValueError if image_shape is not (1 | 3, H, W), or qualities do not ascend in 0..100.
    """

    kind: str  # a key of FORMATS
    image_shape: tuple[int, int, int]  # C, H, W
    qualities: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.image_shape[0] not in (1, 3) or min(self.image_shape) < 1:
            raise ValueError(
                f"image_shape must be (1 or 3, H, W), got {self.image_shape}; "
                "convert the images to grey or RGB"
            )
        check_qualities(self.qualities)

    @property
    def form(self) -> FileFormat:
        """The file format."""
        return FORMATS[self.kind]

    def needs(self) -> dict[str, str]:
        """The versions of the packages that compress. Raises: UserError if one is missing."""
        self.form.load()
        return {name: version(name) for name in dict.fromkeys(("pillow", self.form.package))}

    def file(self, image: Tensor, option: int) -> bytes:
        """The whole file of an image uint8 [C, H, W]; `option` is the index of the quality."""
        if tuple(image.shape) != self.image_shape or image.dtype != torch.uint8:
            raise ValueError(
                f"image must be uint8 {list(self.image_shape)}, "
                f"got {image.dtype} {list(image.shape)}"
            )
        self.form.load()
        pixels = image.cpu().numpy()
        picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        buffer, quality = io.BytesIO(), self.qualities[option]
        picture.save(buffer, self.form.pillow, quality=quality, **dict(self.form.settings))
        return buffer.getvalue()

    def shared(self, option: int) -> Shared:
        """The bytes that all files at a quality have in common."""
        return _shared(self, option)

    def image(self, file: bytes) -> Tensor | None:
        """The image uint8 [C, H, W] of a file; None if it does not decode to this size."""
        channels, height, width = self.image_shape
        self.form.load()
        try:
            with Image.open(io.BytesIO(file), formats=[self.form.pillow]) as opened:
                if opened.size != (width, height):
                    return None
                pixels = np.array(opened.convert("L" if channels == 1 else "RGB"))
        except UNREADABLE:
            return None
        return torch.from_numpy(pixels.reshape(height, width, channels)).permute(2, 0, 1)


def check_qualities(qualities: tuple[int, ...]) -> None:
    """Raises: ValueError if qualities are fewer than two, or do not ascend."""
    ascending = sorted(set(qualities)) == list(qualities)
    if len(qualities) < 2 or not ascending or not 0 <= qualities[0] < qualities[-1] <= 100:
        raise ValueError(f"qualities must be ascending integers in 0..100, got {qualities}")


def is_large(shape: tuple[int, int, int]) -> bool:
    """Whether images (C, H, W) are so large that few references are written."""
    return shape[1] * shape[2] > LARGE


@functools.lru_cache(maxsize=256)
def _shared(codec: ImageCodec, option: int) -> Shared:
    """As `ImageCodec.shared`; cached on disk, because large references take a minute to write."""
    about = [*codec.image_shape, codec.qualities[option], *map(str, codec.form), codec.needs()]
    about += [codec.qualities] if is_large(codec.image_shape) else []
    key = digest(["shared", VERSION, torch.__version__, *about])
    found = kept(f"shared/{key}.safetensors", key, lambda: _agreeing(codec, option))
    arrays = {name: tensor.numpy() for name, tensor in found.items()}
    return Shared(arrays["head"], arrays["fixed"].astype(bool), arrays["tail"].tobytes())


def _agreeing(codec: ImageCodec, option: int) -> dict[str, Tensor]:
    """The fields of `Shared` as uint8 tensors."""
    every = tuple(range(len(codec.qualities)))
    fixed, tail = _fixed(codec, every if is_large(codec.image_shape) else (option,))
    file = np.frombuffer(codec.file(_references(codec.image_shape)[0], option), np.uint8)
    head, last = file[: len(fixed)], file[len(file) - tail :]
    found = {"head": head, "fixed": fixed.astype(np.uint8), "tail": last}
    return {name: torch.from_numpy(values.copy()) for name, values in found.items()}


@functools.lru_cache(maxsize=8)
def _fixed(codec: ImageCodec, options: tuple[int, ...]) -> tuple[NDArray[np.bool_], int]:
    """Which bytes from the front, and how many at the end, are the same in all references.

    All references must agree at each of these qualities, but not across qualities.
    """
    masks, tails = [], []
    title = f"{codec.form.title}: headers (once)"
    for option in progress(options, desc=title, unit=" quality", leave=False, delay=5):
        files = [codec.file(image, option) for image in _references(codec.image_shape)]
        shortest = min(len(file) for file in files)
        tail = 0
        while tail < shortest and len({file[-tail - 1] for file in files}) == 1:
            tail += 1
        heads = np.array([np.frombuffer(file[: shortest - tail], np.uint8) for file in files])
        masks.append((heads == heads[0]).all(axis=0))
        tails.append(tail)
    length = min(map(len, masks))
    fixed = _long_runs(np.all([mask[:length] for mask in masks], axis=0))
    return fixed[: int(np.flatnonzero(fixed)[-1]) + 1 if fixed.any() else 0], min(tails)


def _long_runs(agree: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without runs of fewer than SHORTEST_RUN bytes."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], agree, [False]])))
    kept = np.zeros_like(agree)
    for begin, end in edges.reshape(-1, 2):
        kept[begin:end] = end - begin >= SHORTEST_RUN
    return kept


@functools.lru_cache(maxsize=8)
def _references(shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Black, white, a ramp, and random images; if large, only every tenth of these."""
    slope = torch.linspace(0, 1, shape[2]).expand(shape)
    step = 10 if is_large(shape) else 1
    random = itertools.islice(_random_images(shape), 0, None, step)
    images = [torch.zeros(shape), torch.ones(shape), slope, *random]
    return tuple((255 * image).round().to(torch.uint8) for image in images)


def _random_images(shape: tuple[int, int, int]) -> Iterator[Tensor]:
    """Random images in [0, 1], from smooth to rough and from low to high contrast."""
    generator = Streams(seed=0)("reference images")
    for number in range(REFERENCES - 3):
        cells = (1, 2, 4, 8)[number % 4]
        size = [min(cells, length) for length in shape[1:]]
        coarse = torch.rand((1, shape[0], *size), generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear")[0]
        rough = torch.rand(shape, generator=generator)
        image = 0.9 * smooth + 0.1 * rough if number % 3 else rough
        contrast = (1.0, 0.4, 0.15)[number // 4 % 3]
        yield image.mean() + contrast * (image - image.mean())


@dataclass(frozen=True, kw_only=True)
class CodecDamage:
    """Compress and decode every image by a codec and at a quality that are drawn uniformly.

    An image that cannot be decoded stays unchanged.

    Shapes: images [N, C, H, W] uint8 -> the same.
    """

    codecs: tuple[str, ...]  # keys of FORMATS
    qualities: tuple[tuple[int, ...], ...]  # of each codec

    def __call__(self, images: Tensor, generator: torch.Generator, /) -> Tensor:
        """Image b depends only on row b of the draws [N, 2], not on other images."""
        channels, height, width = images.shape[1:]
        made = [
            ImageCodec(kind=kind, image_shape=(channels, height, width), qualities=qualities)
            for kind, qualities in zip(self.codecs, self.qualities, strict=True)
        ]
        draws = torch.rand((len(images), 2), generator=generator, dtype=torch.float64)
        decoded = images.clone()
        title = f"{' and '.join(self.codecs)}: {len(images)} images (once)"
        for row, image in enumerate(progress(images, desc=title, leave=False, delay=5)):
            codec = made[int(draws[row, 0] * len(made))]
            option = int(draws[row, 1] * len(codec.qualities))
            if (pixels := codec.image(codec.file(image, option))) is not None:
                decoded[row] = pixels
        return decoded
