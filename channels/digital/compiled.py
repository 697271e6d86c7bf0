"""Compiling of decoders by numba."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiled by numba, once for all processes where it finds a folder for that."""
    try:
        made: Function = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither the source's folder nor the home can be written to
        made = numba.njit(error_model="numpy")(function)
    return made
