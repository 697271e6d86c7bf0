"""What a sweep leaves out, and why."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from simulator.errors import UserError


class LeftOut(NamedTuple):
    """A scheme that is not swept, at one k or at any, over some channels or over all."""

    scheme: str
    why: str  # follows the scheme's name, as "serves k in {16}"
    k: int | None = None  # None: at every k, because it is not trained
    channels: tuple[str, ...] = ()  # empty: all

    @property
    def trained(self) -> bool:
        """True if the scheme is trained, so that it is left out for another reason."""
        return self.k is not None

    @property
    def reason(self) -> str:
        """The reason and the channels; k follows them."""
        where = f"{', '.join(self.channels)} with " if self.channels else ""
        return f"{self.why}: {where}"

    @property
    def text(self) -> str:
        """What is left out and why, in one line."""
        if not self.trained:
            return f"{self.scheme} left out, it is not trained: {self.why}"
        return f"{self.scheme} {self.reason}k = {self.k} left out"


def left_out_of(run: Mapping[str, Any]) -> list[LeftOut]:
    """What a sweep left out, from its description in run.json.

    Raises: UserError if an earlier version of semlink wrote it.
    """
    try:
        listed = run.get("left_out", ())
        return [LeftOut(**{**own, "channels": tuple(own["channels"])}) for own in listed]
    except (TypeError, KeyError):
        raise UserError(
            "run.json must list what is left out by scheme; the same semlink sweep again writes "
            "it, and computes nothing anew"
        ) from None
