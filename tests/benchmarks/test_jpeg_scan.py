"""The header-less JPEG against Pillow's own files, and against bits that are no image."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.baselines.jpeg_scan import INDEX_BITS, JpegScanCodec

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
QUALITIES = (1, 3, 5, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75, 95)


def codec_for(shape: tuple[int, int, int]) -> JpegScanCodec:
    return JpegScanCodec(image_shape=shape, qualities=QUALITIES)


def some_images(shape: tuple[int, int, int]) -> list[Tensor]:
    """Noise, black, white and a slope."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=generator)
    slope = torch.arange(shape[2]).mul(255 // shape[2]).to(torch.uint8).expand(shape)
    return [*noise, torch.zeros_like(slope), torch.full_like(slope, 255), slope]


def pillow_file(image: Tensor, quality: int) -> bytes:
    pixels = image.permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[:, :, 0] if len(image) == 1 else pixels)
    picture.save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def pillow_decode(file: bytes) -> Tensor:
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(file))))
    return pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def payload_at(codec: JpegScanCodec, image: Tensor, index: int, *, filling: int = 0) -> Tensor:
    """The payload that carries this quality and no better one."""
    scans = codec.scans(image)[: index + 1]
    payload = codec.pack(scans, payload_bits=INDEX_BITS + 8 * len(scans[-1]) + filling)
    assert payload is not None
    return payload


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", range(1, 97, 16))
def test_round_trip_equals_pillow_at_every_quality(shape: tuple[int, int, int], first: int) -> None:
    codec = JpegScanCodec(image_shape=shape, qualities=tuple(range(first, first + 16)))
    for image in some_images(shape):
        scans = codec.scans(image)
        for index, quality in enumerate(codec.qualities):
            file = pillow_file(image, quality)
            assert file == codec.headers[index] + scans[index] + b"\xff\xd9"
            room = INDEX_BITS + 8 * len(scans[index])
            payload = codec.pack([b"\0" * 10**6] * index + [scans[index]], payload_bits=room)
            assert payload is not None
            decoded = codec.decode(payload)
            assert decoded is not None
            assert torch.equal(decoded, pillow_decode(file))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filling", [1, 7, 8, 9, 1000])
def test_decoder_stops_where_the_image_ends(shape: tuple[int, int, int], filling: int) -> None:
    codec = codec_for(shape)
    for image in some_images(shape):
        exact = codec.decode(payload_at(codec, image, 15))
        filled = payload_at(codec, image, 15, filling=filling)
        decoded = codec.decode(filled)
        assert exact is not None
        assert decoded is not None
        assert torch.equal(decoded, exact)
        assert filled[-filling:].sum() == 0


def test_payload_keeps_its_budget_and_takes_the_largest_quality_that_fits() -> None:
    codec = codec_for((1, 8, 8))
    for image in some_images((1, 8, 8)):
        scans = codec.scans(image)
        for payload_bits in range(0, 900, 7):
            fitting = [i for i in range(16) if 4 + 8 * len(scans[i]) <= payload_bits]
            payload = codec.pack(scans, payload_bits=payload_bits)
            if not fitting:
                assert payload is None
                continue
            assert payload is not None
            assert payload.shape == (payload_bits,)
            assert payload.dtype == torch.uint8
            assert int("".join(map(str, payload[:4].tolist())), 2) == fitting[-1]


def test_bits_that_are_no_image_give_none_or_some_image_without_a_warning() -> None:
    codec = codec_for((3, 32, 32))
    generator = torch.Generator().manual_seed(4)
    noise = torch.randint(0, 2, (300, 700), dtype=torch.uint8, generator=generator)
    decoded = [codec.decode(bits) for bits in noise]
    readable = [image for image in decoded if image is not None]
    assert 0 < len(readable) < len(decoded)
    assert all(image.shape == (3, 32, 32) and image.dtype == torch.uint8 for image in readable)


def test_a_flipped_bit_is_really_decoded() -> None:
    codec = codec_for((1, 8, 8))
    image = some_images((1, 8, 8))[0]
    payload = payload_at(codec, image, 8)
    flipped = payload.clone()
    flipped[3] ^= 1  # the next quality's tables for the same scan data
    first, second = codec.decode(payload), codec.decode(flipped)
    assert first is not None
    assert second is not None
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "qualities", [QUALITIES[1:], (*QUALITIES[1:], 95), QUALITIES[::-1], (0, *QUALITIES[1:]), ()]
)
def test_wrong_qualities_are_refused(qualities: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="16 ascending integers"):
        JpegScanCodec(image_shape=(1, 8, 8), qualities=qualities)


def test_wrong_images_are_refused() -> None:
    with pytest.raises(ValueError, match="grey or RGB"):
        codec_for((2, 8, 8))
    codec = codec_for((1, 8, 8))
    with pytest.raises(ValueError, match="must be uint8"):
        codec.scans(torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r"\[1, 8, 8\]"):
        codec.scans(torch.zeros(3, 8, 8, dtype=torch.uint8))
