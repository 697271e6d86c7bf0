"""Progress on stderr: a bar on a terminal, elsewhere a line a minute and one at the end.

The speed is that of now.
"""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from tqdm import tqdm

EVERY = 60.0  # seconds between two lines where stderr is no terminal
TEXT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"

# else tqdm makes a semaphore in every process, and a worker that is killed leaves it behind
tqdm.set_lock(threading.RLock())


class _Lines:
    """A stream on which every state of a bar is a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what is left of a state without its control characters; a cleared bar is none."""
        line = text.strip("\r\n \x1b[A")
        if line:
            self._stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


class _Bar(tqdm):  # type: ignore[type-arg]  # cannot have them at run time
    """A bar whose time left may be an estimate of ours, where that of its speed is wrong."""

    left: Callable[[], float | None] = staticmethod(lambda: None)  # seconds; None: by its speed

    @property
    def format_dict(self) -> dict[str, Any]:
        """What its text is made from."""
        told = dict(super().format_dict)
        seconds = self.left()
        if seconds is None:
            return told
        return {**told, "bar_format": TEXT, "remaining": self.format_interval(seconds)}


class _LinesBar(_Bar):
    """A bar on lines: the state in which it ends is the last of them."""

    short = True  # whether work that has shown nothing has a last line too

    def close(self) -> None:
        """Write the last line, once."""
        shown = self.last_print_t >= self.start_t + (self.delay or 0)
        if not self.disable and self.n and (shown or self.short):
            self.fp.write(str(self))
        super().close()


def progress(items: Iterable[Any] | None = None, **settings: Any) -> Any:
    """A bar of tqdm with these settings.

    Where stderr is no terminal, work of less than a minute is one line when it ends; where the bar
    is to leave nothing on a terminal (`leave`), none.
    """
    stream = settings.pop("file", sys.stderr)
    if stream.isatty():
        return _Bar(items, file=stream, **settings)
    slow = {"mininterval": EVERY, "maxinterval": EVERY, "delay": EVERY}
    short = settings.pop("leave", True)
    bar: Any = _LinesBar(items, **{**settings, **slow, "leave": False, "file": _Lines(stream)})
    bar.short = short
    return bar


def wait(bar: Any, seconds: float) -> None:
    """Leave out seconds in which other work was done: they say nothing of the speed."""
    bar.start_t += seconds
    bar.last_print_t += seconds


def announce(line: str) -> None:
    """A line on stderr, above the bars that are there."""
    tqdm.write(f"semlink: {line}", file=sys.stderr)


def skip(bar: Any, count: int) -> None:
    """Count what was there already: it is done, but says nothing of the speed."""
    bar.n += count
    bar.initial += count
    bar.last_print_n += count
    if bar.delay < EVERY:
        bar.refresh()
