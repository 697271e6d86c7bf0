"""Expressions that compute numbers from selected cells: a small, explicit set of operations.

An expression is a selection (`tables.py`), a number, or a TOML table of one operation and its
arguments, such as `{ max = { minus = ["main a *: accuracy", "main b *: accuracy"] } }`.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from inspect import signature
from itertools import pairwise
from typing import Any

from benchmarks.tools.claims.tables import COMPARE, Tables
from simulator.errors import UserError, did_you_mean

Numbers = list[Decimal]
Expression = str | int | Decimal | Mapping[str, Any]
BOUNDS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}
TINY = Decimal("1e-12")  # rounds off the noise of binary fractions


def evaluate(expression: Expression, tables: Tables) -> Numbers:
    """All numbers of an expression. Raises: UserError if it is wrong or selects wrong rows."""
    if isinstance(expression, str):
        return tables.select(expression)
    if isinstance(expression, int | Decimal):
        return [Decimal(expression)]
    name = _operation(expression)
    told = expression[name]
    arguments = [evaluate(each, tables) for each in (told if isinstance(told, list) else [told])]
    if name in BOUNDED:
        return _applied(name, BOUNDED[name], [*arguments, _meets(expression)])
    return _applied(name, OPERATIONS[name], arguments)


def _applied(name: str, operation: Callable[..., Numbers], arguments: list[Any]) -> Numbers:
    try:
        signature(operation).bind(*arguments)
    except TypeError:
        raise UserError(f"{name} does not take this number of arguments") from None
    return operation(*arguments)


def bounded(expression: Mapping[str, Any], tables: Tables) -> bool:
    """Whether all numbers of `of` are within the bounds beside it.

    Raises: UserError if `of` or its bounds are missing or unknown.
    """
    if (
        "of" not in expression
        or not expression.keys() - {"of"}
        or expression.keys() - BOUNDS.keys() - {"of"}
    ):
        raise UserError(f"a bound must be `of` with one of {[*BOUNDS]}, got {[*expression]}")
    meets = _meets(expression)
    return all(meets(value) for value in evaluate(expression["of"], tables))


def shown(expression: Expression) -> str:
    """An expression in one line, such as `max(minus(A, B))`."""
    if not isinstance(expression, Mapping):
        return str(expression)
    bounds = "".join(f" {word} {expression[word]}" for word in BOUNDS if word in expression)
    parts = [
        f"{name}({', '.join(map(shown, told if isinstance(told, list) else [told]))})"
        for name, told in expression.items()
        if name not in BOUNDS
    ]
    return " ".join(parts).removeprefix("of") + bounds


def _operation(expression: Mapping[str, Any]) -> str:
    names = [name for name in expression if name not in BOUNDS]
    if len(names) != 1 or names[0] not in {*OPERATIONS, *BOUNDED}:
        near = did_you_mean(" ".join(names), [*OPERATIONS, *BOUNDED])
        raise UserError(f"an expression must hold one known operation, got {names}{near}")
    return names[0]


def _meets(expression: Mapping[str, Any]) -> Callable[[Decimal], bool]:
    bounds = [
        (COMPARE[BOUNDS[name]], limit) for name, limit in expression.items() if name in BOUNDS
    ]
    return lambda value: all(compare(_clean(value), limit) for compare, limit in bounds)


def _clean(value: Decimal) -> Decimal:
    return value.quantize(TINY)


def _paired(
    operation: Callable[[Decimal, Decimal], Decimal],
) -> Callable[[Numbers, Numbers], Numbers]:
    """Apply an operation element by element; a single number is broadcast."""

    def applied(first: Numbers, second: Numbers) -> Numbers:
        length = max(len(first), len(second))
        first, second = _long(first, length), _long(second, length)
        _check_length(first, second)
        return [operation(a, b) for a, b in zip(first, second, strict=True)]

    return applied


def _long(numbers: Numbers, length: int) -> Numbers:
    return numbers * length if len(numbers) == 1 else numbers


def _check_length(first: Numbers, second: Numbers) -> None:
    if len(first) != len(second) or not first:
        raise UserError(
            f"two selections must have the same length and not be empty, got {len(first)}, "
            f"{len(second)}"
        )


def _ratio(a: Decimal, b: Decimal) -> Decimal:
    if not b:
        raise UserError("a ratio must not divide by zero")
    return a / b


def _some(reduce: Callable[[Numbers], Decimal]) -> Callable[[Numbers], Numbers]:
    """Reduce numbers to a single one. The result raises UserError if there are no numbers."""

    def reduced(numbers: Numbers) -> Numbers:
        if not numbers:
            raise UserError("max, min and mean must get numbers, but no row meets the conditions")
        return [reduce(numbers)]

    return reduced


def _mean(numbers: Numbers) -> Decimal:
    return sum(numbers, Decimal(0)) / len(numbers)


def _means(numbers: Numbers, size: Numbers) -> Numbers:
    """Means of groups of `size` consecutive numbers."""
    step = int(size[0])
    return [_mean(numbers[start : start + step]) for start in range(0, len(numbers), step)]


def _at(choose: Callable[..., Decimal]) -> Callable[[Numbers, Numbers], Numbers]:
    """The first number where the second argument is largest or smallest."""

    def found(numbers: Numbers, measure: Numbers) -> Numbers:
        _check_length(numbers, measure)
        return [numbers[measure.index(choose(measure))]]

    return found


def _kept(numbers: Numbers, measure: Numbers, meets: Callable[[Decimal], bool]) -> Numbers:
    """The numbers where the second argument is within the bounds."""
    _check_length(numbers, measure)
    return [number for number, each in zip(numbers, measure, strict=True) if meets(each)]


def _since(places: Numbers, measure: Numbers, meets: Callable[[Decimal], bool]) -> Numbers:
    """The lowest place from which on the measure is within the bounds."""
    failed = _kept(places, measure, lambda value: not meets(value))
    return _one(min, (place for place in places if not failed or place > max(failed)))


def _until(places: Numbers, measure: Numbers, meets: Callable[[Decimal], bool]) -> Numbers:
    """The highest place up to which the measure is within the bounds."""
    failed = _kept(places, measure, lambda value: not meets(value))
    return _one(max, (place for place in places if not failed or place < min(failed)))


def _crossing(places: Numbers, measure: Numbers) -> Numbers:
    """Where the measure first changes its sign, by linear interpolation between two places."""
    _check_length(places, measure)
    points = list(zip(places, measure, strict=True))
    for (a, high), (b, low) in pairwise(points):
        if high * low < 0:
            return [a + (b - a) * high / (high - low)]
    raise UserError("crossing must find a change of sign, but there is none")


def _one(choose: Callable[[list[Decimal]], Decimal], places: Iterable[Decimal]) -> Numbers:
    found = list(places)
    if not found:
        raise UserError("since and until must find a place within the bounds, but none is")
    return [choose(found)]


def _counted(numbers: Numbers, meets: Callable[[Decimal], bool]) -> Numbers:
    return [Decimal(sum(map(meets, numbers)))]


OPERATIONS: dict[str, Callable[..., Numbers]] = {
    "max": _some(max),
    "min": _some(min),
    "mean": _some(_mean),
    "means": _means,
    "range": lambda numbers: [*_some(min)(numbers), *_some(max)(numbers)],
    "sum": lambda numbers: [sum(numbers, Decimal(0))],
    "list": lambda *parts: [number for part in parts for number in part],
    "abs": lambda numbers: [abs(number) for number in numbers],
    "negative": lambda numbers: [-number for number in numbers],
    "minus": _paired(lambda a, b: a - b),
    "times": _paired(lambda a, b: a * b),
    "ratio": _paired(_ratio),
    "larger": _paired(max),
    "crossing": _crossing,
    "at_max": _at(max),
    "at_min": _at(min),
}
BOUNDED: dict[str, Callable[..., Numbers]] = {
    "count": _counted,
    "keep": _kept,
    "since": _since,
    "until": _until,
}
