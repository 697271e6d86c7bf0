"""From the text of a command-line option to a checked value; every mistake is one line.

Nothing heavy is imported here: see `simulator.commands.options`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from simulator.errors import UserError

MOST_POINTS = 10_000  # entries of one axis of a sweep
MOST_REALIZATIONS = 10_000  # channel draws per image and point
MOST_WORKERS = 1024
MOST_SEED = 2**31 - 1
MOST_USES = 100_000  # channel uses per image
MOST_COUNT = 1e12
FARTHEST_SNR_DB = 100.0  # farther out, single precision overflows
SNR_DIGITS, FINEST_STEP_DB = 4, 1e-4  # then six digits, as tables and figures have, tell SNRs apart


def parse_snr_db(text: str, *, option: str = "--snr-db") -> tuple[float, ...]:
    """`-10:20:2` (both ends included) or `-10,0,10` to SNRs in dB, ascending, without repeats.

    They are rounded to 0.0001 dB; what is equal then is one SNR, and so are 0 and -0.
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
    """Rounded, ascending, each once; adding 0.0 makes 0.0 of -0.0."""
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
    """Channel draws per image and point: of every channel, and those of single ones by name."""

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
            single[name] = value
        elif every is None:
            every = value
        else:
            raise UserError(hint)
    return Realizations(every, single)


def parse_names(text: str, *, option: str = "") -> tuple[str, ...]:  # noqa: ARG001 - any will do
    """`a,b` to names without spaces and repeats, in the given order."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def in_range(option: str, value: int, least: int, most: int) -> int:
    """Check a whole number. Raises: UserError naming the option."""
    if not least <= value <= most:
        raise UserError(f"{option} must be a whole number from {least} to {most}, got {value}")
    return value


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
