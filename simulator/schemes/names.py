"""Labels behind a scheme's name that say what its two ends know wrongly."""

import re
from typing import NamedTuple

OFFSET = re.compile(r"([+-]\d+(?:\.\d+)?)dB")


PILOTS = re.compile(r"pilot([1-9]\d*)")


class LinkError(NamedTuple):
    """Imperfect knowledge of the channel."""

    snr_offset_db: float  # by how much the SNR that both ends believe in is too high
    pilots: int  # from how many pilots the gain is estimated; 0: it is known


def link_error(label: str) -> LinkError | None:
    """`+3dB` or `-6dB`: the reported SNR is off; `pilot1`: the gain is estimated; "": neither.

    None for every other label.
    """
    if not label:
        return LinkError(0.0, 0)
    if match := OFFSET.fullmatch(label):
        return LinkError(float(match[1]), 0)
    if match := PILOTS.fullmatch(label):
        return LinkError(0.0, int(match[1]))
    return None
