"""What the command line tells in one line."""

import sys
from collections.abc import Iterator
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
