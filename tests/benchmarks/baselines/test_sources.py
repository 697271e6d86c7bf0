"""Image sources: offered sizes and answers, payloads, and cached offers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.baselines.image_files import ImageCodec
from benchmarks.baselines.sources import NEVER, ImageSource
from simulator.scheme import Classifier

QUALITIES = (1, 5, 12, 25, 50, 95)


def classify(images: Tensor) -> Tensor:
    """Ten fixed random projections of the pixels."""
    weights = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))
    return images.flatten(1) @ weights


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Some digits."""
    return torch.from_numpy(load_digits().images[:6].astype(np.float32) / 16)[:, None]


def source(*, whole: bool = False, kind: str = "jpeg") -> ImageSource:
    codec = ImageCodec(kind=kind, image_shape=(1, 8, 8), qualities=QUALITIES)
    return ImageSource(codec=codec, whole=whole, classifier=Classifier(classify, "projections"))


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("whole", [False, True])
def test_payload_has_the_offered_size_and_gives_the_offered_answer(
    kind: str, whole: bool, images: Tensor
) -> None:
    own, pixels = source(whole=whole, kind=kind), (images[:4] * 255).round().byte()
    offer = own.offer(pixels)
    assert float((offer.sizes < NEVER).double().mean()) > 0.8
    room = int(offer.sizes[offer.sizes < NEVER].max()) + 11
    for row, image in enumerate(pixels):
        for option in torch.nonzero(offer.sizes[row] < NEVER)[:, 0].tolist():
            bits = own.bits(image, option)
            assert len(bits) == offer.sizes[row, option]
            payload = torch.nn.functional.pad(bits, (0, room - len(bits)))[None]
            answers, readable = own.answers(payload)
            assert readable.tolist() == [True]
            assert answers[0] == offer.answers[row, option]


def test_whole_files_cost_their_bytes_and_one_bit(images: Tensor) -> None:
    pixels = (images[:2] * 255).round().byte()
    own = source(whole=True)
    for row, option in ((0, 0), (1, 3)):
        file = own.codec.file(pixels[row], option)
        assert own.offer(pixels).sizes[row, option] == 8 * len(file) + 1


def test_payloads_that_are_not_images_are_unreadable() -> None:
    generator = torch.Generator().manual_seed(6)
    noise = torch.randint(0, 2, (200, 112), dtype=torch.uint8, generator=generator)
    noise[0] = 0
    answers, readable = source().answers(noise)
    assert not readable[0]
    assert 0 < int(readable.sum()) < 200
    assert answers.shape == (200,)


def test_offers_are_cached_and_recomputed_if_damaged(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    pixels = (images * 255).round().byte()
    first = source().offer(pixels)
    monkeypatch.setattr(ImageCodec, "file", lambda *_: pytest.fail("computed again"))
    again = source(whole=False).offer(pixels)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert (source(whole=True).offer(pixels).sizes > first.sizes).all()  # from the same cache
    (path,) = tmp_path.glob("offers/*")
    path.write_bytes(b"damaged")
    monkeypatch.undo()
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    assert torch.equal(source().offer(pixels).sizes, first.sizes)


def test_progress_bars_count_qualities_and_files(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[tuple[str, str, int]] = []

    def told(items: list[object], *, desc: str, unit: str, **_: object) -> list[object]:
        bars.append((desc, unit, len(items)))
        return items

    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    monkeypatch.setattr("benchmarks.baselines.sources.progress", told)
    pixels = (images[:2] * 255).round().byte()
    offer = source().offer(pixels[[0, 1, 0]])  # equal images are coded once
    assert offer.sizes[0].equal(offer.sizes[2])
    assert bars == [
        ("JPEG: headers (once)", " quality", 6),
        ("JPEG: 2 images (once)", " file", 12),
    ]


def test_decoded_images_are_classified_in_pieces_of_limited_size(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    def counted(batch: Tensor) -> Tensor:
        batches.append(len(batch))
        return classify(batch)

    pixels = (images[:5] * 255).round().byte()
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / "whole"))
    whole = source().offer(pixels)
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / "pieces"))
    monkeypatch.setattr("simulator.scheme.PIECE_PIXELS", 2 * 64)
    in_two = replace(source(), classifier=Classifier(counted, "projections")).offer(pixels)
    assert torch.equal(whole.sizes, in_two.sizes)
    assert torch.equal(whole.answers, in_two.answers)
    assert batches == [2] * 12 + [1] * 6


def test_large_images_are_coded_once_and_classified_only_if_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded: list[int] = []
    classified: list[int] = []
    write = ImageCodec.file

    def file(codec: ImageCodec, image: Tensor, option: int) -> bytes:
        coded.append(option)
        return write(codec, image, option)

    def counted(batch: Tensor) -> Tensor:
        classified.append(len(batch))
        return torch.stack([torch.full((len(batch),), 0.25), batch.mean(dim=(1, 2, 3))], dim=1)

    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    monkeypatch.setattr(ImageCodec, "file", file)
    codec = ImageCodec(kind="jpeg", image_shape=(1, 136, 136), qualities=(20, 80))
    own = ImageSource(codec=codec, whole=False, classifier=Classifier(counted, "counted"))
    generator = torch.Generator().manual_seed(2)
    noise = torch.randint(0, 256, (1, 136, 136), dtype=torch.uint8, generator=generator)
    block = torch.zeros((250, 1, 136, 136), dtype=torch.uint8)
    block[0], block[1] = 255, noise
    offer = own.offer(block)
    assert len(coded) == 2 * (8 + 1) + 3 * 2  # references, and one more for each head; images
    files = [write(codec, image, option) for image in block[:3] for option in (0, 1)]
    decoded = {
        pixels.numpy().tobytes()
        for own_file in files
        if (pixels := codec.image(own_file)) is not None
    }
    assert classified == [1] * len(decoded)  # black decodes to the same at both qualities
    assert len(decoded) < len(files)
    assert offer.answers.tolist() == [[1, 1]] * 2 + [[0, 0]] * 248
    for row, image in enumerate(block[:3]):
        assert [len(own.bits(image, option)) for option in (0, 1)] == offer.sizes[row].tolist()
    assert torch.equal(offer.sizes[2:], offer.sizes[2].expand(248, 2))
    limit = int(offer.sizes[0].max())
    classified.clear()
    few = replace(own, most_bits=limit).offer(block[:2])
    assert torch.equal(few.sizes, offer.sizes[:2])
    assert len(classified) < len(decoded)  # the noise takes more bits
    assert few.answers.tolist() == [[1, 1], [0, 0]]
