"""The table of channels: the name of each, its meaning, and how names are parsed.

A full name consists of a channel and any additions, each after a "+": tdl:A+lmmse:8. Torch and
Sionna are imported only when a channel is made, so that a wrong name is rejected at once.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from channels.ofdm.multipath import multipath_from_text

if TYPE_CHECKING:
    from channels.base import Channel


MOST_PILOTS: Final = 512
BEST: Final = "best"  # in place of the number of pilots: a sweep chooses it
LEAST_BACKOFF_DB, MOST_BACKOFF_DB = -10.0, 40.0
MOST_OFFSET_PPM: Final = 100.0


class Parameter(NamedTuple):
    """Format of the parameter after the colon of a name."""

    form: str  # regular expression
    number: Callable[[str], Any]  # may raise ValueError with a one-line message
    rule: str = ""  # what the parameter must be, in words


def _half(text: str) -> float:
    value = float(text)
    if value < 0.5:
        raise ValueError(f"m of nakagami:m must be at least 0.5, got {text}")
    return value


UNSIGNED: Final = r"[0-9]+(\.[0-9]+)?"  # a real number without sign or exponent
WHOLE: Final = Parameter("0*[1-9][0-9]*", int, "a whole number of at least 1")
REAL: Final = Parameter(UNSIGNED, float, "a number of at least 0, such as 4")
HALF: Final = Parameter(UNSIGNED, _half, "a number of at least 0.5, such as 2")
LINK: Final = Parameter(".+", multipath_from_text, "a profile, such as A")


class Row(NamedTuple):
    """A channel or an addition, or a family of them that differ in one parameter."""

    pattern: str  # name shown to users, with a letter in place of the parameter
    meaning: str
    make: Callable[..., "Channel"]  # takes the wrapped channel (additions only), the parameter
    parameter: Parameter | None = None
    tried: tuple[str, ...] = ()  # example parameters for semlink doctor and the tests

    @property
    def kind(self) -> str:
        """The name up to the colon."""
        return self.pattern.partition(":")[0]

    @property
    def letter(self) -> str:
        """The letter in place of the parameter in the pattern."""
        return self.pattern.partition(":")[2]

    @property
    def examples(self) -> list[str]:
        """Example names, for semlink doctor and the tests."""
        if self.parameter is None:
            return [self.pattern]
        return [f"{self.kind}:{text}" for text in self.tried]


class Called(NamedTuple):
    """A parsed part of a name: its row, and its parameter if it has one."""

    row: Row
    numbers: tuple[Any, ...]


def _awgn() -> "Channel":
    from channels.awgn import AwgnChannel

    return AwgnChannel()


def _rayleigh(coherence: int | None) -> "Channel":
    from channels.fading import RayleighChannel

    return RayleighChannel(coherence=coherence)


def _rician(k_factor: float) -> "Channel":
    from channels.fading import RicianChannel

    return RicianChannel(k_factor=k_factor)


def _nakagami(m: float) -> "Channel":
    from channels.fading import NakagamiChannel

    return NakagamiChannel(m=m)


def _tdl(link: Any) -> "Channel":
    from channels.ofdm.tdl import TdlChannel

    return TdlChannel(link=link)


CHANNELS: Final = (
    Row("awgn", "", _awgn),
    Row("rayleigh", "one gain per image", lambda: _rayleigh(None)),
    Row("rayleigh_block:L", "one per L uses", _rayleigh, WHOLE, ("4",)),
    Row("rayleigh_fast", "one per use", lambda: _rayleigh(1)),
    Row("rician:K", "one per image, K linear", _rician, REAL, ("1", "4")),
    Row("nakagami:m", "one per image, m >= 0.5", _nakagami, HALF, ("0.75", "2")),
    Row(
        "tdl:PROFILE",
        "OFDM over 3GPP multipath A to E",
        _tdl,
        LINK,
        ("A", "D:30kmh", "C:300ns:120kmh"),
    ),
)


def _offset(channel: Any, ppm: float) -> "Channel":
    return _impaired(channel, offset_ppm=ppm)


def _amplifier(channel: Any, backoff_db: float) -> "Channel":
    return _impaired(channel, backoff_db=backoff_db)


def _impaired(channel: Any, **settings: Any) -> "Channel":
    from dataclasses import replace

    from channels.ofdm.waveform import ImpairedChannel

    if isinstance(channel, ImpairedChannel):
        return replace(channel, **settings)
    return ImpairedChannel(channel=channel, **settings)


def _ls(channel: "Channel", pilots: int | None) -> "Channel":
    from channels.estimate import EstimatedChannel

    return EstimatedChannel(channel=channel, method="ls", own_pilots=pilots)


def _lmmse(channel: "Channel", pilots: int | None) -> "Channel":
    from channels.estimate import EstimatedChannel

    return EstimatedChannel(channel=channel, method="lmmse", own_pilots=pilots)


def _interleaved(channel: "Channel") -> "Channel":
    from channels.interleave import InterleavedChannel

    return InterleavedChannel(channel=channel)


def _within(words: str, least: float, most: float, unit: str = "") -> Callable[[str], float]:
    """Return a parser of numbers within a range."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError(f"{words} must be {least:g} to {most:g}{unit}, got {text}")
        return value

    return read


def _pilots(text: str) -> int | None:
    if text == BEST:
        return None
    return int(_within("pilots of an estimated channel", 1, MOST_PILOTS)(text))


SIGNED: Final = "-?" + UNSIGNED
COUNT: Final = Parameter(
    f"[0-9]+|{BEST}", _pilots, f"a whole number from 1 to {MOST_PILOTS}, or {BEST}"
)
PPM: Final = Parameter(
    SIGNED,
    _within("the frequency offset", -MOST_OFFSET_PPM, MOST_OFFSET_PPM, " ppm"),
    "a number, such as 0.1",
)
BACKOFF: Final = Parameter(
    SIGNED,
    _within("the back-off", LEAST_BACKOFF_DB, MOST_BACKOFF_DB, " dB"),
    "a number, such as 6",
)

WRAPPERS: Final = (  # in the order in which they are applied, and named
    Row("cfo:PPM", "a carrier frequency offset, only with tdl", _offset, PPM),
    Row("pa:BACKOFF", "a power amplifier, dB above the mean, only with tdl", _amplifier, BACKOFF),
    Row("ls:P", "the gain estimated by least squares from P charged pilots, or best", _ls, COUNT),
    Row("lmmse:P", "estimated by LMMSE", _lmmse, COUNT),
    Row("interleaved", "symbols spread over the grid", _interleaved),
)
OFDM_ALONE: Final = ("cfo", "pa")
ONE_OF: Final = (("ls", "lmmse"),)


def _in_words(rows: Sequence[Row]) -> str:
    return ", ".join(
        f"{row.pattern} ({row.meaning})" if row.meaning else row.pattern for row in rows
    )


CHANNEL_NAMES: Final = _in_words(CHANNELS)
WRAPPER_NAMES: Final = _in_words(WRAPPERS)

EXAMPLES: Final = tuple(name for row in CHANNELS for name in row.examples)
ESTIMATED: Final = (
    *("rayleigh+ls:4", "tdl:A:300ns+ls:8", "tdl:A:300ns+lmmse:8"),
    *("tdl:D:30kmh+lmmse:8", "tdl:C:300ns:120kmh+lmmse:8"),
)  # examples for semlink doctor and the tests


def channel_from_name(name: str) -> "Channel":
    """Return the channel of this name, such as "awgn", "rician:4" or "tdl:A:300ns+lmmse:8".

    Case does not matter, nor does the order of the additions after "+".

    Raises: ValueError with a one-line message for any other name.
    """
    (row, numbers), *wrappers = _read(name)
    channel = row.make(*numbers)
    for wrapper, own in wrappers:
        channel = wrapper.make(channel, *own)
    return channel


def is_named(channel: "Channel") -> bool:
    """Whether a channel can be made again from its name, as workers and later runs do."""
    try:
        return channel_from_name(channel.name) == channel
    except ValueError:
        return False


def check_name(name: str) -> None:
    """Check a name without making its channel. Raises: as `channel_from_name`."""
    _read(name)


def _read(name: str) -> list[Called]:
    """Parse a name: the channel, then its additions in the order in which they are applied."""
    first, *others = name.lower().split("+")
    channel = _part(first, CHANNELS, name)
    if channel is None:
        hint = _suggestion(first, CHANNELS)
        raise ValueError(f"channel must be one of {CHANNEL_NAMES}; got {name!r}{hint}")
    wrappers = []
    for text in others:
        part = _part(text, WRAPPERS, name)
        if part is None:
            hint = _suggestion(text, WRAPPERS)
            raise ValueError(
                f"what comes after + in a channel's name must be one of {WRAPPER_NAMES}; got "
                f"{name!r}{hint}"
            )
        wrappers.append(part)
    _check_together(channel, [part.row.kind for part in wrappers], name)
    return [channel, *sorted(wrappers, key=lambda part: WRAPPERS.index(part.row))]


def _part(text: str, rows: Sequence[Row], name: str) -> Called | None:
    """The row and the parameter of one part of a name; None if no row matches."""
    kind, colon, number = text.partition(":")
    for row in rows:
        if kind != row.kind:
            continue
        if row.parameter is None:
            return None if colon else Called(row, ())
        if number:
            return Called(row, (_number(row, row.parameter, number, name),))
    return None


def _number(row: Row, parameter: Parameter, text: str, name: str) -> Any:
    """Parse the parameter after the colon. Raises: ValueError that states what it must be."""
    if not re.fullmatch(parameter.form, text):
        raise ValueError(
            f"{row.letter} of {row.pattern} must be {parameter.rule}, got {text!r}, in {name!r}"
        )
    try:
        return parameter.number(text)
    except ValueError as error:
        raise ValueError(f"{error}, in {name!r}") from None


def _check_together(channel: Called, kinds: Sequence[str], name: str) -> None:
    """Raises: ValueError if an addition does not fit the channel, or two exclude each other."""
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"{kind} must come once after + in a channel's name, got {name!r}")
        if kind in OFDM_ALONE and channel.row.kind != "tdl":
            raise ValueError(f"{kind} must come after an OFDM channel, such as tdl:A, got {name!r}")
    for names in ONE_OF:
        if len(set(names) & set(kinds)) > 1:
            raise ValueError(f"give either {' or '.join(names)}, not both, got {name!r}")


def _suggestion(text: str, rows: Sequence[Row]) -> str:
    """A hint ("did you mean") at the most similar name; empty if no name is similar."""
    patterns = {row.kind: row.pattern for row in rows}
    near = difflib.get_close_matches(text.partition(":")[0], patterns, n=1)
    return f"; did you mean {patterns[near[0]]}?" if near else ""
