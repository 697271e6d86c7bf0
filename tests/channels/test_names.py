"""Names of channels, right and wrong."""

import pytest

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel, RicianChannel
from channels.names import CHANNEL_NAMES, CHANNELS, EXAMPLES, channel_from_name


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("awgn", AwgnChannel()),
        ("rayleigh", RayleighChannel(coherence=None)),
        ("rayleigh_fast", RayleighChannel(coherence=1)),
        ("rayleigh_block:4", RayleighChannel(coherence=4)),
        ("rician:4", RicianChannel(k_factor=4.0)),
        ("rician:0.125", RicianChannel(k_factor=0.125)),
        ("rician:0", RicianChannel(k_factor=0.0)),
    ],
)
def test_a_canonical_name_and_its_channel_give_each_other(name: str, channel: Channel) -> None:
    assert channel_from_name(name) == channel
    assert channel.name == name
    assert name.partition(":")[0] in CHANNEL_NAMES


def test_every_row_has_examples_with_canonical_names() -> None:
    assert all(row.examples for row in CHANNELS)
    assert tuple(channel_from_name(name).name for name in EXAMPLES) == EXAMPLES


@pytest.mark.parametrize(
    ("wrong", "pattern"),
    [
        ("rice:4", "rician:K"),
        ("ricain:4", "rician:K"),
        ("rician", "rician:K"),
        ("RICIAN", "rician:K"),
        ("awgm", "awgn"),
        ("rayliegh", "rayleigh"),
        ("rayleigh-fast", "rayleigh_fast"),
        ("rayleigh_blocks:4", "rayleigh_block:L"),
    ],
)
def test_what_was_meant_is_suggested(wrong: str, pattern: str) -> None:
    with pytest.raises(ValueError, match=f"got '{wrong}'; did you mean {pattern}\\?$"):
        channel_from_name(wrong)


def test_nothing_is_suggested_for_a_name_like_no_other() -> None:
    with pytest.raises(ValueError, match="got 'fog'$"):
        channel_from_name("fog")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("rician:4.0", "rician:4"),
        ("rician:04.50", "rician:4.5"),
        ("rayleigh_block:1", "rayleigh_fast"),
        ("rayleigh_block:04", "rayleigh_block:4"),
        ("AWGN", "awgn"),
        ("Rician:4", "rician:4"),
    ],
)
def test_other_spellings_lead_to_the_canonical_name(spelling: str, name: str) -> None:
    assert channel_from_name(spelling).name == name


@pytest.mark.parametrize(
    "name",
    [
        *("foo", "", " awgn", "awgn:", "awgn:1", "rayleigh:4", "rayleigh_fast:1"),
        *("rayleigh_block", "rayleigh_block:", "rayleigh_block:0", "rayleigh_block:-4"),
        *("rayleigh_block:4.0", "rayleigh_block:1_0", "rayleigh_block:4:4", "rayleigh_block:٤"),
        *("rician", "rician:", "rician:-1", "rician:nan", "rician:inf", "rician:1e999"),
        *("rician:1_0", "rician:4dB", "rician: 4", "rician:4\n", "rician:" + "9" * 400),
    ],
)
def test_anything_else_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        channel_from_name(name)
    assert "\n" not in str(caught.value)
    assert "rayleigh_block:L" in str(caught.value) or "k_factor" in str(caught.value)


@pytest.mark.parametrize("coherence", [0, -1])
def test_a_block_needs_a_use(coherence: int) -> None:
    with pytest.raises(ValueError, match="coherence must be at least 1"):
        RayleighChannel(coherence=coherence)


@pytest.mark.parametrize("k_factor", [-0.1, float("nan"), float("inf")])
def test_a_k_factor_is_finite_and_not_negative(k_factor: float) -> None:
    with pytest.raises(ValueError, match="k_factor must be a finite"):
        RicianChannel(k_factor=k_factor)
