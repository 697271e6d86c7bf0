"""Image files: bytes shared with the receiver, damaged files, and invalid inputs."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.baselines import image_files
from benchmarks.baselines.image_files import FORMATS, ImageCodec
from simulator.errors import UserError

SHAPES = [(1, 8, 8), (3, 32, 32)]
QUALITIES = (5, 30, 80)
BUILT_IN = ("jpeg", "jpeg444", "webp", "avif")
PLUGINS = {"heic": "pillow_heif", "jxl": "pillow_jxl"}


def codec_for(kind: str, shape: tuple[int, int, int]) -> ImageCodec:
    if kind in PLUGINS:
        pytest.importorskip(PLUGINS[kind])
    return ImageCodec(kind=kind, image_shape=shape, qualities=QUALITIES)


def some_images(shape: tuple[int, int, int]) -> list[Tensor]:
    """Two noise images of half the contrast, a black, a white and a gradient image."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randint(64, 192, (2, *shape), dtype=torch.uint8, generator=generator)
    slope = torch.arange(shape[2]).mul(255 // shape[2]).to(torch.uint8).expand(shape)
    return [*noise, torch.zeros_like(slope), torch.full_like(slope, 255), slope]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", FORMATS)
def test_stripped_files_are_restored_exactly(kind: str, shape: tuple[int, int, int]) -> None:
    codec = codec_for(kind, shape)
    for image in some_images(shape):
        for option in range(len(QUALITIES)):
            file = codec.file(image, option)
            shared = codec.shared(option)
            sent = shared.strip(file)
            assert sent is not None
            assert len(sent) == len(file) - int(shared.fixed.sum()) - len(shared.tail)
            assert shared.restore(sent) == file
            decoded = codec.image(file)
            assert decoded is not None
            assert decoded.shape == shape
            assert decoded.dtype == torch.uint8


@pytest.mark.parametrize("shape", SHAPES)
def test_jpeg_shares_everything_but_the_scan(shape: tuple[int, int, int]) -> None:
    codec = codec_for("jpeg", shape)
    file = codec.file(some_images(shape)[0], 1)
    start = marker = 2  # after SOI; segments up to SOS
    while marker != 0xDA:
        marker = file[start + 1]
        start += 2 + int.from_bytes(file[start + 2 : start + 4], "big")
    shared = codec.shared(1)
    assert shared.fixed.all()
    assert shared.head.tobytes() == file[:start]
    assert shared.tail == b"\xff\xd9"


def test_higher_quality_gives_smaller_errors_and_larger_files() -> None:
    for kind in BUILT_IN:
        codec = codec_for(kind, (3, 32, 32))
        rough = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(5))
        smooth = torch.nn.functional.interpolate(rough, 32, mode="bilinear")[0]
        image = (255 * smooth).to(torch.uint8)
        files = [codec.file(image, option) for option in range(len(QUALITIES))]
        errors = []
        for file in files:
            decoded = codec.image(file)
            assert decoded is not None
            errors.append(float((decoded.float() - image.float()).square().mean()))
        assert errors[0] > errors[1] > errors[2]
        assert len(files[0]) < len(files[1]) < len(files[2])


@pytest.mark.parametrize(("kind", "kept"), [("jpeg", False), ("jpeg444", True), ("avif", True)])
def test_pixel_colours_are_kept_only_without_chroma_subsampling(kind: str, kept: bool) -> None:
    codec = codec_for(kind, (3, 32, 32))
    red_and_blue = torch.zeros(3, 32, 32, dtype=torch.uint8)
    red_and_blue[0, :, ::2] = red_and_blue[2, :, 1::2] = 200  # alternating columns
    decoded = codec.image(codec.file(red_and_blue, -1))
    assert decoded is not None
    contrast = decoded[0, :, ::2].float().mean() - decoded[0, :, 1::2].float().mean()
    assert (float(contrast) > 150) == kept


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_decode_to_an_image_or_none(kind: str) -> None:
    """Flipped bits, truncated, empty, zeroed and reversed files: never an exception."""
    codec = codec_for(kind, (3, 32, 32))
    generator = torch.Generator().manual_seed(4)
    file = codec.file(some_images((3, 32, 32))[4], 1)
    places = torch.randint(0, len(file), (60,), generator=generator).tolist()
    damaged = [file[:p] + bytes([file[p] ^ 1 << p % 8]) + file[p + 1 :] for p in places]
    damaged += [file[:p] for p in places[:20]] + [b"", bytes(50), file[::-1]]
    for image in map(codec.image, damaged):
        assert image is None or (image.shape == (3, 32, 32) and image.dtype == torch.uint8)
    assert codec.image(b"") is None


def test_strip_returns_none_for_files_without_the_shared_bytes() -> None:
    codec = codec_for("jpeg", (1, 8, 8))
    shared, file = codec.shared(0), codec.file(some_images((1, 8, 8))[0], 0)
    assert shared.strip(codec.file(some_images((1, 8, 8))[0], 1)) is None  # another quality
    assert shared.strip(file[:-1]) is None
    assert shared.strip(b"") is None


def test_files_of_another_image_size_decode_to_none() -> None:
    small, large = codec_for("jpeg", (1, 8, 8)), codec_for("jpeg", (3, 32, 32))
    assert small.image(large.file(some_images((3, 32, 32))[0], 0)) is None


@pytest.mark.parametrize("kind", PLUGINS)
def test_missing_codec_plugins_raise_errors(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, FORMATS[kind].plugin, None)
    codec = ImageCodec(kind=kind, image_shape=(1, 8, 8), qualities=QUALITIES)
    with pytest.raises(UserError, match=rf"codec {kind} needs .*pip install 'semlink\[codecs\]'"):
        codec.needs()


def test_invalid_images_and_qualities_raise_errors() -> None:
    with pytest.raises(ValueError, match="grey or RGB"):
        codec_for("jpeg", (2, 8, 8))
    with pytest.raises(ValueError, match="must be uint8"):
        codec_for("jpeg", (1, 8, 8)).file(torch.zeros(1, 8, 8), 0)
    for qualities in ((), (1,), (3, 2), (1, 1), (0, 101)):
        with pytest.raises(ValueError, match="ascending integers"):
            ImageCodec(kind="jpeg", image_shape=(1, 8, 8), qualities=qualities)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_shared_bytes_are_computed_once_and_cached(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    codec = codec_for(kind, (3, 24, 16))
    image_files._shared.cache_clear()
    first = codec.shared(1)
    image_files._shared.cache_clear()  # as in another process
    with monkeypatch.context() as patch:
        patch.setattr(image_files, "_references", None)
        again = codec.shared(1)
        with pytest.raises(TypeError):  # another quality is not cached
            codec.shared(2)
    image_files._shared.cache_clear()
    assert again.head.tobytes() == first.head.tobytes()
    assert again.fixed.tolist() == first.fixed.tolist()
    assert again.tail == first.tail
    file = codec.file(some_images((3, 24, 16))[0], 1)
    sent = again.strip(file)
    assert sent is not None
    assert again.restore(sent) == file
