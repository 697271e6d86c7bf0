"""Arguments of the Python API follow the rules of command-line options; errors name them."""

from typing import Any

import pytest

from simulator.arguments import channels, read, texts
from simulator.errors import UserError, in_python
from simulator.parse import Realizations, parse_channel_uses, parse_realizations, parse_snr_db


@pytest.mark.parametrize("value", ["-10:10:10", "-10,0,10", (-10, 0, 10), [10.0, 0, -10, 0]])
def test_numeric_arguments_take_strings_numbers_or_lists(value: Any) -> None:
    assert read("snr_db", value, parse_snr_db) == (-10.0, 0.0, 10.0)
    assert read("snr_db", 5, parse_snr_db) == (5.0,)
    assert read("snr_db", None, parse_snr_db) is None
    assert read("channel_uses", "16,64", parse_channel_uses) == (16, 64)


@pytest.mark.parametrize("value", ["awgn=3,rayleigh=5", {"awgn": 3, "rayleigh": 5}])
def test_realizations_can_be_set_per_channel(value: Any) -> None:
    found = read("realizations", value, parse_realizations)
    assert found == Realizations(None, {"awgn": 3, "rayleigh": 5})


def test_error_states_the_accepted_python_types() -> None:
    with pytest.raises(UserError, match='in Python: a number, {"awgn": 3}, or a text'):
        read("realizations", "awgn", parse_realizations)


def test_comma_separated_string_equals_a_list_of_names() -> None:
    assert texts("rkd_sc, label_code") == texts(["rkd_sc", "label_code"])
    assert texts(None) is None
    names = [channel.name for channel in channels("awgn,rician:4") or ()]
    assert names == ["awgn", "rician:4"]
    with pytest.raises(UserError, match="must be a list of names or objects, got 3"):
        channels(3)


@pytest.mark.parametrize(
    ("told", "in_words"),
    [
        ("add --resize 32, or", "add resize=32, or"),
        ("the images of --data: add --data DIR", "the images of data: add data=DIR"),
        ("Add --fresh to begin anew, or --out", "Add fresh=True to begin anew, or out"),
        ("run semlink train digits --data D/d, or", "run semlink.train('digits', data='D/d'), or"),
        (
            "run semlink train images --data DIR --stage baselines --schemes adjscc",
            "run semlink.train('images', data=DIR, stage='baselines', schemes='adjscc')",
        ),
        ("run semlink train without --stage", "run semlink train without stage"),
        ("--channel-uses must be", "channel_uses must be"),
    ],
)
def test_errors_name_python_arguments_instead_of_options(told: str, in_words: str) -> None:
    assert in_python(told) == in_words
