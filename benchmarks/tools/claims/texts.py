"""A text and its claims: its problems, and the text corrected with the numbers of the tables."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tools.claims.coverage import Exempt, Span, exempted, numbers
from benchmarks.tools.claims.tables import Tables, read_toml
from benchmarks.tools.claims.values import Expression, bounded, evaluate, shown
from benchmarks.tools.claims.words import Placeholder, Slot, find, placeholders, slots
from simulator.errors import UserError

FIELDS = {"text", "words", "each", "holds"}  # of a claim; all others are placeholders


class Sourced(NamedTuple):
    """A number of a text, its correct value, and the expression that it is computed from."""

    slot: Slot
    wanted: str
    source: str


@dataclass(frozen=True)
class Claim:
    """Words of a text, the sources of their numbers, and bounds that must hold."""

    words: str
    sources: Mapping[str, Expression]
    holds: Sequence[Mapping[str, Any]] = ()

    def places(self, text: str) -> Iterator[tuple[Placeholder, list[Slot]]]:
        """The places of the numbers of each placeholder.

        Raises: UserError if the words are not exactly once in the text, or a source is missing.
        """
        written, match = placeholders(self.words), find(self.words, text)
        names = sorted(each.name for each in written)
        if names != sorted(self.sources):
            raise UserError(f"each of {names} must have a source, got those of {[*self.sources]}")
        for each in written:
            yield each, list(slots(match, each.name))

    def numbers(self, each: Placeholder, found: Sequence[Slot], tables: Tables) -> list[Sourced]:
        """The numbers of one placeholder. Raises: UserError if its source is invalid."""
        source = self.sources[each.name]
        wanted = each.written(evaluate(source, tables))
        return [Sourced(slot, text, shown(source)) for slot, text in _joined(found, wanted, each)]

    def hold(self, bound: Mapping[str, Any], tables: Tables) -> None:
        """Check a bound. Raises: UserError if it does not hold."""
        if not bounded(bound, tables):
            raise UserError(f"must hold but does not: {shown(bound)}")


def _joined(
    found: Sequence[Slot], wanted: Sequence[str], each: Placeholder
) -> Iterator[tuple[Slot, str]]:
    """Pair found and wanted numbers one by one, or all at once if their counts differ."""
    if len(found) == len(wanted):
        yield from zip(found, wanted, strict=True)
        return
    text = each.joined([slot.text for slot in found])
    yield Slot(found[0].start, found[-1].end, text), each.joined(wanted)


@dataclass
class Text:
    """A text, its claims and exceptions; `check` fills the other fields."""

    path: Path
    name: str
    claims: Sequence[Claim]
    exempt: Sequence[Exempt]
    sourced: list[Sourced] = field(default_factory=list)
    covered: list[Span] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # bytes, so that line ends stay as they are
        self.content = self.path.read_bytes().decode("utf-8")

    def check(self, tables: Tables) -> None:
        """Compute every number and compare it with the text."""
        for claim in self.claims:
            with self._told(claim.words):
                for each, found in claim.places(self.content):
                    self._cover(found)
                    with self._told(claim.words):
                        self.sourced += claim.numbers(each, found, tables)
            for bound in claim.holds:
                with self._told(claim.words):
                    claim.hold(bound, tables)
        for exempt in self.exempt:
            with self._told(exempt.words or exempt.section):
                self.covered += exempted(exempt, self.content)
        self.problems += map(self._differs, self.wrong)
        self.problems += map(self._without_source, self._uncovered())

    def _cover(self, found: Sequence[Slot]) -> None:
        for slot in found:
            if any(slot.start < end and start < slot.end for start, end in self.covered):
                raise UserError(f"{slot.text} must have one claim, but has two")
        self.covered += [(slot.start, slot.end) for slot in found]

    @contextmanager
    def _told(self, words: str) -> Iterator[None]:
        """Record an error as a problem of the text, so that the check goes on."""
        try:
            yield
        except UserError as error:
            self.problems.append(f'{self.name}: {error} (words "{words}")')

    @property
    def wrong(self) -> list[Sourced]:
        """The numbers that differ from their tables."""
        return [each for each in self.sourced if each.slot.text != each.wanted]

    def written(self) -> str:
        """The text with the numbers of the tables, all else unchanged."""
        content = self.content
        for slot, wanted, _ in sorted(self.wrong, reverse=True):
            content = content[: slot.start] + wanted + content[slot.end :]
        return content

    def line(self, slot: Slot) -> str:
        """Where a number stands, as FILE:LINE."""
        return f"{self.name}:{self.content.count(chr(10), 0, slot.start) + 1}"

    def _uncovered(self) -> Iterator[Slot]:
        for slot in numbers(self.content):
            if not any(start <= slot.start and slot.end <= end for start, end in self.covered):
                yield slot

    def _differs(self, each: Sourced) -> str:
        return (
            f"{self.line(each.slot)}: the text has {each.slot.text}, its table {each.wanted}; "
            f"--write corrects it ({each.source})"
        )

    def _without_source(self, slot: Slot) -> str:
        line = self.content[self.content.rfind("\n", 0, slot.start) + 1 :].split("\n", 1)[0]
        return f"{self.line(slot)}: {slot.text} must have a claim or an exception: {line.strip()}"


def read_texts(sidecars: Sequence[Path], root: Path) -> list[Text]:
    """Every text that the sidecars name, with all its claims and exceptions.

    The key `text` names the text of a whole sidecar, or of one claim or exception.
    Raises: UserError if a sidecar is invalid.
    """
    claims: dict[str, list[Claim]] = defaultdict(list)
    exempt: dict[str, list[Exempt]] = defaultdict(list)
    for sidecar in sidecars:
        told = read_toml(sidecar)
        for each in told.get("claim", ()):
            claims[_name(each, told, sidecar, root)] += _claims(each, sidecar)
        for each in told.get("except", ()):
            exempt[_name(each, told, sidecar, root)].append(_exempt(each, sidecar))
    return [Text(root / name, name, claims[name], exempt[name]) for name in {**claims, **exempt}]


def _name(each: Mapping[str, Any], told: Mapping[str, Any], sidecar: Path, root: Path) -> str:
    name = str(each.get("text", told.get("text", "")))
    if not (root / name).is_file():
        raise UserError(f"{sidecar} must name its text as `text = FILE`, got {name!r}")
    return name


def _exempt(told: Mapping[str, str], sidecar: Path) -> Exempt:
    told = {name: value for name, value in told.items() if name != "text"}
    place = told.keys() - {"reason"}
    if "reason" not in told or place not in ({"words"}, {"section"}):
        raise UserError(f"an exception in {sidecar} must have words or a section, and a reason")
    return Exempt(**told)


def _claims(told: Mapping[str, Any], sidecar: Path) -> Iterator[Claim]:
    """One claim, or with `each` one for each row of values, which replace $1, $2 and so on."""
    if "words" not in told:
        raise UserError(f"a claim in {sidecar} must have words, got {[*told]}")
    sources = {name: source for name, source in told.items() if name not in FIELDS}
    for values in told.get("each", [[]]):
        parts = values if isinstance(values, list) else [values]
        yield Claim(
            " ".join(_filled(told["words"], parts).split()),
            _filled(sources, parts),
            _filled(told.get("holds", []), parts),
        )


def _filled(value: Any, parts: Sequence[str]) -> Any:
    """Replace $1, $2 and so on in all texts of an expression."""
    if isinstance(value, dict):
        return {name: _filled(part, parts) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, parts) for part in value]
    if isinstance(value, str):
        for place, part in enumerate(parts, 1):
            value = value.replace(f"${place}", str(part))
    return value
