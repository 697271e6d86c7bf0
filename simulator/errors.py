"""Errors of the command line and of the functions of `semlink`, each in one line."""

import difflib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from simulator.names import RECIPES

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

LONGEST_SHOWN = 60  # characters of a value in an error
FLAGS = {"fresh", "from-scratch", "bit-true"}
TRAIN = re.compile(r"semlink train (\S+?)((?: --[a-z-]+ [^\s,;]+)*)(?=[\s,;]|$)")
OPTION = re.compile(r"--([a-z][a-z-]*)(?: ([A-Z]+|\d+(?:\.\d+)?)\b)?")


class UserError(ValueError):
    """A mistake of the user: what must hold, what was given, the way out, in one line."""


class Error(ValueError):
    """Raised for a wrong argument.

    One line says what is allowed, what was given and how to fix it.
    """

    __module__ = "semlink"


class Stopped(Exception):
    """The user stopped the work: what is kept and how to resume, in one line."""


class TimeUp(Exception):
    """The time limit of a training run is reached; its checkpoint is written."""


@contextmanager
def in_one_line(command: str) -> Iterator[None]:
    """Turn a user's mistake into one line and exit status 2, for modules run with python -m."""
    try:
        yield
    except UserError as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def naming_arguments(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Wrap a function so that its errors name arguments in place of command-line options.

    Ctrl-C raises KeyboardInterrupt, with what is kept.
    """

    @functools.wraps(function)
    def called(*arguments: Arguments.args, **named: Arguments.kwargs) -> Value:
        try:
            return function(*arguments, **named)
        except Stopped as stop:
            raise KeyboardInterrupt(in_python(str(stop))) from None
        except ValueError as error:
            from channels.own import WrongChannel

            if not isinstance(error, UserError | WrongChannel):
                raise
            raise Error(
                " ".join(in_python(str(error)).split())
            ) from error.__cause__  # the error within a user's function

    return called


def in_python(text: str) -> str:
    """Replace options in an error by arguments: "add --data DIR" becomes "add data=DIR"."""
    return OPTION.sub(_argument, TRAIN.sub(_call, text)).replace("RECIPE", "recipe")


def _argument(match: re.Match[str]) -> str:
    value = match[2] or ("True" if match[1] in FLAGS else "")
    return match[1].replace("-", "_") + (f"={value}" if value else "")


def _call(match: re.Match[str]) -> str:
    """The call of `semlink.train` for a command `semlink train`."""
    recipe, options = match[1], match[2].split()
    if recipe not in RECIPES and not recipe.endswith(".toml"):
        return match[0]
    named = (
        f"{name[2:].replace('-', '_')}={value if value.isupper() else repr(value)}"
        for name, value in zip(options[::2], options[1::2], strict=True)
    )
    return f"semlink.train({', '.join([repr(recipe), *named])})"


def shown(value: object) -> str:
    """A value, for an error: type and shape of an array, a shortened repr of anything else."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape and dtype is not None:
        return f"{dtype} {list(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` for the nearest of the known names, empty if none is near."""
    by_letters = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return f"; did you mean {by_letters[near[0]]}?" if near else ""
