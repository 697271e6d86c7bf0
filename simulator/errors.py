"""What the command line tells in one line."""

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake of the user: what must hold, what came, the way out, in one line."""


class Stopped(Exception):
    """The user stopped the work: what is kept and how to go on, in one line."""


class TimeUp(Exception):
    """The time given to a training is over; its checkpoint is written."""


@contextmanager
def in_one_line(command: str) -> Iterator[None]:
    """Turn a user's mistake into one line and exit status 2, where a module is the command."""
    try:
        yield
    except UserError as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` for the nearest of the known names, empty if none is near."""
    by_letters = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return f"; did you mean {by_letters[near[0]]}?" if near else ""
