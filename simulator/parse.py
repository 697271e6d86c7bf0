"""From the text of a command-line option to a checked value; every error is one line.

Nothing heavy is imported here: see `simulator.commands.options`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

from channels.names import check_name
from simulator.errors import UserError, did_you_mean, shown
from simulator.names import RECIPES, SCHEMES

if TYPE_CHECKING:
    from channels.base import Channel

MOST_POINTS = 10_000  # entries of one axis of a sweep
MOST_REALIZATIONS = 10_000  # channel draws per image and point
MOST_WORKERS = 1024
MOST_SEED = 2**31 - 1
MOST_USES = 100_000  # channel uses per image
MOST_COUNT = 1e12
FARTHEST_SNR_DB = 100.0  # farther out, single precision overflows
SNR_DIGITS, FINEST_STEP_DB = 4, 1e-4  # so six digits, as in tables, tell SNRs apart


def parse_snr_db(text: str, *, option: str = "--snr-db") -> tuple[float, ...]:
    """`-10:20:2` (both ends included) or `-10,0,10` to SNRs in dB, ascending, without repeats.

    They are rounded to 0.0001 dB; values that are then equal, as 0 and -0, count as one SNR.
    """
    hint = f"{option} must be FIRST:LAST:STEP or a list such as -10,0,10 in dB, got {text!r}"
    try:
        numbers = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError:
        raise UserError(hint) from None
    if not all(abs(number) <= FARTHEST_SNR_DB for number in numbers):
        raise UserError(hint + f": every number must lie within +-{FARTHEST_SNR_DB:g} dB")
    if ":" not in text:
        return _distinct(numbers)
    if len(numbers) != 3:
        raise UserError(hint)
    first, last, step = numbers
    if step < FINEST_STEP_DB or last < first:
        raise UserError(hint + f": STEP must be at least {FINEST_STEP_DB} and LAST >= FIRST")
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > MOST_POINTS:
        raise UserError(hint + f": {count} points are more than {MOST_POINTS}; use a larger STEP")
    return _distinct(first + index * step for index in range(count))


def _distinct(numbers: Iterable[float]) -> tuple[float, ...]:
    """Round and sort, without repeats; adding 0.0 turns -0.0 into 0.0."""
    return tuple(sorted({round(number, SNR_DIGITS) + 0.0 for number in numbers}))


def parse_channel_uses(text: str, *, option: str = "--channel-uses") -> tuple[int, ...]:
    """`16,64` to channel uses, ascending, without repeats."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MOST_USES for part in parts):
        raise UserError(
            f"{option} must be whole numbers from 1 to 100000 such as 16,64, got {text!r}"
        )
    return tuple(sorted({int(part) for part in parts}))


class Realizations(NamedTuple):
    """Channel draws per image and point: for every channel, and for single ones by name."""

    every: int | None = None
    single: Mapping[str, int] = {}


def parse_realizations(text: str, *, option: str = "--realizations") -> Realizations:
    """`5` or `awgn=5,rayleigh=20`."""
    hint = f"{option} must be a whole number or like awgn=5,rayleigh=20, got {text!r}"
    every: int | None = None
    single: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().rpartition("=")
        if not number.isdecimal():
            raise UserError(hint)
        value = in_range(option, int(number), 1, MOST_REALIZATIONS)
        if name:
            single[parse_channel(name, option=option)] = value
        elif every is None:
            every = value
        else:
            raise UserError(hint)
    return Realizations(every, single)


def parse_recipe(text: str, *, option: str = "RECIPE") -> str:
    """The name of a recipe in lower case, or of a .toml file."""
    if text.endswith(".toml"):
        return text
    if text.lower() not in RECIPES:
        hint, known = did_you_mean(text, RECIPES), ", ".join(RECIPES)
        raise UserError(f"{option} must be one of {known}, or a file .toml, got {text!r}{hint}")
    return text.lower()


def parse_scheme(text: str, *, option: str = "--scheme", known: Sequence[str] = SCHEMES) -> str:
    """The name of a scheme in lower case, but for the B of +3dB; labels are not checked."""
    kind, *labels = text.strip().split(":")
    kind = as_known(kind, known)
    if kind not in known:
        raise unknown_scheme(text, known, option=option)
    return ":".join([kind, *(label.lower().replace("db", "dB") for label in labels)])


def unknown_scheme(text: str, known: Sequence[str], *, option: str) -> UserError:
    """The error for an unknown scheme; an empty `option` is not named."""
    names, hint = ", ".join(known), did_you_mean(text.partition(":")[0], known)
    prefix = f"{option}: " if option else ""
    return UserError(f"{prefix}unknown scheme {text!r}; choose from {names}{hint}")


def parse_schemes(text: str, *, option: str = "--schemes") -> tuple[str, ...]:
    """`a,b` to the names of schemes, or `all`, without repeats, in the given order."""
    names = (
        "all" if name.lower() == "all" else parse_scheme(name, option=option)
        for name in parse_names(text)
    )
    return tuple(dict.fromkeys(names))


def parse_channel(text: str, *, option: str = "--channel") -> str:
    """The name of a channel in lower case."""
    try:
        check_name(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
    return text.lower()


def check_pilots_named(channel: "Channel") -> None:
    """Raises: UserError if the number of pilots is left open; only a sweep can choose it."""
    if channel.pilots_open:
        raise UserError(
            f"{channel.name} must have a number of pilots here, such as "
            f"{channel.with_pilots(8).name}; only a sweep chooses the best"
        )


def parse_channels(text: str, *, option: str = "--channels") -> tuple[str, ...]:
    """`a,b` to the names of channels, without repeats, in the given order."""
    return tuple(dict.fromkeys(parse_channel(name, option=option) for name in parse_names(text)))


def parse_names(text: str, *, option: str = "") -> tuple[str, ...]:  # noqa: ARG001 - any will do
    """`a,b` to names without spaces and repeats, in the given order."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def as_known(name: str, known: Iterable[str]) -> str:
    """The known name that differs from this one only in case, else the name itself."""
    known = tuple(known)
    by_letters = {each.lower(): each for each in known}
    return name if name in known else by_letters.get(name.lower(), name)


def in_range(option: str, value: int, least: int, most: int) -> int:
    """Check a whole number, of Python or numpy. Raises: UserError naming the option."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise UserError(
            f"{option} must be a whole number from {least} to {most}, got {shown(value)}"
        )
    return int(value)


def one_of(option: str, value: object, known: Sequence[str]) -> None:
    """Check a choice. Raises: UserError naming the option."""
    if value not in known:
        raise UserError(f"{option} must be one of {', '.join(known)}, got {value!r}")


def whole(least: int, most: int) -> Callable[..., int]:
    """Return a parser of whole numbers in a range; its errors name the option."""

    def parse_whole(text: str, *, option: str) -> int:
        try:
            return in_range(option, int(text), least, most)
        except UserError:
            raise
        except ValueError:
            raise UserError(
                f"{option} must be a whole number from {least} to {most}, got {text!r}"
            ) from None

    return parse_whole


def parse_count(text: str, *, option: str) -> int:
    """`1.2M`, `300k` or `1200000` to a whole number above 0. Raises: UserError."""
    factor = {"k": 1e3, "m": 1e6}.get(text[-1:].lower(), 1.0)
    try:
        value = float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        value = math.nan
    if not 1 <= value <= MOST_COUNT:
        raise UserError(f"{option} must be a number such as 1.2M, 300k or 1200000, got {text!r}")
    return round(value)


def parse_percent(text: str, *, option: str = "--accuracy") -> float:
    """`90` or `90%` to 90.0. Raises: UserError."""
    try:
        return float(text.strip().removesuffix("%"))
    except ValueError:
        raise UserError(f"{option} must be a number in percent such as 90, got {text!r}") from None
