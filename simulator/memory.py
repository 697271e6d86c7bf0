"""Memory that large tensors free stays with the process."""

import ctypes
import sys
from typing import Final

KEPT: Final = 2**28  # bytes; larger blocks are given back
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)


def keep_freed_memory() -> None:
    """Let this process use freed memory again; without glibc nothing changes.

    By default glibc gives a block of more than 32 MB back at once. Every page of the next one is
    then mapped and cleared anew, which takes much of the time of a network that computes blocks of
    images.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, KEPT)
        mallopt(TRIM_THRESHOLD, KEPT)
