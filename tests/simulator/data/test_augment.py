"""Augmentation for small data sets: colour jitter, erasing, pasting and RandAugment."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor

from simulator.data.augment import erase, paste, recolour
from simulator.data.randaugment import OPERATIONS, Amount, randaugment

Change = Callable[[Tensor, torch.Generator], Tensor]
CHANGES: dict[str, Change] = {
    "recolour": lambda images, generator: recolour(images, jitter=0.3, generator=generator),
    "erase": lambda images, generator: erase(images, share=0.4, generator=generator),
    "randaugment": lambda images, generator: randaugment(
        images, operations=3, magnitude=0.7, generator=generator
    ),
}


def pixels(*shape: int) -> Tensor:
    """Pixels that remain in range when changed by up to a third."""
    return torch.randint(60, 120, shape, generator=torch.Generator().manual_seed(1)).byte()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_augmented_independently(change: Change, channels: int) -> None:
    images = pixels(6, channels, 10, 8)
    first = change(images, torch.Generator().manual_seed(0))
    assert first.dtype == torch.uint8
    assert torch.equal(first, change(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(first, change(images, torch.Generator().manual_seed(2)))
    others = torch.cat([images[:1], 255 - images[1:]])
    assert torch.equal(change(others, torch.Generator().manual_seed(0))[0], first[0])


def test_colours_change_by_the_drawn_factors(generator: torch.Generator) -> None:
    images = pixels(40, 3, 6, 6)
    draws = torch.rand((40, 3), generator=torch.Generator().manual_seed(0))
    out = recolour(images, jitter=0.3, generator=generator).float()
    for image, own, (brightness, contrast, saturation) in zip(
        images.float(), out, 0.7 + 0.6 * draws, strict=True
    ):
        mean = brightness * image.mean()  # contrast and saturation preserve it
        torch.testing.assert_close(own.mean(), mean, atol=0.1, rtol=0)
        hard = mean + contrast * (brightness * image - mean)
        grey = hard.mean(dim=0, keepdim=True)
        torch.testing.assert_close(own, grey + saturation * (hard - grey), atol=0.51, rtol=0)
    assert torch.equal(recolour(images, jitter=0.0, generator=generator), images)


def test_erasing_covers_a_random_rectangle_in_half_of_the_images(
    generator: torch.Generator,
) -> None:
    images = pixels(1, 3, 10, 5).expand(2000, -1, -1, -1)
    out = erase(images, share=0.4, generator=generator)
    mean = images[0].float().mean(dim=(1, 2)).round().byte()
    covered = (out == mean[:, None, None]).all(dim=1) & (out != images).any(dim=1)  # [B, H, W]
    count = covered.sum(dim=(1, 2))
    assert set(count.tolist()) <= {0, 4 * 2}
    assert abs((count > 0).double().mean().item() - 0.5) < 4 * 0.5 / 2000**0.5
    assert torch.equal(out[count == 0], images[count == 0])
    assert covered.any(dim=0).all()  # every pixel, corners too


def test_pasted_rectangles_cover_less_than_half_of_an_image(generator: torch.Generator) -> None:
    numbers = torch.arange(200, dtype=torch.int16)
    images = numbers[:, None, None, None].expand(-1, 3, 10, 8)
    out = paste(images, share=0.45, generator=generator)
    foreign = (out != images).all(dim=1)  # [B, H, W]
    shares = foreign.double().mean(dim=(1, 2))
    assert float(shares.max()) <= 0.45
    assert 0.1 < float(shares.mean()) < 0.45 / 2
    assert foreign.any(dim=0).all()
    for own, where in zip(out, foreign, strict=True):
        rows, columns = where.any(dim=1), where.any(dim=0)
        assert torch.equal(where, rows[:, None] & columns)
        assert len(own[0][where].unique()) <= 1
    with pytest.raises(ValueError, match="share must be at least 0 and below 0.5, got 0.5"):
        paste(images, share=0.5, generator=generator)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_operations_change_images_only_with_nonzero_magnitude(name: str, channels: int) -> None:
    array = pixels(32, 32, channels).numpy()
    image = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    if name not in {"autocontrast", "equalise"}:  # these have no magnitude
        assert OPERATIONS[name](image, Amount(0.0, 32)).tobytes() == image.tobytes()
    grey = name == "colour" and channels == 1
    if name != "identity" and not grey:
        assert OPERATIONS[name](image, Amount(-0.9, 32)).tobytes() != image.tobytes()


def test_translation_by_hand() -> None:
    image = Image.fromarray(torch.arange(64).byte().view(8, 8).numpy())
    side = Amount(331 / 150 / 8, 8)  # one pixel
    assert OPERATIONS["translate_x"](image, side).tobytes()[:8] == bytes([*range(1, 8), 0])
    assert OPERATIONS["translate_y"](image, side).tobytes()[:8] == bytes(range(8, 16))
    with pytest.raises(ValueError, match="magnitude from 0 to 1, got 2, 1.5"):
        randaugment(
            torch.zeros(1, 3, 4, 4).byte(),
            operations=2,
            magnitude=1.5,
            generator=torch.Generator(),
        )
