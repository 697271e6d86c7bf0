"""Titles of panels: the channels of one figure, as short as possible but distinct."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.figures.styles import channel_title

BEST = "the best number of"
ESTIMATE = re.compile(rf"(LMMSE|least squares) from (\d+|{BEST}) pilots")
METHODS = {"LMMSE": "LMMSE", "least squares": "LS"}
OFDM = {" ns": "delay spread", " km/h": "speed"}  # in titles only if OFDM channels differ in it


class Estimate(NamedTuple):
    """How a receiver estimates the gain: short for a title, and long in words."""

    short: str
    long: str


def estimate_of(name: str) -> Estimate | None:
    """How the gain is estimated on a channel of this name; None if it is known."""
    found = ESTIMATE.search(channel_title(name))
    if found is None:
        return None
    among = ", chosen on validation images, among the k uses" if found[2] == BEST else ""
    return Estimate(_brackets(found), found[0] + among)


def panel_titles(names: Sequence[str]) -> dict[str, str]:
    """A title for each channel, without a delay spread or speed that all OFDM links share.

    If the gain is estimated on some channels, the others are marked as perfect CSI.
    """
    shared = _shared(names) if len(names) > 1 else {}
    estimated = any(map(estimate_of, names)) and len(names) > 1
    titles = {}
    for name in names:
        parts = [
            _short(part) for part in channel_title(name).split(", ") if part not in shared.values()
        ]
        csi = ["perfect CSI"] if estimated and estimate_of(name) is None else []
        titles[name] = ", ".join(parts + csi)
    return titles


def shared_parts(names: Sequence[str]) -> list[str]:
    """The parts left out by `panel_titles`, in words, such as `delay spread 300 ns`."""
    return [f"{OFDM[unit]} {part}" for unit, part in _shared(names).items()]


def _shared(names: Sequence[str]) -> dict[str, str]:
    """Delay spread and speed by their units, each only if all OFDM channels have the same."""
    parts = [part for name in names for part in channel_title(name).split(", ")]
    found = {unit: {part for part in parts if part.endswith(unit)} for unit in OFDM}
    return {unit: values.pop() for unit, values in found.items() if len(values) == 1}


def _short(part: str) -> str:
    """A part of a channel's title, with an estimate in its short form."""
    return ESTIMATE.sub(_brackets, part)


def _brackets(found: re.Match[str]) -> str:
    """Short form of an estimate, its pilots in brackets: LMMSE (8), LS (best)."""
    return f"{METHODS[found[1]]} ({'best' if found[2] == BEST else found[2]})"
