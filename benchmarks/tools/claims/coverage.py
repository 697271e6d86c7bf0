"""Numbers of a text that must have a source: each must be in a claim or an exception.

These are decimal fractions, numbers with separated thousands, and numbers before `%` or `points`,
lists and intervals included. Code, addresses, versions, sections of documents, arXiv numbers and
"95 % interval" do not count.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.tools.claims.words import NUMBER, Slot, spaced
from simulator.errors import UserError

BETWEEN = r"(?:\s*/\s*|\s*,\s*|\s+(?:to|and|or|against|of)\s+)"
MEASURED = re.compile(rf"{NUMBER.pattern}(?:{BETWEEN}{NUMBER.pattern})*\s+(?:%|points?\b)")
FRACTION = re.compile(r"[-+]?\d+(?:,\d{3})*\.\d+|[-+]?\d+(?:,\d{3})+")
CODE = re.compile(r"^```.*?^```|`[^`]*`|\]\([^)]*\)|https?://\S+", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"\b(?:Python|Sionna|TR|TS|section) [\d.]*\d|\b\d{4}\.\d{5}\b|\b95 % interval")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
Span = tuple[int, int]


class Exempt(NamedTuple):
    """An exception: words or a whole section whose numbers need no table, and the reason."""

    reason: str
    words: str = ""
    section: str = ""


def numbers(text: str) -> Iterator[Slot]:
    """Every number that must have a source, in order."""
    plain = _without(NAMES, _without(CODE, text)).replace("+-", "  ")
    found = {number.span() for number in _measured(plain)}
    found |= {number.span() for number in FRACTION.finditer(plain) if _free(plain, number)}
    for start, end in sorted(found):
        yield Slot(start, end, text[start:end])


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Replace matches by spaces, so that the rest of the text keeps its position."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _measured(plain: str) -> Iterator[re.Match[str]]:
    for several in MEASURED.finditer(plain):
        for number in NUMBER.finditer(plain, several.start(), several.end()):
            if _free(plain, number):
                yield number


def _free(plain: str, number: re.Match[str]) -> bool:
    """Whether a number is not part of a name or number, nor a setting such as `k = 256`."""
    before, after = plain[: number.start()][-2:], plain[number.end() :][:2]
    return not re.search(r"[\w.]\Z|=\s\Z", before) and not re.match(r"\w|[.,]\d", after)


def exempted(exempt: Exempt, text: str) -> list[Span]:
    """The spans of text that an exception covers. Raises: UserError if there are none."""
    spans = [_section(exempt.section, text)] if exempt.section else []
    if exempt.words:
        spans = [match.span() for match in re.finditer(spaced(exempt.words), text)]
    if not spans:
        raise UserError("the words of an exception must stand in the text, but do not")
    return spans


def _section(title: str, text: str) -> Span:
    """The span from a heading to the next heading of the same or a higher level."""
    headings = list(HEADING.finditer(text))
    own = next((heading for heading in headings if heading[2] == title), None)
    if own is None:
        raise UserError("an exception must name a heading of the text, but there is no such one")
    after = (
        each for each in headings if each.start() > own.start() and len(each[1]) <= len(own[1])
    )
    return own.start(), next((each.start() for each in after), len(text))
