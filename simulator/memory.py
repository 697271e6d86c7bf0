"""Lets the process keep the memory of freed tensors, to use it again."""

import ctypes
import sys
from typing import Final

KEPT: Final = 2**28  # bytes; larger blocks are returned to the system
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)


def keep_freed_memory() -> None:
    """Let this process use freed memory again; without glibc nothing changes.

    By default glibc returns a block of more than 32 MB to the system at once. Every page of the
    next block is then mapped and cleared anew, which takes much of the time of a network that
    processes blocks of images.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, KEPT)
        mallopt(TRIM_THRESHOLD, KEPT)
