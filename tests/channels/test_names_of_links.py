"""Parsing of valid and invalid names of multipath channels and their suffixes."""

import pytest

from channels.names import ESTIMATED, channel_from_name, check_name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("tdl:A", "tdl:A"),
        ("tdl:c:120kmh:300ns", "tdl:C:300ns:120kmh"),
        ("TDL:A:100NS:3KMH:3.5GHz:15kHz:72sc", "tdl:A"),
        ("tdl:b:0.5GHz:64sc", "tdl:B:0.5GHz:64sc"),
        ("tdl:A+LMMSE:08", "tdl:A+lmmse:8"),
        ("tdl:A+interleaved+pa:6+cfo:-0.1+ls:8", "tdl:A+cfo:-0.1+pa:6+ls:8+interleaved"),
        ("rayleigh_block:04+ls:1", "rayleigh_block:4+ls:1"),
    ],
)
def test_alternative_spellings_give_the_canonical_name(spelling: str, name: str) -> None:
    assert channel_from_name(spelling).name == name
    assert channel_from_name(name) == channel_from_name(spelling)


def test_names_of_estimated_examples_are_canonical() -> None:
    assert [channel_from_name(name).name for name in ESTIMATED] == list(ESTIMATED)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("tdl:A+lmmse:0", "pilots of an estimated channel must be 1 to 512, got 0"),
        ("tdl:A+ls:513", "must be 1 to 512, got 513"),
        ("tdl:A+lmse:8", r"got 'tdl:A\+lmse:8'; did you mean lmmse:P\?"),
        ("tdl:A+ls:8+lmmse:8", "give either ls or lmmse, not both, got"),
        ("rayleigh+ls:-1", r"P of ls:P must be a whole number from 1 to 512, or best, got '-1'"),
        ("tdl:A+pa:six", "BACKOFF of pa:BACKOFF must be a number, such as 6, got 'six'"),
        ("tdl:A+cfo:1e3", "PPM of cfo:PPM must be a number, such as 0.1, got '1e3'"),
        ("tdl:A+pa:3+pa:6", "pa must come once"),
        ("rayleigh+pa:6", "pa must come after an OFDM channel, such as tdl:A"),
        ("rayleigh+cfo:1", "cfo must come after an OFDM channel"),
        ("tdl:A+pa:99", "the back-off must be -10 to 40 dB, got 99"),
        ("tdl:A+cfo:500", "the frequency offset must be -100 to 100 ppm, got 500"),
        ("tdl:A+", "what comes after"),
        ("tdl:A+interleaved:2", r"did you mean interleaved\?"),
        ("tdl:E:300ns+ls:8", r"6\.20 us, must be within the cyclic prefix, 4\.69 us"),
        ("tdl:A:5", "options of tdl must be a number with its unit"),
        ("tdl", r"did you mean tdl:PROFILE\?"),
    ],
)
def test_invalid_names_raise_one_line_errors(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        check_name(wrong)
    assert "\n" not in str(error.value)
