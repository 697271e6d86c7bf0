"""Words of a text with placeholders: find them, and format the numbers that they must hold.

`{name}` holds one number with one digit after the point. `{name:0}` has none, `{name:2}` two,
`{name:0floor}` and `{name:0ceil}` round down and up ("at least", "at most"), `{name:+1}` shows the
sign, and `{name:,-2}` rounds to hundreds and separates thousands. `{name| / }` holds several
numbers separated by ` / `, and `{name|and}` a list as in "1, 2 and 3".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from itertools import pairwise

from benchmarks.tools.claims.values import TINY, Numbers
from simulator.errors import UserError

NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?")
PLACEHOLDER = re.compile(r"\{(\w+)(?::([+,]*)(-?\d)(floor|ceil)?)?(?:\|([^{}]+))?\}")
AND = "and"
ROUNDING = {None: ROUND_HALF_UP, "floor": ROUND_FLOOR, "ceil": ROUND_CEILING}


@dataclass(frozen=True)
class Placeholder:
    """How the numbers of one placeholder are written."""

    name: str
    flags: str
    digits: int
    rounding: str
    separator: str | None

    def written(self, numbers: Numbers) -> list[str]:
        """Each number as text. Raises: UserError for none, or several without a separator."""
        if not numbers or (len(numbers) > 1 and self.separator is None):
            raise UserError(f"{{{self.name}}} must be one number, got {len(numbers)}")
        return [self._written(number.quantize(TINY)) for number in numbers]

    def _written(self, number: Decimal) -> str:
        step = Decimal(1).scaleb(-self.digits)
        rounded = number.quantize(step, rounding=self.rounding)
        return format(rounded, f"{self.flags}f") if rounded else format(abs(rounded), "f")

    def joined(self, numbers: Sequence[str]) -> str:
        """Several numbers as one text."""
        if self.separator == AND and len(numbers) > 1:
            return f"{', '.join(numbers[:-1])} and {numbers[-1]}"
        return (self.separator or "").join(numbers)

    @property
    def pattern(self) -> str:
        """Regular expression for the numbers in its place, as a group of its name."""
        between = r"(?:,|\s+and)\s+" if self.separator == AND else spaced(self.separator or "")
        more = f"(?:{between}{NUMBER.pattern})*" if self.separator else ""
        return rf"(?<![\d.])(?P<{self.name}>{NUMBER.pattern}{more})(?!\d|[.,]\d)"


@dataclass(frozen=True, order=True)
class Slot:
    """One number of a text: its place and its characters."""

    start: int
    end: int
    text: str


def placeholders(words: str) -> list[Placeholder]:
    """All placeholders. Raises: UserError if braces hold anything else."""
    found = [_placeholder(match) for match in PLACEHOLDER.finditer(words)]
    if words.count("{") != len(found):
        raise UserError(f"braces must hold a placeholder such as {{name:1}}, got {words}")
    return found


def _placeholder(match: re.Match[str]) -> Placeholder:
    name, flags, digits, rounding, separator = match.groups()
    return Placeholder(name, flags or "", int(digits or 1), ROUNDING[rounding], separator)


def find(words: str, text: str) -> re.Match[str]:
    """Find the words in the text; a line break counts as a space.

    Raises: UserError if they are not found exactly once.
    """
    found = list(re.finditer(_pattern(words), text))
    if len(found) != 1:
        raise UserError(f"the words must stand once in the text, but stand {len(found)} times")
    return found[0]


def _pattern(words: str) -> str:
    ends = [0, *(place for match in PLACEHOLDER.finditer(words) for place in match.span())]
    literal = [spaced(words[a:b]) for a, b in pairwise([*ends, len(words)])][::2]
    patterns = [each.pattern for each in placeholders(words)]
    parts = [part for pair in zip(literal, [*patterns, ""], strict=True) for part in pair]
    return "".join(parts)


def spaced(words: str) -> str:
    """Regular expression for the words, in which white space matches any white space."""
    return r"\s+".join(re.escape(part) for part in re.split(r"\s+", words))


def slots(match: re.Match[str], name: str) -> Iterator[Slot]:
    """The numbers in the place of a placeholder."""
    start, text = match.start(name), match[name]
    for number in NUMBER.finditer(text):
        yield Slot(start + number.start(), start + number.end(), number[0])
