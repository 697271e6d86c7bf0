"""Images that Pillow opens become 8-bit grey or RGB, or raise an error that names them."""

import struct
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simulator.data.images import ImageFile, decode, decode_all
from simulator.errors import UserError
from tests.simulator.data.data_files import encoded, pictures


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_pillow_modes_become_grey_or_rgb(mode: str) -> None:
    image = Image.fromarray(pictures(1)[0]).convert(mode)
    file = BytesIO()
    image.save(file, "TIFF" if mode == "CMYK" else "PNG")
    target = "L" if mode in ("1", "L", "LA") else "RGB"
    pixels = decode(file.getvalue(), name="x")
    assert np.array_equal(pixels, np.asarray(image.convert(target)))


def test_exif_orientation_is_applied() -> None:
    image = pictures(1)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees clockwise
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG", exif=exif)
    assert np.array_equal(decode(file.getvalue(), name="x"), np.rot90(image, -1))


def refused(content: bytes, path: Path) -> str:
    """The one-line error for these bytes, which are refused from memory and from a file."""
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        decode_all([ImageFile("test", 0, str(path), path)], total=1)
    with pytest.raises(UserError, match=r"^from memory: "):
        decode_all([ImageFile("test", 0, "from memory", content)], total=1)
    line = str(raised.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG", "GIF", "BMP", "TIFF"])
def test_truncated_images_raise_an_error(tmp_path: Path, form: str) -> None:
    whole = encoded(pictures(1)[0], form)
    for length in (len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4):
        refused(whole[:length], tmp_path / "image")


@pytest.mark.parametrize("content", [b"", b"no image", encoded(pictures(1)[0])[:20]])
def test_files_that_are_not_images_raise_an_error(tmp_path: Path, content: bytes) -> None:
    refused(content, tmp_path / "image")


def test_16_bit_grey_images_raise_an_error(tmp_path: Path) -> None:
    deep = encoded(np.zeros((6, 5), dtype=np.uint16))
    assert "8 bits per value, got 16 bits" in refused(deep, tmp_path / "image")


def png_of_16_bits(colour: int, values: int) -> bytes:
    """A black PNG of one pixel, written by hand: Pillow writes 16 bits only in grey."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 1, 1, 16, colour, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(1 + 2 * values)),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


@pytest.mark.parametrize(("colour", "values"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_of_any_colour_type_raises_an_error(
    tmp_path: Path, colour: int, values: int
) -> None:
    said = refused(png_of_16_bits(colour, values), tmp_path / "image")
    assert "8 bits per value, got 16 bits; convert them first" in said


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparent_images_are_composited_on_white_and_counted(mode: str) -> None:
    colours = len(mode) - 1
    image = Image.new(mode, (5, 6), (*[7] * colours, 51) if colours else 0)
    transparency = {} if colours else {"transparency": bytes([51] * 256)}
    if not colours:
        image.putpalette([7, 7, 7])
    file, done = BytesIO(), Counter[str]()
    image.save(file, "PNG", **transparency)
    pixels = decode(file.getvalue(), name="x", done=done)
    assert pixels.ndim == (2 if mode == "LA" else 3)
    assert set(pixels.flatten()) == {205}  # 0.2 * 7 + 0.8 * 255 = 205.4
    assert list(done.values()) == [1]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_alpha_is_dropped_without_a_remark(mode: str) -> None:
    file, done = BytesIO(), Counter[str]()
    Image.new(mode, (5, 6), (*[7] * (len(mode) - 1), 255)).save(file, "PNG")
    assert (decode(file.getvalue(), name="x", done=done) == 7).all()
    assert not done


def test_centre_square_is_rescaled_with_antialiasing() -> None:
    wide = np.zeros((32, 48), dtype=np.uint8)
    wide[:, 8:40] = 200 * (np.indices((32, 32)).sum(axis=0) % 2)  # a chessboard between black sides
    done = Counter[str]()
    small = decode(encoded(wide), name="x", resize=8, done=done)
    assert small.shape == (8, 8)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 100).max() <= 3  # averaged to grey, not aliased
    assert list(done.values()) == [1]
    assert np.array_equal(decode(encoded(wide[:, :32]), name="x", resize=32), wide[:, :32])
    assert decode(encoded(wide), name="x", resize=40).shape == (40, 40)


def test_remarks_count_the_changed_images() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, glass = BytesIO(), BytesIO()
    Image.fromarray(pictures(1)[0]).save(turned, "PNG", exif=exif)
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(glass, "PNG")
    sources = [turned.getvalue(), glass.getvalue(), encoded(pictures(1, grey=True)[0])]
    files = [ImageFile("test", 0, f"{number}", source) for number, source in enumerate(sources)]
    found = decode_all(files, total=3, resize=8)
    assert found.pools["test"].images.shape == (3, 3, 8, 8)
    assert found.remarks == (
        "1 of 3 images was turned upright as its EXIF orientation says",
        "2 of 3 images were rescaled, by the centre square",
        "1 of 3 images had transparency and was placed on white",
        "1 of 3 images was grey and became RGB, as others are in colour",
    )


def test_remarks_on_several_images_use_the_plural() -> None:
    glass = BytesIO()
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(glass, "PNG")
    files = [ImageFile("test", 0, str(number), glass.getvalue()) for number in range(2)]
    told = ("2 of 2 images had transparency and were placed on white",)
    assert decode_all(files, total=2).remarks == told


@pytest.mark.parametrize("limit", [20, 10])  # 30 pixels: first a warning of Pillow, then an error
def test_oversized_images_raise_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    line = refused(encoded(pictures(1)[0]), tmp_path / "image")
    assert "the image cannot be read (Image size (30 pixels) exceeds" in line
