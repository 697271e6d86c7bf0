"""Sources of a digital link: encodings of an image and the class that each leads to.

A source turns an image into bits in several ways, its options, such as the qualities of an image
codec. An offer lists, for many images, the size of every option in bits and the class that the
receiver decides if these bits arrive. Links and sources are chosen from offers alone.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.baselines.image_files import ImageCodec, Pixels, is_large
from simulator.data.cache import kept
from simulator.device import cpu_threads
from simulator.engine.evaluate import BLOCK
from simulator.progress import progress
from simulator.scheme import Classifier, piece_size
from simulator.storage.describe import describe, digest

NEVER: Final = 2**30  # size of an option that is impossible for an image
Item = TypeVar("Item")
VERSION = 2  # of the cached results


class Offer(NamedTuple):
    """The size of every option of every image in bits, and the class that it leads to.

    Options are in ascending order of quality.

    Shapes: sizes [B, Q] int32, answers [B, Q] int16.
    """

    sizes: Tensor
    answers: Tensor

    def best_fit(self, payload_bits: int) -> tuple[Tensor, Tensor, Tensor]:
        """The last option that fits: its index, its answer and whether there is one, all [B]."""
        fitting = self.sizes <= payload_bits
        order = torch.arange(1, fitting.shape[1] + 1, device=fitting.device)
        option = (fitting * order).argmax(dim=1)
        return option, self.answers.gather(1, option[:, None])[:, 0].long(), fitting.any(dim=1)


class Source(Protocol):
    """A way to turn images into bits and bits into classes."""

    @property
    def name(self) -> str:
        """Its name in tables of choices."""

    @property
    def identity(self) -> dict[str, Any]:
        """What its offers depend on besides the images."""

    def offer(self, images: Tensor) -> Offer:
        """Sizes and answers of images [B, C, H, W] uint8."""

    def bits(self, image: Tensor, option: int) -> Tensor:
        """The bits of an image [C, H, W] that are sent: zeros and ones, uint8 [size]."""

    def answers(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Classes of zero-padded payloads [B, bits], and whether each is readable [B]."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """An image codec, and a classifier at the receiver.

    With `whole`, all bytes of a file are sent. Otherwise the bytes that all files share are known,
    and the index of the quality is sent first. A one after the last byte marks where the zero
    padding starts. If images are large (`is_large`), they are decoded one at a time, and files of
    more than `most_bits`, which no link carries, are not classified.
    """

    codec: ImageCodec
    whole: bool
    classifier: Classifier  # of the decoded image
    most_bits: int = NEVER  # size of the largest payload

    @property
    def name(self) -> str:
        """The codec's name, with `_file` if headers are charged."""
        return f"{self.codec.kind}_file" if self.whole else self.codec.kind

    @property
    def identity(self) -> dict[str, Any]:
        """The codec, its version and the classifier; for large images also how offers are made."""
        large = {"headers": "at every quality", "most_bits": self.most_bits}
        return {
            **(large if is_large(self.codec.image_shape) else {}),
            "source": self.name,
            "codec": describe(self.codec),
            "settings": [list(pair) for pair in self.codec.form.settings],
            "packages": self.codec.needs(),
            "classifier": self.classifier.key,
        }

    @property
    def _index_bits(self) -> int:
        return 0 if self.whole else self._known_index_bits

    @property
    def _known_index_bits(self) -> int:
        return (len(self.codec.qualities) - 1).bit_length()

    def offer(self, images: Tensor) -> Offer:
        """Every image at every quality, cached; computed at once for whole and stripped files."""
        identity = {key: value for key, value in self.identity.items() if key != "source"}
        found = cached(identity, images, lambda: self._compute(images))
        return Offer(found["whole" if self.whole else "stripped"], found["answers"])

    def _compute(self, images: Tensor) -> dict[str, Tensor]:
        """Sizes and answers of all images; equal ones, as black padding, are coded once."""
        firsts, places = _distinct(images)
        compute = self._compute_singly if is_large(self.codec.image_shape) else self._compute_pieces
        return {name: values[places] for name, values in compute(images[firsts]).items()}

    def _compute_pieces(self, images: Tensor) -> dict[str, Tensor]:
        """Images are decoded and classified in pieces, which bounds memory."""
        found = self._no_files(images)
        options, size = len(self.codec.qualities), min(len(images), piece_size(images))
        decoded = torch.zeros((options, size, *images.shape[1:]), dtype=torch.uint8)
        for row, option, file in self._files(images.cpu()):
            pixels = self.codec.image(file)
            if pixels is not None:  # what was written can be read back
                decoded[option, row % size] = pixels
                found["whole"][row, option], found["stripped"][row, option] = self._sizes(
                    file, option
                )
            if option == options - 1 and (row % size == size - 1 or row == len(images) - 1):
                first, number = row - row % size, row % size + 1
                found["answers"][first : row + 1] = self._classes(
                    decoded[:, :number], images.device
                )
                decoded.zero_()
        return found

    def _compute_singly(self, images: Tensor) -> dict[str, Tensor]:
        """Only images that a link can carry are classified, and equal decoded images once."""
        found = self._no_files(images)
        known: dict[bytes, int] = {}  # class by the pixels of a decoded image
        for row, option, file in self._files(images):
            if (pixels := self.codec.image(file)) is None:
                continue  # what was written cannot be read back
            sizes = self._sizes(file, option)
            found["whole"][row, option], found["stripped"][row, option] = sizes
            if min(sizes) <= self.most_bits:
                if (key := _pixel_hash(pixels)) not in known:
                    known[key] = int(self._classes(pixels[None, None], images.device))
                found["answers"][row, option] = known[key]
        return found

    def _no_files(self, images: Tensor) -> dict[str, Tensor]:
        """Sizes and answers [N, Q] of files that were not written."""
        shape = (len(images), len(self.codec.qualities))
        whole = torch.full(shape, NEVER, dtype=torch.int32)
        return {
            "whole": whole,
            "stripped": whole.clone(),
            "answers": torch.zeros(shape, dtype=torch.int16),
        }

    def _files(self, images: Tensor) -> Iterator[tuple[int, int, bytes]]:
        """Row, option and file of every image at every quality, one image after the other."""
        options = range(len(self.codec.qualities))
        for option in self._with_progress(options, "quality", "headers"):
            self.codec.shared(option)
        files = [*itertools.product(range(len(images)), options)]
        for row, option in self._with_progress(files, "file", f"{len(images)} images"):
            yield row, option, self.codec.file(images[row], option)

    def _sizes(self, file: bytes, option: int) -> tuple[int, int]:
        """Bits sent for a file: whole, and with known headers."""
        return 8 * len(file) + 1, self._stripped_bits(file, option)

    def _stripped_bits(self, file: bytes, option: int) -> int:
        """Bits sent for a file with known headers; `NEVER` if it differs in a known byte."""
        sent = self.codec.shared(option).strip(file)
        return NEVER if sent is None else self._known_index_bits + 8 * len(sent) + 1

    def _classes(self, decoded: Tensor, device: torch.device) -> Tensor:
        """Classes [B, Q] of decoded images [Q, B, C, H, W], int16."""
        batches = (own.to(device).float() / 255 for own in decoded)
        found = [self.classifier.classify(batch).argmax(dim=1).cpu() for batch in batches]
        return torch.stack(found, dim=1).to(torch.int16)

    def _with_progress(self, items: Sequence[Item], unit: str, what: str) -> Iterable[Item]:
        """The items, with a progress bar if they take more than a few seconds."""
        title = f"{self.codec.form.title}: {what} (once)"
        bar: Iterable[Item] = progress(items, desc=title, unit=f" {unit}", leave=False, delay=5)
        return bar

    def bits(self, image: Tensor, option: int) -> Tensor:
        """The bits of the quality index and of the bytes, and a one."""
        file = self.codec.file(image, option)
        sent = file if self.whole else self.codec.shared(option).strip(file)
        if sent is None:
            raise ValueError(f"{self.name} cannot send this image at option {option}")
        index = [option >> place & 1 for place in reversed(range(self._index_bits))]
        data = np.unpackbits(np.frombuffer(sent, np.uint8))
        return torch.from_numpy(np.concatenate([index, data, [1]]).astype(np.uint8))

    def answers(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Decode and classify. Damaged bits are usually readable, but give another image."""
        pixels, readable = self.images(payloads)
        scores = self.classifier.classify(pixels.float() / 255)
        return scores.argmax(dim=1), readable

    def images(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 [B, C, H, W] of payloads, black if unreadable, and which are readable."""
        images = [self._image(payload.cpu().numpy()) for payload in payloads]
        blank = torch.zeros(self.codec.image_shape, dtype=torch.uint8)
        pixels = torch.stack([blank if image is None else image for image in images])
        readable = torch.tensor([image is not None for image in images], device=payloads.device)
        return pixels.to(payloads.device), readable

    def _image(self, payload: Pixels) -> Tensor | None:
        ones = np.flatnonzero(payload)
        end = int(ones[-1]) if len(ones) else 0  # of the data: the last one only marks it
        if end < self._index_bits or (end - self._index_bits) % 8:
            return None
        data = np.packbits(payload[self._index_bits : end]).tobytes()
        if self.whole:
            return self.codec.image(data)
        option = int("".join(map(str, payload[: self._index_bits])), 2)
        if option >= len(self.codec.qualities):
            return None
        return self.codec.image(self.codec.shared(option).restore(data))


def _pixel_hash(pixels: Tensor) -> bytes:
    return hashlib.sha256(pixels.cpu().contiguous().numpy().tobytes()).digest()


def _distinct(images: Tensor) -> tuple[list[int], list[int]]:
    """Rows of the distinct images, and for every image the index of its equal among them."""
    firsts: dict[bytes, int] = {}
    hashes = [_pixel_hash(image) for image in images]
    for row, own in enumerate(hashes):
        firsts.setdefault(own, row)
    place = {own: number for number, own in enumerate(firsts)}
    return list(firsts.values()), [place[own] for own in hashes]


def cached(
    identity: dict[str, Any], images: Tensor, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Results for images, kept in the cache folder under a key of all that they depend on.

    The key has the torch version and the device too: another one rounds differently, and then
    another payload may be sent.
    """
    arithmetic = {"torch": str(torch.__version__), "device": images.device.type}
    pixels = [_pixel_hash(images).hex(), *images.shape]
    key = digest({**identity, **arithmetic, "images": pixels, "version": VERSION})
    found = kept(f"offers/{key}.safetensors", key, compute)
    return {name: values.to(images.device) for name, values in found.items()}


def try_sources(
    sources: Sequence[Source], images: Tensor, device: torch.device
) -> dict[str, Offer]:
    """The offers of sources for images uint8 [N, C, H, W], on the CPU.

    Computed in one thread, as in workers: with more threads, rounding might change an answer.
    """
    offers = {}
    with cpu_threads(1):
        for source in sources:
            parts = [source.offer(block.to(device)) for block in images.split(BLOCK)]
            sizes, answers = (torch.cat(values).cpu() for values in zip(*parts, strict=True))
            offers[source.name] = Offer(sizes, answers)
    return offers
