"""Changes to frozen descriptions: to all nested values, or to named fields."""

import dataclasses
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import models
from simulator.errors import UserError, did_you_mean

Tree = TypeVar("Tree")
Change = Callable[[Any], Any]
WORDS: dict[Any, str] = {  # types in plain words
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple: "a list in square brackets",
}


def mapped(tree: Tree, change: Change) -> Tree:
    """Apply `change` to every value nested in a description, innermost values first."""
    result: Tree = change(_rebuilt(tree, lambda own: mapped(own, change)))
    return result


def exchanged(tree: Tree, *pairs: tuple[Any, Any]) -> Tree:
    """Replace every value equal to `old` in a description by `new`, for all pairs (old, new).

    All changes are made at once, so that a dataclass that checks its fields sees all of them.
    Inside a replaced value nothing more is replaced.
    """
    value: Any = tree
    for old, new in pairs:
        if type(value) is type(old) and value == old:
            result: Tree = new
            return result
    return _rebuilt(tree, lambda own: exchanged(own, *pairs))


def _rebuilt(tree: Tree, change: Change) -> Tree:
    """Apply `change` to the fields of a dataclass or the items of a tuple; else return `tree`."""
    value: Any = tree
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        new = {name: change(old) for name, old in own.items()}
        changed = {name: new[name] for name in own if new[name] is not own[name]}
        value = dataclasses.replace(value, **changed) if changed else value
    elif type(value) is tuple:
        new_items = tuple(change(item) for item in value)
        same = all(new is old for new, old in zip(new_items, value, strict=True))
        value = value if same else new_items
    result: Tree = value
    return result


def changed(config: Any, table: Mapping[str, Any], where: str, hint: Any = None) -> Any:
    """Replace fields of a dataclass by those of a TOML table; nested tables change nested fields.

    If a table has `type`, the name of another config in `models`, that config is built from the
    table, which must then hold all its fields without a default. It must have the type `hint`, by
    default that of `config`. Items of a list that are dataclasses, such as the stages of a network,
    are tables with all their fields.
    Raises: UserError naming the setting, with the prefix `where`.
    """
    if not isinstance(table, Mapping):
        raise UserError(f"{where} must be a table, [{where}] and settings below it, got {table!r}")
    fields = {f.name for f in dataclasses.fields(config) if f.init}
    kind = type(config)
    own = dict(table)
    if (name := own.pop("type", None)) is not None and name != kind.__name__:
        return _built(name, own, where, hint or kind)
    values, hints = {}, get_type_hints(kind)
    for key, value in own.items():
        if key not in fields:
            raise UserError(
                f"{where}.{key} is not a setting: {where} has {', '.join(sorted(fields))}"
                f"{did_you_mean(key, fields)}"
            )
        old = getattr(config, key)
        if dataclasses.is_dataclass(old):
            values[key] = changed(old, value, f"{where}.{key}", hints[key])
        else:
            values[key] = _fitting(value, hints[key], f"{where}.{key}")
    return _made(lambda: dataclasses.replace(config, **values), where)


def _built(name: str, table: Mapping[str, Any], where: str, hint: Any) -> Any:
    known = [own for own in models.__all__ if own.endswith("Config")]
    if name not in known:
        hint = did_you_mean(str(name), known)
        raise UserError(f"{where}.type must be one of {', '.join(known)}, got {name!r}{hint}")
    made, wanted = _whole(getattr(models, name), table, where), get_args(hint) or (hint,)
    if not isinstance(made, wanted):
        names = ", ".join(own.__name__ for own in wanted)
        raise UserError(f"{where}.type must be {names}, got {name!r}")
    return made


def _whole(kind: type, table: Any, where: str) -> Any:
    """The dataclass `kind` with fields from a TOML table. Raises: UserError if it is none."""
    if not isinstance(table, Mapping):
        fields = ", ".join(f.name for f in dataclasses.fields(kind) if f.init)
        raise UserError(f"{where} must be a table with {fields}, got {table!r}")
    hints = get_type_hints(kind)
    if unknown := sorted(table.keys() - hints.keys()):
        raise UserError(f"{where}.{unknown[0]} is not a setting of {kind.__name__}")
    values = {key: _fitting(value, hints[key], f"{where}.{key}") for key, value in table.items()}
    return _made(lambda: kind(**values), where)


def _made(make: Callable[[], Any], where: str) -> Any:
    try:
        return make()
    except (TypeError, ValueError) as error:
        reason = re.sub(r"^\w+\.__init__\(\) ", "", str(error))
        raise UserError(f"{where}: {reason}") from None


def _fitting(value: Any, hint: Any, where: str) -> Any:
    """Convert a value from TOML to the type of a field. Raises: UserError if it does not fit."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next((each for each in get_args(hint) if each is not type(None)), hint)
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise UserError(f"{where} must be one of {', '.join(get_args(hint))}, got {value!r}")
    if get_origin(hint) is tuple and isinstance(value, list):
        return _items(value, hint, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _whole(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = WORDS.get(get_origin(hint) or hint, getattr(hint, "__name__", str(hint)))
    raise UserError(f"{where} must be {wanted}, got {value!r}")


def _items(values: list[Any], hint: Any, where: str) -> tuple[Any, ...]:
    item, *others = get_args(hint)
    if others != [...] and len(values) != 1 + len(others):
        raise UserError(f"{where} must be a list of {1 + len(others)} values, got {values!r}")
    return tuple(_fitting(each, item, where) for each in values)
