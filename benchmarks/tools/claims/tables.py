"""Committed tables, and the cells that a number comes from.

A selection has the name of a table, values of its key columns, further conditions, and the wanted
columns:

    main rkd_sc awgn 16,64 * accuracy>50: snr_db,accuracy

Commas separate several values, and their rows come in this order; `*` stands for any value. A value
in quotes may hold spaces and commas, and `*` for any part of it. Columns of fractions (`percent` in
tables.toml) are converted to percent.
"""

import csv
import json
import operator
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from simulator.errors import UserError, did_you_mean

Row = Mapping[str, str]
TOKEN = re.compile(r"(?:[^\s']|'[^']*')+")
CONDITION = re.compile(r"(\w+)(>=|<=|<|>|=)(.+)")
COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Table:
    """A table with its key columns; the rows are read when they are first needed."""

    name: str
    keys: tuple[str, ...]
    percent: frozenset[str]
    read: Callable[[], Sequence[Row]]

    @cached_property
    def rows(self) -> Sequence[Row]:
        """All rows. Raises: UserError if there are none."""
        return self.read()

    def number(self, row: Row, column: str) -> Decimal:
        """A cell, in percent if its column holds fractions. Raises: UserError if not a number."""
        self.check_column(column)
        value = as_number(row[column])
        if value is None:
            raise UserError(f"{column} of table {self.name} must be a number, got {row[column]!r}")
        return 100 * value if column in self.percent else value

    def check_column(self, column: str) -> None:
        """Raises: UserError if there is no such column."""
        if column not in self.rows[0]:
            near = did_you_mean(column, self.rows[0])
            raise UserError(f"table {self.name} has no column {column}{near}")


def read_rows(path: Path) -> Sequence[Row]:
    """Rows of a CSV file, a JSON file or a folder of weights.

    A JSON file has one row, whose columns are dotted paths. A folder has a row for each part of the
    weights, with its number of `parameters`.
    Raises: UserError if the file does not exist, or a CSV file has no rows.
    """
    if not path.exists():
        raise UserError(f"a table must be a file, but there is no {path}")
    if path.is_dir():
        return [_part(file) for file in sorted(path.glob("*.safetensors"))]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [dict(_flat(json.loads(text, parse_float=str), ""))]
    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise UserError(f"a table must have rows, but {path} has none")
    return rows


def _part(path: Path) -> Row:
    with safe_open(path, framework="numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    return {"part": path.stem, "parameters": str(sum(map(prod, shapes)))}


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    pairs = enumerate(value) if isinstance(value, list) else ()
    for name, part in value.items() if isinstance(value, dict) else pairs:
        yield from _flat(part, f"{path}.{name}" if path else str(name))
    if not isinstance(value, dict | list):
        yield path, str(value)


def as_number(text: str) -> Decimal | None:
    """The text as a finite decimal number, or None if it is not one."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


class Tables:
    """The tables that claims may name; each file is read once, when it is first needed."""

    def __init__(self, listing: Path, folder: Path, *others: Table) -> None:
        """Take `others`, and the tables in `folder` that `listing` names. Raises: UserError."""
        found = [
            Table(
                name,
                tuple(kind.get("keys", ())),
                frozenset(kind.get("percent", ())),
                partial(read_rows, folder / place),
            )
            for kind in read_toml(listing).values()
            for name, place in kind["files"].items()
        ]
        self._tables = {table.name: table for table in [*found, *others]}

    def __getitem__(self, name: str) -> Table:
        if name not in self._tables:
            near = did_you_mean(name, self._tables)
            raise UserError(f"a selection must begin with a table of tables.toml, got {name}{near}")
        return self._tables[name]

    def select(self, selection: str) -> list[Decimal]:
        """The selected cells, row by row.

        Raises: UserError if a row is missing or found twice, or a cell is not a number.
        """
        words, _, columns = selection.rpartition(": ")
        if not words:
            raise UserError(f"a selection must be `TABLE KEY ...: COLUMN`, got {selection}")
        name, *tokens = TOKEN.findall(words)
        table = self[name]
        rows = _chosen(table, tokens, selection)
        return [table.number(row, column) for row in rows for column in columns.split(",")]


def read_toml(path: Path) -> dict[str, Any]:
    """A file of claims or tables. Raises: UserError if it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise UserError(f"there must be a file {path}, but there is none") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} must be TOML: {error}") from None


def _chosen(table: Table, tokens: list[str], selection: str) -> list[Row]:
    conditions = [match for token in tokens if (match := _condition(token))]
    keys = [token for token in tokens if not _condition(token)]
    if len(keys) != len(table.keys):
        told = " ".join(table.keys) or "none"
        raise UserError(f"`{selection}` must give the keys {told}, got {len(keys)} of them")
    wanted = dict(zip(table.keys, map(_values, keys), strict=True))
    rows = [row for row in table.rows if _matches(row, wanted)]
    expected = prod(map(len, wanted.values())) if "*" not in "".join(keys) else None
    if not rows or (expected is not None and len(rows) != expected):
        raise UserError(f"`{selection}` must give {expected or 'some'} rows, got {len(rows)}")
    rows = [row for row in rows if all(_holds(table, row, match) for match in conditions)]
    return sorted(rows, key=lambda row: _place(row, wanted))


def _condition(token: str) -> re.Match[str] | None:
    return None if token.startswith("'") else CONDITION.fullmatch(token)


def _values(token: str) -> list[str]:
    """The values that a key may have."""
    return [token[1:-1]] if token.startswith("'") else token.split(",")


def _matches(row: Row, wanted: Mapping[str, list[str]]) -> bool:
    return all(any(_same(row[key], value) for value in values) for key, values in wanted.items())


def _same(cell: str, value: str) -> bool:
    """Whether both are equal as texts or as numbers: -10 in a claim matches -10.0 in a table."""
    same_text = fnmatchcase(cell, value) if "*" in value else cell == value
    return same_text or (as_number(cell) is not None and as_number(cell) == as_number(value))


def _holds(table: Table, row: Row, match: re.Match[str]) -> bool:
    """Whether a cell meets a condition; a cell that is not a number meets none."""
    column, relation, value = match.groups()
    limit = as_number(value)
    table.check_column(column)
    if limit is None:
        raise UserError(f"a condition must compare with a number, got {match[0]}")
    return as_number(row[column]) is not None and COMPARE[relation](
        table.number(row, column), limit
    )


def _place(row: Row, wanted: Mapping[str, list[str]]) -> list[tuple[Decimal, str]]:
    """Sort key of rows: order of the list, or value, so that selections of two tables align."""
    return [
        _value(row[key]) if values == ["*"] else (_listed(row[key], values), "")
        for key, values in wanted.items()
    ]


def _value(cell: str) -> tuple[Decimal, str]:
    number = as_number(cell)
    return (Decimal(0), cell) if number is None else (number, "")


def _listed(cell: str, values: list[str]) -> Decimal:
    return Decimal(next(place for place, value in enumerate(values) if _same(cell, value)))
