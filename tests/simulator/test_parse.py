"""Parsing of option values: accepted texts, and errors for the others."""

import pytest

from simulator.errors import UserError
from simulator.parse import (
    as_known,
    parse_channel_uses,
    parse_names,
    parse_percent,
    parse_snr_db,
)
from simulator.resolve import channels_named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-10:20:10", (-10.0, 0.0, 10.0, 20.0)),
        ("0:1:0.1", tuple(round(0.1 * i, 9) for i in range(11))),
        ("0:5:2", (0.0, 2.0, 4.0)),
        ("7", (7.0,)),
        ("10,-10,0,10", (-10.0, 0.0, 10.0)),
        ("3:3:1", (3.0,)),
    ],
)
def test_snr_ranges_and_lists_are_parsed(text: str, expected: tuple[float, ...]) -> None:
    assert parse_snr_db(text) == expected


@pytest.mark.parametrize("text", ["-18.6:0:0.6", "-0.0", "0,-0.0", "-1e-9", "-0.3:0:0.1"])
def test_negative_zero_snr_is_parsed_as_zero(text: str) -> None:
    assert str(parse_snr_db(text)[-1]) == "0.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3,0.30000000000000004", (0.3,)),
        ("0.1:0.3:0.1", (0.1, 0.2, 0.3)),
        ("10.00001,10.00004,10.0001", (10.0, 10.0001)),
        ("99.9999,100", (99.9999, 100.0)),
    ],
)
def test_snrs_that_print_alike_are_merged(text: str, expected: tuple[float, ...]) -> None:
    assert parse_snr_db(text) == expected
    assert len({f"{snr:g}" for snr in expected}) == len(expected)


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "nan",
        "inf",
        "0:nan:1",
        "",
        "1,,2",
        "0:10",
        "10:0:1",
        "0:10:0",
        "0:10:-1",
        "0:1:1e-9",
        "0:1e-3:1e-5",
        "1e30",
        "-101",
    ],
)
def test_invalid_snrs_raise_an_error(text: str) -> None:
    with pytest.raises(UserError, match="^--snr-db must be"):
        parse_snr_db(text)


def test_channel_uses_are_sorted_without_duplicates() -> None:
    assert parse_channel_uses("64,16,16") == (16, 64)


@pytest.mark.parametrize("text", ["0", "-4", "2.5", "16,", "many", "1_6", "100000000"])
def test_invalid_channel_uses_raise_an_error(text: str) -> None:
    with pytest.raises(UserError, match="^--channel-uses must be whole numbers from 1 to"):
        parse_channel_uses(text)


def test_channels_keep_their_order_without_duplicates() -> None:
    channels = channels_named(("rician:4", "awgn", "rician:4.0"))
    assert [channel.name for channel in channels] == ["rician:4", "awgn"]


def test_unknown_channel_raises_an_error() -> None:
    with pytest.raises(UserError, match="^--channels: .*rayleigh"):
        channels_named(("fog",))


def test_names_keep_their_order_without_duplicates() -> None:
    assert parse_names("b, a,b") == ("b", "a")


@pytest.mark.parametrize("text", ["90", "90%", " 90.0 % "])
def test_percent_sign_is_optional(text: str) -> None:
    assert parse_percent(text) == 90.0


@pytest.mark.parametrize("text", ["", "%", "90%%", "most"])
def test_invalid_percentages_raise_an_error(text: str) -> None:
    with pytest.raises(UserError, match="^--accuracy must be a number in percent such as 90, got"):
        parse_percent(text)


def test_case_is_ignored_unless_names_differ_only_in_case() -> None:
    assert as_known("TDL:a", ["awgn", "tdl:A"]) == "tdl:A"
    assert [as_known(name, ["mine", "Mine"]) for name in ("mine", "Mine")] == ["mine", "Mine"]
    assert as_known("other", ["mine"]) == "other"
