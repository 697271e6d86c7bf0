"""What a sweep leaves out, and why."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from simulator.errors import UserError


class LeftOut(NamedTuple):
    """A scheme that is not swept, at one k or at all, over some channels or all."""

    scheme: str
    why: str  # behind the scheme's name, such as "serves k in {16}"
    k: int | None = None  # None: at every k, because it is not trained
    channels: tuple[str, ...] = ()  # none named: all

    @property
    def trained(self) -> bool:
        """Whether it is left out for another reason than that."""
        return self.k is not None

    @property
    def reason(self) -> str:
        """The reason and the channels, in front of k."""
        where = f"{', '.join(self.channels)} with " if self.channels else ""
        return f"{self.why}: {where}"

    @property
    def text(self) -> str:
        """In one line."""
        if not self.trained:
            return f"{self.scheme} left out, it is not trained: {self.why}"
        return f"{self.scheme} {self.reason}k = {self.k} left out"


def left_out_of(run: Mapping[str, Any]) -> list[LeftOut]:
    """What the description of a sweep in run.json leaves out.

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
