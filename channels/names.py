"""The table of channels: the name of each, what it means, and how it is read.

Nothing heavy is imported before a channel is made, so that a wrong name is told at once.
"""

import difflib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from channels.base import Channel

__all__ = ["CHANNELS", "CHANNEL_NAMES", "EXAMPLES", "Row", "channel_from_name", "row_of"]


class Parameter(NamedTuple):
    """How the number after the colon of a name is written."""

    form: str  # regular expression
    number: Callable[[str], float]


WHOLE: Final = Parameter("0*[1-9][0-9]*", int)  # from 1
REAL: Final = Parameter(r"[0-9]+(\.[0-9]+)?", float)  # from 0, without sign or exponent


class Row(NamedTuple):
    """A channel, or a kind of channels that differ in one number."""

    pattern: str  # the name as a user reads it, a letter in place of the number
    meaning: str
    make: Callable[..., "Channel"]  # called with the number, if there is one
    parameter: Parameter | None = None
    tried: tuple[str, ...] = ()  # numbers that semlink doctor and the tests try

    @property
    def kind(self) -> str:
        """The name up to the colon."""
        return self.pattern.partition(":")[0]

    @property
    def examples(self) -> list[str]:
        """Names of channels to measure."""
        if self.parameter is None:
            return [self.pattern]
        return [f"{self.kind}:{number}" for number in self.tried]


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


CHANNELS: Final = (
    Row("awgn", "", _awgn),
    Row("rayleigh", "one gain per image", lambda: _rayleigh(None)),
    Row("rayleigh_block:L", "one per L uses", _rayleigh, WHOLE, ("4",)),
    Row("rayleigh_fast", "one per use", lambda: _rayleigh(1)),
    Row("rician:K", "one per image, K linear", _rician, REAL, ("1", "4")),
    Row("nakagami:m", "one per image, m >= 0.5", _nakagami, REAL, ("0.75", "2")),
)

CHANNEL_NAMES: Final = ", ".join(
    f"{row.pattern} ({row.meaning})" if row.meaning else row.pattern for row in CHANNELS
)

EXAMPLES: Final = tuple(name for row in CHANNELS for name in row.examples)


def channel_from_name(name: str) -> "Channel":
    """Give the channel of this name, such as "awgn", "rayleigh_block:4" or "rician:4".

    Capitals count as small letters.

    Raises: ValueError in one line for any other name.
    """
    row = row_of(name)
    if row.parameter is None:
        return row.make()
    return row.make(row.parameter.number(name.partition(":")[2]))


def row_of(name: str) -> Row:
    """The row that a channel's name belongs to. Raises: as `channel_from_name`."""
    kind, colon, text = name.lower().partition(":")
    for row in CHANNELS:
        if kind == row.kind and row.parameter is None and not colon:
            return row
        if kind == row.kind and row.parameter and re.fullmatch(row.parameter.form, text):
            return row
    raise ValueError(f"channel must be one of {CHANNEL_NAMES}; got {name!r}{_suggestion(kind)}")


def _suggestion(kind: str) -> str:
    """A question about the name that is most like this one; nothing where none is like it."""
    patterns = {row.kind: row.pattern for row in CHANNELS}
    near = difflib.get_close_matches(kind, patterns, n=1)
    return f"; did you mean {patterns[near[0]]}?" if near else ""
