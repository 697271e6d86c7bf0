"""Named random streams: what a stream depends on, and how Sionna draws from it."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from channels import awgn, fading
from channels.awgn import AwgnChannel
from channels.names import channel_from_name
from channels.streams import PointStreams, Streams, sionna_device, sionna_phy, sionna_uses


def draw(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(8, generator=generator)


def test_draws_of_a_name_do_not_depend_on_other_streams(streams: Streams) -> None:
    expected = draw(streams("noise", "awgn", 10.0))
    other = Streams(seed=0)
    for name in ("fading", "noise", "bits"):
        draw(other(name, "awgn", 10.0))
    assert torch.equal(draw(other("noise", "awgn", 10.0)), expected)


def test_seed_is_fixed_across_versions_and_machines() -> None:
    """A change of this number changes every number in results/."""
    assert Streams(seed=0).seed_of("channel", "awgn", 10.0, 16, 0) == 185821547


def test_different_names_or_seeds_give_different_streams(streams: Streams) -> None:
    names: list[tuple[str | int | float, ...]] = [
        *(("a",), ("b",), ("a", "b"), ("ab",), ("b", "a"), ("a", 1), ("a", "1"), ("a", 1.5)),
        *(("a", -1), ("a", 1, 0), ("a", ""), ("a", '1", "2'), ("a", "1", "2")),
    ]
    seeds = [streams.seed_of(*name) for name in names]
    seeds += [Streams(seed=1).seed_of("a"), Streams(seed=10**30).seed_of("a")]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(("one", "same"), [(10, 10.0), (0, -0.0), (-3, -3.0)])
def test_equal_numbers_in_names_give_the_same_stream(
    streams: Streams, one: int, same: float
) -> None:
    assert streams.seed_of("snr", one) == streams.seed_of("snr", same)
    assert torch.equal(draw(streams("snr", one)), draw(streams("snr", same)))


def test_streams_of_neighbouring_points_are_not_correlated(streams: Streams) -> None:
    points = itertools.product(("awgn", "rayleigh"), (0, 1, 2), (16, 64))
    draws = torch.stack([torch.randn(10_000, generator=streams("n", *point)) for point in points])
    correlation = torch.corrcoef(draws).fill_diagonal_(0.0)
    assert float(correlation.abs().max()) < 5.0 / math.sqrt(10_000)  # 66 pairs


@pytest.mark.parametrize("seed", [-1, -(10**9)])
def test_negative_seeds_raise_an_error(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be at least 0"):
        Streams(seed=seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_non_integer_seeds_raise_an_error(seed: object) -> None:
    with pytest.raises(TypeError, match="seed must be an int"):
        Streams(seed=seed)  # type: ignore[arg-type]


def test_invalid_names_raise_an_error(streams: Streams) -> None:
    with pytest.raises(ValueError, match="must have a name"):
        streams()
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="must be finite"):
            streams("snr", number)
    for part in (None, True, ("a",), torch.tensor(1)):
        with pytest.raises(TypeError, match="named by str, int or float"):
            streams("snr", part)  # type: ignore[arg-type]


def test_point_streams_continue_between_calls(streams: Streams) -> None:
    point = PointStreams(streams, "awgn", 10.0, 16)
    assert point("channel") is point("channel", torch.device("cpu"))
    assert point("channel") is not point("scrambling")
    whole = streams("channel", "awgn", 10, 16)
    first, second = draw(point("channel")), draw(point("channel"))
    assert torch.equal(torch.cat([first, second]), torch.rand(16, generator=whole))
    again = PointStreams(streams, "awgn", 10.0, 16)
    assert torch.equal(draw(again("channel")), first)


def test_sionna_draws_from_the_given_stream(streams: Streams) -> None:
    config = sionna_phy().config
    expected = torch.rand(24, generator=streams("lent"))
    ours, theirs = streams("lent"), config.torch_rng("cpu").get_state()
    with sionna_uses(ours):
        lent = draw(config.torch_rng("cpu"))
    between = draw(ours)
    with sionna_uses(ours):
        lent_again = draw(config.torch_rng("cpu"))
    assert torch.equal(torch.cat([lent, between, lent_again]), expected)
    assert torch.equal(config.torch_rng("cpu").get_state(), theirs)


def test_sionna_state_is_restored_after_an_error(streams: Streams) -> None:
    config = sionna_phy().config

    def fail() -> None:
        with sionna_uses(ours):
            draw(config.torch_rng("cpu"))
            raise ArithmeticError

    ours, theirs = streams("error"), config.torch_rng("cpu").get_state()
    with pytest.raises(ArithmeticError):
        fail()
    assert torch.equal(config.torch_rng("cpu").get_state(), theirs)
    assert not torch.equal(ours.get_state(), streams("error").get_state())


def test_sionna_seed_has_no_influence(streams: Streams) -> None:
    x, snr_db = torch.ones(2, 16, dtype=torch.complex64), torch.zeros(2, 1)
    config = sionna_phy().config
    outputs = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            config.seed = seed
        outputs.append(AwgnChannel()(x, snr_db=snr_db, generator=streams("seed")).y)
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", ["awgn", "rician:4", "rayleigh"])
def test_first_use_in_inference_mode_allows_later_gradients(streams: Streams, name: str) -> None:
    for cached in (awgn._awgn_block, fading._gain_block):
        cached.cache_clear()
    x, snr_db, stream = torch.ones(2, 3) + 0j, torch.zeros(2, 1), streams("inference")
    with torch.inference_mode():
        channel_from_name(name)(x, snr_db=snr_db, generator=stream)
    x.requires_grad_()
    channel_from_name(name)(x, snr_db=snr_db, generator=stream).y.abs().sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).all())


def test_importing_sionna_leaves_global_random_state_unchanged() -> None:
    script = """
import random, sys
import numpy as np
import torch
torch.manual_seed(7); random.seed(7); np.random.seed(7)
torch.rand(3)
before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
from channels.awgn import AwgnChannel
from channels.streams import Streams
assert "sionna.phy" not in sys.modules
x = torch.ones(2, 3, dtype=torch.complex64)
AwgnChannel()(x, snr_db=torch.zeros(2, 1), generator=Streams(seed=0)("first"))
assert "sionna.phy" in sys.modules
assert torch.equal(before[0], torch.get_rng_state())
assert before[1] == random.getstate()
assert (before[2] == np.random.get_state()[1]).all()
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=root)


def test_sionna_device_names_include_the_index() -> None:
    assert sionna_device(torch.device("cpu")) == "cpu"
    assert sionna_device(torch.device("cuda:1")) == "cuda:1"
