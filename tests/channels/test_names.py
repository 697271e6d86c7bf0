"""Parsing of valid and invalid channel names."""

import pytest

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import NakagamiChannel, RayleighChannel, RicianChannel
from channels.names import CHANNEL_NAMES, CHANNELS, EXAMPLES, channel_from_name, check_name


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
        ("nakagami:2", NakagamiChannel(m=2.0)),
        ("nakagami:0.5", NakagamiChannel(m=0.5)),
        ("nakagami:1234567.25", NakagamiChannel(m=1234567.25)),
        ("nakagami:100000000000000000000", NakagamiChannel(m=1e20)),
    ],
)
def test_canonical_names_round_trip(name: str, channel: Channel) -> None:
    assert channel_from_name(name) == channel
    assert channel.name == name
    assert name.partition(":")[0] in CHANNEL_NAMES


def test_every_channel_kind_has_examples_with_canonical_names() -> None:
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
        ("nakagami", "nakagami:m"),
        ("nakagami-m:2", "nakagami:m"),
    ],
)
def test_similar_names_are_suggested(wrong: str, pattern: str) -> None:
    with pytest.raises(ValueError, match=f"got '{wrong}'; did you mean {pattern}\\?$"):
        channel_from_name(wrong)


def test_dissimilar_names_get_no_suggestion() -> None:
    with pytest.raises(ValueError, match="got 'fog'$"):
        channel_from_name("fog")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("rician:4.0", "rician:4"),
        ("rician:04.50", "rician:4.5"),
        ("Nakagami:02.50", "nakagami:2.5"),
        ("rayleigh_block:1", "rayleigh_fast"),
        ("rayleigh_block:04", "rayleigh_block:4"),
        ("AWGN", "awgn"),
        ("Rician:4", "rician:4"),
    ],
)
def test_alternative_spellings_give_the_canonical_name(spelling: str, name: str) -> None:
    assert channel_from_name(spelling).name == name


@pytest.mark.parametrize(
    "name",
    [
        *("foo", "", " awgn", "awgn:", "awgn:1", "rayleigh:4", "rayleigh_fast:1"),
        *("rayleigh_block", "rayleigh_block:", "rayleigh_block:0", "rayleigh_block:-4"),
        *("rayleigh_block:4.0", "rayleigh_block:1_0", "rayleigh_block:4:4", "rayleigh_block:٤"),
        *("rician", "rician:", "rician:-1", "rician:nan", "rician:inf", "rician:1e999"),
        *("rician:1_0", "rician:4dB", "rician: 4", "rician:4\n", "rician:" + "9" * 400),
        *("nakagami", "nakagami:", "nakagami:-2", "nakagami:0", "nakagami:0.49", "nakagami:.5"),
        *("nakagami:nan", "nakagami:inf", "nakagami:2:2", "nakagami:" + "9" * 400),
    ],
)
def test_invalid_names_raise_one_line_errors(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        channel_from_name(name)
    assert "\n" not in str(caught.value)
    told = (
        "channel must be one of",
        "L of rayl",
        "K of rician",
        "m of naka",
        "k_factor",
        "m of Nak",
    )
    assert any(said in str(caught.value) for said in told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rician:-3", "K of rician:K must be a number of at least 0, such as 4, got '-3', in 'ri"),
        ("rician:4dB", "K of rician:K must be a number .*, got '4db', in 'rician:4dB'$"),
        ("rayleigh_block:0", "L of rayleigh_block:L must be a whole number of at least 1, got '0'"),
        ("nakagami:-2", "m of nakagami:m must be a number of at least 0.5, such as 2, got '-2'"),
        ("nakagami:0.49", "m of nakagami:m must be at least 0.5, got 0.49, in 'nakagami:0.49'$"),
    ],
)
def test_check_name_reports_invalid_numbers(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        check_name(name)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("coherence", [0, -1])
def test_coherence_below_one_raises_an_error(coherence: int) -> None:
    with pytest.raises(ValueError, match="coherence must be at least 1"):
        RayleighChannel(coherence=coherence)


@pytest.mark.parametrize("k_factor", [-0.1, float("nan"), float("inf")])
def test_k_factor_must_be_finite_and_nonnegative(k_factor: float) -> None:
    with pytest.raises(ValueError, match="k_factor must be a finite"):
        RicianChannel(k_factor=k_factor)


@pytest.mark.parametrize("m", [0.0, 0.499, float("nan"), float("inf")])
def test_m_must_be_finite_and_at_least_one_half(m: float) -> None:
    with pytest.raises(ValueError, match="^m of Nakagami fading must be a finite .* 0.5, got"):
        NakagamiChannel(m=m)
