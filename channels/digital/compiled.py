"""Compilation of the decoders with Numba."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function with Numba; cache it on disk for other processes if that is possible."""
    try:
        made: Function = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither the source folder nor the home folder is writable
        made = numba.njit(error_model="numpy")(function)
    return made
