"""Names that a user gives to schemes in legends and notes."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from matplotlib.mathtext import MathTextParser

from benchmarks.figures.styles import Style
from simulator.errors import UserError
from simulator.parse import as_known


def renamed(styles: Mapping[str, Style], names: Mapping[str, str]) -> dict[str, Style]:
    """The styles with `names` as titles of these schemes; mathematics stands between $ signs.

    Raises: UserError if a scheme is unknown, or a title is empty, not unique or not readable.
    """
    names = {as_known(scheme, styles): title for scheme, title in names.items()}
    if unknown := [scheme for scheme in names if scheme not in styles]:
        raise UserError(
            f"names must be given to schemes among {', '.join(styles)}; got {', '.join(unknown)}"
        )
    found = {
        scheme: replace(style, title=names.get(scheme, style.title))
        for scheme, style in styles.items()
    }
    counts = Counter(style.title for style in found.values())
    for title in counts:
        if not title.strip() or "\n" in title or counts[title] > 1:
            raise UserError(
                f"names in a legend must be distinct, not empty and of one line; got {title!r}"
            )
        _check_mathematics(title)
    return found


def _check_mathematics(title: str) -> None:
    """Matplotlib reads a text with an even number of $ signs as one with mathematics."""
    signs = len(re.findall(r"(?<!\\)\$", title))
    if signs and signs % 2 == 0:
        try:
            MathTextParser("path").parse(title)
        except ValueError:
            raise UserError(
                f"the mathematics in the name {title!r} is not readable; write \\$ for the sign"
            ) from None
