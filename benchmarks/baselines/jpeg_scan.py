"""JPEG without its headers: what is left of a small image's file when both ends know the tables.

A JPEG file of a small image is mostly tables: 328 of the 357 bytes of an 8 x 8 digit at quality
50, say. The baseline file splits at the end of its SOS segment: all before it depends on image
size, component count and quality only, all after it is entropy-coded scan data and the end marker
EOI [1, annex B]. Both ends know the former; the payload carries the quality as an index of 4 bits,
most significant bit first, and the scan data byte by byte, filled up with zeros.

[1] ITU-T Recommendation T.81, Digital compression and coding of continuous-tone still images, 1992.
"""

import io
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

INDEX_BITS = 4  # of the quality index
_SOS = 0xDA  # marker of the last header segment
_EOI = b"\xff\xd9"


@dataclass(frozen=True, kw_only=True)
class JpegScanCodec:
    """Baseline JPEG (Pillow, default Huffman tables; colour as YCbCr 4:2:0) as payload bits.

    Raises: ValueError if image_shape is not (1 | 3, H, W), or qualities are not 16 ascending
            integers in 1..100.
    """

    image_shape: tuple[int, int, int]  # C, H, W
    qualities: tuple[int, ...]  # of the 16 values of the quality index
    headers: tuple[bytes, ...] = field(init=False, repr=False, compare=False)  # one per quality

    def __post_init__(self) -> None:
        if self.image_shape[0] not in (1, 3) or min(self.image_shape) < 1:
            raise ValueError(
                f"image_shape must be (1 or 3, H, W) for JPEG, got {self.image_shape}; "
                "convert the images to grey or RGB"
            )
        check_qualities(self.qualities)
        blank = np.zeros(self.image_shape, np.uint8)
        headers = tuple(_split(_file(blank, quality))[0] for quality in self.qualities)
        object.__setattr__(self, "headers", headers)

    def scans(self, image: Tensor) -> list[bytes]:
        """The scan data of an image at every quality.

        Shapes: image [C, H, W] uint8.
        """
        if tuple(image.shape) != self.image_shape or image.dtype != torch.uint8:
            raise ValueError(
                f"image must be uint8 {list(self.image_shape)}, "
                f"got {image.dtype} {list(image.shape)}"
            )
        pixels = image.cpu().numpy()
        return [_split(_file(pixels, quality))[1] for quality in self.qualities]

    def pack(self, scans: list[bytes], *, payload_bits: int) -> Tensor | None:
        """The payload at the largest quality that fits, None where not even the smallest does.

        Shapes: [payload_bits] uint8, zeros and ones.
        """
        room = (payload_bits - INDEX_BITS) // 8  # bytes; a part of a byte carries nothing
        fitting = [index for index, scan in enumerate(scans) if len(scan) <= room]
        if not fitting:
            return None
        index = fitting[-1]
        coded = np.frombuffer(bytes([index]) + scans[index], np.uint8)
        bits = np.unpackbits(coded)[8 - INDEX_BITS :]
        return torch.from_numpy(np.pad(bits, (0, payload_bits - len(bits))))

    def decode(self, payload: Tensor) -> Tensor | None:
        """The image of a payload, None where JPEG cannot make one of it.

        Bits of a payload that is not the sent one usually do decode: to another image. The decoder
        stops when the image is complete and does not look at the filling.

        Shapes: payload [payload_bits] uint8 -> [C, H, W] uint8.
        """
        bits = payload.cpu().numpy()
        index = int(np.packbits(bits[:INDEX_BITS])[0]) >> (8 - INDEX_BITS)
        whole = len(bits) - (len(bits) - INDEX_BITS) % 8
        scan = np.packbits(bits[INDEX_BITS:whole]).tobytes()
        try:
            with Image.open(io.BytesIO(self.headers[index] + scan + _EOI)) as image:
                pixels = np.array(image)  # [H, W] or [H, W, 3]
        except OSError:  # what Pillow raises for broken scan data
            return None
        channels, height, width = self.image_shape
        return torch.from_numpy(pixels.reshape(height, width, channels)).permute(2, 0, 1)


def check_qualities(qualities: tuple[int, ...]) -> None:
    """Check that the qualities are what a 4-bit index can name.

    Raises: ValueError if they are not 16 ascending integers in 1..100.
    """
    ascending = sorted(set(qualities)) == list(qualities)
    if (
        len(qualities) != 2**INDEX_BITS
        or not ascending
        or not 1 <= qualities[0] < qualities[-1] <= 100
    ):
        raise ValueError(f"qualities must be 16 ascending integers in 1..100, got {qualities}")


def _file(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Pillow's whole JPEG file of pixels [C, H, W]."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=False)
    return buffer.getvalue()


def _split(file: bytes) -> tuple[bytes, bytes]:
    """Header (to the end of the SOS segment) and scan data (without EOI) of a JPEG file."""
    start = 2  # behind SOI
    marker = 0
    while marker != _SOS:
        marker = file[start + 1]
        start += 2 + int.from_bytes(file[start + 2 : start + 4], "big")
    return file[:start], file[start : -len(_EOI)]
