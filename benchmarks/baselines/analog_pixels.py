"""Analog pixels: the pixel values of a smaller image as symbols, without training.

This is the lowest baseline of joint source-channel coding: uncoded analog transmission at equal k,
which a trained transmitter has to beat. The classifier is the student of the recipe.

The symbols of an analog image lack its brightness (the mean, which is removed) and its contrast
(the scale, which the normalisation to unit power removes). Both are sent in the first symbol and
charged as one channel use. Their ranges follow from pixels being in [0, 1], so no statistics of the
data or the image are known in advance.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from simulator.scheme import Classify, Received, Scheme, Tensors, all_delivered, in_pieces
from simulator.schemes.contract import ImageShape, WithoutWeights
from simulator.training.weights import Weights

KIND: Final = "analog_pixels"
SIDE_VALUES: Final = 2  # real numbers for mean and scale, one symbol
_FLAT = 1e-6  # smaller scales are rounding errors: pixels are multiples of 1/255


class AnalogPixelsScheme(Scheme):
    """Send mean, scale and normalised pixels of a downsampled image as symbols.

    The receiver equalises by MMSE, upsamples the image, and classifies it with the student.

    With n pixel values v of mean m and scale s (root mean square of v - m), the real numbers

        u = (2 m - 1, 4 s - 1, (v_1 - m) / s, ..., (v_n - m) / s)

    fill 1 + ceil(n / 2) symbols, row by row of each image channel in turn. All are multiplied by
    one number for unit average power over the k uses. Unused channel uses are silent; they are
    charged, and their energy goes to the others.
    """

    name = KIND

    def __init__(self, *, classify: Classify, image_shape: ImageShape) -> None:
        self._classify = classify
        self._shape = image_shape

    @property
    def channel_uses(self) -> str:
        """At least one value per image channel, and the symbol of mean and scale."""
        return f"k >= {-(-(self._shape[0] + SIDE_VALUES) // 2)}"

    def serves(self, k: int) -> bool:
        """Whether k has room for one value per image channel beside mean and scale."""
        return 2 * k >= self._shape[0] + SIDE_VALUES

    def size(self, k: int) -> tuple[int, int]:
        """Height and width of the image that is sent. Raises: ValueError if k is not served."""
        channels, height, width = self._shape
        return largest_size((height, width), (2 * k - SIDE_VALUES) // channels)

    def settings(self, k: int) -> str:
        """The image size, what is charged, and what both ends know."""
        height, width = self.size(k)
        return (
            f"uncoded pixels of {height}x{width}, mean and scale of each image sent and charged "
            "(1 use), nothing known beforehand, no header, image classified by the student"
        )

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The images themselves: their size depends on k."""
        return {"images": images}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """Symbols [B, k] of unit average power per image."""
        size = self.size(k)
        values = in_pieces(lambda piece: area_averages(piece, size), prepared["images"])
        return {"x": symbols_of(values.flatten(1), k=k)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the symbols, rebuild the image at its full size, and classify it."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        channels, *full = self._shape
        height, width = self.size(k)
        values = values_of(received, count=channels * height * width)
        small = values.reshape(-1, channels, height, width)
        images = functional.interpolate(small, size=full, mode="bilinear", align_corners=False)
        return Received(self._classify(images), all_delivered(x), {"images": images})


def largest_size(full: tuple[int, int], most: int) -> tuple[int, int]:
    """The largest (H', W') of at most `most` pixels with the proportions of `full` = (H, W).

    Both sides are the same fraction t <= 1 of the full ones, rounded down and at least 1:
    H' = max(1, floor(t H)), W' = max(1, floor(t W)) for the largest t that fits. So square images
    stay square, and images grow in both directions as k grows.

    Raises: ValueError if `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1 pixel, got {most}")
    height, width = full
    sizes = [(h, max(1, h * width // height)) for h in range(1, height + 1)]  # t = h / H
    sizes += [(max(1, w * height // width), w) for w in range(1, width + 1)]  # t = w / W
    return max((size for size in sizes if math.prod(size) <= most), key=math.prod)


def area_averages(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images downsampled to `size`: each new pixel is the mean over the rectangle that it covers.

    Old pixels that a border of the rectangle cuts are weighted by their area inside. Computed in
    double precision, so that results do not depend on the batch or on autocast.

    Shapes: images [B, C, H, W], size = (H', W') -> [B, C, H', W'] float32.
    """
    rows, columns = (
        _overlaps(old, new).to(images.device)
        for old, new in zip(images.shape[2:], size, strict=True)
    )
    return (rows @ images.double() @ columns.T).float()


def _overlaps(old: int, new: int) -> Tensor:
    """Weight of each of `old` equal pixels in each of `new` equal cells, [new, old], rows sum to 1.

    Lengths are in units of 1 / (old new) of the side, in which all borders are integers.
    """
    cells = old * torch.arange(new, dtype=torch.float64).unsqueeze(1)  # left borders
    pixels = new * torch.arange(old, dtype=torch.float64)
    ends = torch.minimum(cells + old, pixels + new)
    return (ends - torch.maximum(cells, pixels)).clamp(min=0) / old


def symbols_of(values: Tensor, *, k: int) -> Tensor:
    """Pixel values to symbols: mean and scale first, then the normalised values, then silence.

    A flat image cannot be normalised: ones take the place of its values, and its scale of 0 cancels
    them at the receiver.

    Shapes: values [B, n] in [0, 1] with 2 + n <= 2k -> [B, k] complex64, mean |x|^2 = 1.
    """
    mean = values.mean(dim=1, keepdim=True)
    deviations = values - mean
    scale = deviations.square().mean(dim=1, keepdim=True).sqrt()
    flat = scale < _FLAT
    normalised = torch.where(flat, 1.0, deviations / torch.where(flat, 1.0, scale))
    sent = torch.cat([2 * mean - 1, 4 * scale - 1, normalised], dim=1)
    padded = functional.pad(sent, (0, 2 * k - sent.shape[1]))
    used = torch.arange(k, device=values.device) < _symbols(values.shape[1])
    x = to_symbols(padded, used=used.expand(len(values), k))
    return x * math.sqrt(k / _symbols(values.shape[1]))


def values_of(received: ChannelOutput, *, count: int) -> Tensor:
    """The receiver's half of `symbols_of`: symbols to pixel values, clipped to [0, 1].

    The factor g that normalises an image to unit power is not sent. The energy of all used symbols
    is known, and that of the normalised values is g^2 n. So g^2 n = used - |x_0|^2, where the first
    symbol x_0 = g (2 m - 1 + i (4 s - 1)) has an energy of at most 2 g^2.

    Shapes: y, h [B, k], noise_power [B, 1] or [B, k] -> [B, count] float32.
    """
    used = _symbols(count)
    k = received.y.shape[1]
    louder = received.h * math.sqrt(k / used)  # gain of symbols of unit power over the used uses
    heard = ChannelOutput(*(part[:, :used] for part in (received.y, louder, received.noise_power)))
    estimate = from_symbols(mmse(heard))[:, : SIDE_VALUES + count]
    side_energy = estimate[:, :SIDE_VALUES].square().sum(dim=1, keepdim=True)
    side_energy = side_energy.clamp(max=SIDE_VALUES * used / (SIDE_VALUES + count))
    estimate = estimate / ((used - side_energy) / count).sqrt()
    mean, scale, normalised = estimate.split([1, 1, count], dim=1)
    mean, scale = (mean.clamp(-1, 1) + 1) / 2, (scale.clamp(-1, 1) + 1) / 4
    values: Tensor = mean + scale * normalised
    return values.clamp(0, 1)


def _symbols(count: int) -> int:
    """Number of symbols for `count` pixel values, mean and scale."""
    return -(-(SIDE_VALUES + count) // 2)


@dataclass(frozen=True, kw_only=True)
class AnalogPixelsConfig(WithoutWeights):
    """No settings: sizes follow from k and the images."""

    name = KIND

    def build(self, weights: Weights) -> AnalogPixelsScheme:
        """The scheme, with student and head at the receiver."""
        return AnalogPixelsScheme(
            classify=weights.classifier().classify, image_shape=weights.dataset.image_shape
        )
