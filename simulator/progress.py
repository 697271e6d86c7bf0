"""Progress on stderr: a bar on a terminal, otherwise one line per minute and one at the end.

The speed shown is the recent one.
"""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from tqdm import tqdm

EVERY = 60.0  # seconds between two lines if stderr is no terminal
UP = "\x1b[A"  # moves the cursor one line up, to the bar above
TEXT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"

# otherwise tqdm makes a semaphore in every process, which a killed worker leaves behind
tqdm.set_lock(threading.RLock())


class _Lines:
    """A stream that writes every state of a bar as a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a state without its control characters; write nothing for a cleared bar."""
        line = text.replace(UP, "").strip()
        if line:
            self._stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """Do nothing; tqdm calls it."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return False: this is not a terminal."""
        return False


class _Bar(tqdm):  # type: ignore[type-arg]  # cannot have them at run time
    """A bar whose remaining time comes from `left`, where its speed would mislead."""

    left: Callable[[], float | None] = staticmethod(lambda: None)  # seconds; None: by the speed

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values from which tqdm formats the bar."""
        told = dict(super().format_dict)
        seconds = self.left()
        if seconds is None:
            return told
        return {**told, "bar_format": TEXT, "remaining": self.format_interval(seconds)}


class _LinesBar(_Bar):
    """A bar that is written as lines; the last line is its final state."""

    short = True  # whether to write the last line even if there was no other

    def close(self) -> None:
        """Write the last line, once."""
        shown = self.last_print_t >= self.start_t + (self.delay or 0)
        if not self.disable and self.n and (shown or self.short):
            self.fp.write(str(self))
        super().close()


def progress(items: Iterable[Any] | None = None, **settings: Any) -> Any:
    """A bar of tqdm with these settings.

    If stderr is no terminal, work of less than a minute is reported by one line when it ends, or by
    none with `leave=False`.
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
    """Exclude the time of other work, so that it does not lower the speed of a bar."""
    bar.start_t += seconds
    bar.last_print_t += seconds


def announce(line: str) -> None:
    """Print a line on stderr, above any bars."""
    tqdm.write(f"semlink: {line}", file=sys.stderr)


def skip(bar: Any, count: int) -> None:
    """Count items that were finished earlier as done, without effect on the speed."""
    bar.n += count
    bar.initial += count
    bar.last_print_n += count
    if bar.delay < EVERY:
        bar.refresh()
