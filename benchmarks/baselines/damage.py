"""What image codecs do to images: every one written and read again at a quality of its own."""

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.baselines.image_files import ImageCodec


@dataclass(frozen=True, kw_only=True)
class CodecDamage:
    """Through one of some codecs at one of its qualities, both drawn uniformly for every image.

    Shapes: images [N, C, H, W] uint8 -> the same. An image that cannot be read back stays as it is.
    """

    codecs: tuple[str, ...]  # of FORMATS
    qualities: tuple[tuple[int, ...], ...]  # of each codec

    def __call__(self, images: Tensor, generator: torch.Generator, /) -> Tensor:
        """Image b uses row b of the draws [N, 2] and nothing of the other images."""
        channels, height, width = images.shape[1:]
        made = [
            ImageCodec(kind=kind, image_shape=(channels, height, width), qualities=qualities)
            for kind, qualities in zip(self.codecs, self.qualities, strict=True)
        ]
        draws = torch.rand((len(images), 2), generator=generator, dtype=torch.float64)
        decoded = images.clone()
        title = f"{' and '.join(self.codecs)} of {len(images)} images, once"
        for row, image in enumerate(tqdm(images, desc=title, leave=False, delay=5)):
            codec = made[int(draws[row, 0] * len(made))]
            option = int(draws[row, 1] * len(codec.qualities))
            pixels = codec.image(codec.file(image, option))
            if pixels is not None:
                decoded[row] = pixels
        return decoded
