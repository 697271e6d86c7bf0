"""Progress bars on stderr: on a terminal alone, and with the speed of what is computed now."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(items: Iterable[Any] | None = None, **settings: Any) -> Any:
    """A bar of tqdm with these settings; nothing is written where stderr is no terminal."""
    return tqdm(items, disable=None, **settings)


def skip(bar: Any, count: int) -> None:
    """Count what was there already: it is done, but says nothing of the speed."""
    bar.n += count
    if not bar.disable:
        bar.initial += count
        bar.last_print_n += count
        bar.refresh()
