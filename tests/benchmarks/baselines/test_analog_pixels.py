"""Analog pixels: hand-computed values, and the scheme contract on images of any shape."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.analog_pixels import (
    AnalogPixelsConfig,
    AnalogPixelsScheme,
    area_averages,
    largest_size,
    symbols_of,
    values_of,
)
from benchmarks.recipes import RECIPES
from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams

STREAMS = Streams(seed=6)


def make_scheme(*shape: int) -> AnalogPixelsScheme:
    """A scheme whose scores are the received pixels."""
    channels, height, width = shape
    return AnalogPixelsScheme(
        classify=lambda images: images.flatten(1), image_shape=(channels, height, width)
    )


def arrived(
    images: Tensor, *, k: int, snr_db: float = math.inf, channel: Channel | None = None
) -> Tensor:
    """Images [B, C, H, W] after one transmission."""
    channel, snr = channel or AwgnChannel(), torch.full((len(images), 1), snr_db)
    scheme = make_scheme(*images.shape[1:])
    encoded = scheme.encode(scheme.prepare(images), channel=channel, snr_db=snr, k=k)
    streams = PointStreams(STREAMS, "arrived")
    received = scheme.transmit(encoded, channel=channel, snr_db=snr, k=k, streams=streams)
    assert bool(received.delivered.all())
    return received.scores.reshape(images.shape)


def noise_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=STREAMS("images", *shape))


@pytest.mark.parametrize(
    ("full", "most", "size"),
    [
        ((8, 8), 1, (1, 1)),
        ((8, 8), 30, (5, 5)),  # square images stay square: not 5 x 6
        ((8, 8), 63, (7, 7)),
        ((8, 8), 10_000, (8, 8)),  # never enlarged
        ((8, 12), 30, (4, 7)),  # t = 7/12: 4.67 x 7; 5 x 7.5 would be 35
        ((12, 8), 30, (7, 4)),
        ((4, 100), 3, (1, 3)),  # t = 3/100: a side is at least 1
        ((4, 100), 99, (1, 49)),  # t < 1/2; from t = 1/2 on 2 x 50 = 100
        ((1, 5), 3, (1, 3)),
    ],
)
def test_largest_size_scales_both_sides_by_the_same_fraction(
    full: tuple[int, int], most: int, size: tuple[int, int]
) -> None:
    assert largest_size(full, most) == size


@pytest.mark.parametrize("full", [(8, 8), (32, 32), (5, 7), (3, 40)])
def test_largest_size_grows_monotonically_and_fits(full: tuple[int, int]) -> None:
    sizes = [largest_size(full, most) for most in range(1, full[0] * full[1] + 1)]
    assert all(h * w <= most for most, (h, w) in enumerate(sizes, start=1))
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(sizes))
    assert sizes[-1] == full
    with pytest.raises(ValueError, match="most must be at least 1 pixel, got 0"):
        largest_size(full, 0)


def test_area_averages_match_hand_computed_values() -> None:
    image = torch.tensor([[[[0.0, 0.3, 0.9]]]])
    # cells of one and a half pixels: (0 + 0.3 / 2) / 1.5 and (0.3 / 2 + 0.9) / 1.5
    torch.testing.assert_close(area_averages(image, (1, 2)), torch.tensor([[[[0.1, 0.7]]]]))
    square = torch.arange(16.0).reshape(1, 1, 4, 4)
    halved = torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]])  # 2.5 = (0 + 1 + 4 + 5) / 4
    torch.testing.assert_close(area_averages(square, (2, 2)), halved)
    assert torch.equal(area_averages(square, (4, 4)), square)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 2)])
def test_area_averages_keep_the_mean_of_every_channel(size: tuple[int, int]) -> None:
    images = noise_images(4, 3, 7, 9)
    means = area_averages(images, size).mean(dim=(2, 3))
    torch.testing.assert_close(means, images.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("values", "k", "symbols"),
    [
        # m = 1/2, s = 1/4: (0, 0, -1, 1), energy 2 = k
        ([0.25, 0.75], 2, [0, -1 + 1j]),
        # the same and two silent uses: energy 4 = k
        ([0.25, 0.75], 4, [0, math.sqrt(2) * (-1 + 1j), 0, 0]),
        # m = s = 1/2: (0, 1, -1, 1), energy 3, g = sqrt(2 / 3)
        ([0.0, 1.0], 2, [1j * math.sqrt(2 / 3), math.sqrt(2 / 3) * (-1 + 1j)]),
        # m = 1, s = 0, flat: (1, -1, 1, 1, 1), energy 5, g = sqrt(3 / 5)
        ([1.0, 1.0, 1.0], 3, [math.sqrt(0.6) * x for x in (1 - 1j, 1 + 1j, 1)]),
    ],
)
def test_symbols_match_hand_computed_values(
    values: list[float], k: int, symbols: list[complex]
) -> None:
    x = symbols_of(torch.tensor([values]), k=k)
    torch.testing.assert_close(x, torch.tensor([symbols], dtype=torch.complex64))


@pytest.mark.parametrize(
    ("gain", "k", "shrunk"),
    [
        (1.0, 2, 1 / 2),  # 1 / (1 + 1)
        (2j, 2, 4 / 5),  # 4 / (4 + 1), and the phase is undone
        (1.0, 4, 2 / 3),  # two of four uses are silent: 2 / (2 + 1)
    ],
)
def test_receiver_matches_hand_computed_values_at_unit_noise_power(
    gain: complex, k: int, shrunk: float
) -> None:
    """Noise-free samples of 0.25 and 0.75: MMSE estimation shrinks pixels to their mean, 1/2."""
    h = torch.full((1, k), gain, dtype=torch.complex64)
    y = h * symbols_of(torch.tensor([[0.25, 0.75]]), k=k)
    values = values_of(ChannelOutput(y, h, torch.ones(1, 1)), count=2)
    expected = torch.tensor([[0.5 - 0.25 * shrunk, 0.5 + 0.25 * shrunk]])
    torch.testing.assert_close(values, expected)


@pytest.mark.parametrize("count", [1, 2, 27])
@pytest.mark.parametrize("more", [0, 5])
def test_values_are_recovered_without_noise(count: int, more: int) -> None:
    values = noise_images(50, count)
    values[0], values[1], values[2] = 0.0, 1.0, 0.7  # flat
    k = math.ceil((2 + count) / 2) + more
    x = symbols_of(values, k=k)
    torch.testing.assert_close(x.abs().square().mean(dim=1), torch.ones(50))
    received = ChannelOutput(x, torch.ones_like(x), torch.zeros(50, 1))
    torch.testing.assert_close(values_of(received, count=count), values, atol=1e-5, rtol=0)


def test_downsampled_and_enlarged_image_matches_hand_computed_values() -> None:
    """4x4, left half 0 and right half 1, sent as 2x2 (k = 3): centres at 1/4 and 3/4."""
    image = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 4, 4)
    assert make_scheme(1, 4, 4).size(3) == (2, 2)
    row = torch.tensor([0.0, 0.25, 0.75, 1.0])
    torch.testing.assert_close(arrived(image, k=3), row.expand(1, 1, 4, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_noiseless_channel_recovers_the_image_if_all_pixels_fit(
    shape: tuple[int, int, int],
) -> None:
    images, k = noise_images(6, *shape), math.ceil((math.prod(shape) + 2) / 2)
    torch.testing.assert_close(arrived(images, k=k), images, atol=1e-5, rtol=0)
    assert not torch.allclose(arrived(images, k=k - 1), images, atol=1e-2)


def test_received_image_is_mid_grey_at_very_low_snr() -> None:
    images = noise_images(6, 1, 8, 8)
    grey = torch.full_like(images, 0.5)
    torch.testing.assert_close(arrived(images, k=16, snr_db=-60.0), grey, atol=1e-2, rtol=0)


@pytest.mark.parametrize("k", [3, 16, 70])
def test_received_image_does_not_depend_on_its_batch(k: int) -> None:
    images = noise_images(9, 3, 6, 6)
    others = noise_images(9, 3, 6, 6).flip(0)
    others[5] = images[5]
    others[6:] = 0.0  # black, as a sweep fills up its last block
    channel = RayleighChannel(coherence=None)
    one, two = (arrived(batch, k=k, snr_db=3.0, channel=channel) for batch in (images, others))
    assert torch.equal(one[5], two[5])
    assert torch.equal(one, arrived(images, k=k, snr_db=3.0, channel=channel))
    assert bool(two.isfinite().all())


@pytest.mark.parametrize(("shape", "least"), [((1, 8, 8), 2), ((3, 32, 20), 3), ((2, 4, 4), 2)])
def test_scheme_name_channel_uses_and_settings(shape: tuple[int, int, int], least: int) -> None:
    """The fewest channel uses carry C real numbers for one pixel, and mean and scale."""
    scheme = make_scheme(*shape)
    assert scheme.name == AnalogPixelsConfig().name == "analog_pixels"
    assert scheme.channel_uses == f"k >= {least}"
    assert [k for k in range(-1, least + 2) if scheme.serves(k)] == [least, least + 1]
    assert scheme.size(least) == (1, 1)
    for told in ("uncoded pixels of 1x1", "charged (1 use)", "nothing known beforehand"):
        assert told in scheme.settings(least)
    assert "estimated" not in scheme.settings(least)  # figures would read it as an estimated gain


def test_every_recipe_includes_analog_pixels() -> None:
    assert all("analog_pixels" in make().scheme_names for make in RECIPES)
