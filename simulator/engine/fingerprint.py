"""A fingerprint of a user's object: source text and values of it and of all that it refers to.

A journal tells by it whether a scheme or a channel is still that of earlier units.
"""

import functools
import hashlib
import inspect
import itertools
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from channels.base import Channel
from simulator.errors import UserError
from simulator.schemes.own import OwnScheme

OURS = ("simulator", "channels", "models", "benchmarks", "semlink")
INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, np.generic)


def fingerprint(value: object) -> str:
    """SHA-256 of an object: a function, a class, a module, a tensor, a scheme, a channel, ...

    It covers the source of the user's functions and classes, the values that they use (globals,
    closures, defaults, attributes), and weights and buffers. Of installed packages and of semlink
    it covers the names only.
    Raises: UserError if the source of a function or class cannot be read.
    """
    walk = _Walk()
    walk.add(value)
    return walk.found.hexdigest()


class _Walk:
    """Visits an object and all that it refers to, each once."""

    def __init__(self) -> None:
        self.found = hashlib.sha256()
        self._seen: dict[int, tuple[int, object]] = {}  # by id; holds the object, so ids stay valid

    def add(self, value: Any) -> None:
        """Add one object."""
        if isinstance(value, PLAIN):
            self._tell("plain", repr(value))
        elif id(value) in self._seen:
            self._tell("again", self._seen[id(value)][0])
        else:
            self._seen[id(value)] = (len(self._seen), value)
            kinds = ((kind, add) for kind, add in self._kinds.items() if isinstance(value, kind))
            _, add = next(kinds, (None, self._object))
            add(value)

    @property
    def _kinds(self) -> dict[Any, Callable[[Any], None]]:
        """How to add objects of some types; the first that fits holds."""
        return {
            (FunctionType, type): self._code,
            BuiltinFunctionType: lambda own: self._tell(
                "built in", own.__module__, own.__qualname__
            ),
            MethodType: lambda own: self._all("method", [own.__name__, own.__self__]),
            ModuleType: lambda own: self._tell("package", own.__name__),
            functools.partial: lambda own: self._all("partial", [own.func, own.args, own.keywords]),
            Tensor: lambda own: self._tensor(own.detach().cpu().contiguous()),
            np.ndarray: self._array,
            nn.Module: self._network,
            Mapping: lambda own: self._all("mapping", itertools.chain(*own.items())),
            (list, tuple): lambda own: self._all("list", own),
            (set, frozenset): lambda own: self._all("set", sorted(own, key=repr)),
        }

    def _object(self, value: Any) -> None:
        """The class of an object, and its attributes unless it is of an installed package."""
        self.add(getattr(value, "__wrapped__", type(value)))
        if _is_users(type(value)) or isinstance(value, Channel | OwnScheme):
            self.add(getattr(value, "__dict__", {}))

    def _network(self, value: nn.Module) -> None:
        """The class, attributes, weights, buffers and members of a module."""
        own = {name: each for name, each in vars(value).items() if name[0] != "_"}
        own.pop("training", None)
        tensors = [*value.named_parameters(recurse=False), *value.named_buffers(recurse=False)]
        self._all("network", [type(value), own, tensors, dict(value.named_children())])

    def _code(self, value: FunctionType | type) -> None:
        """The source of a function or class and all that it uses, or the name if it is installed.

        Raises: UserError if the source cannot be read.
        """
        self._tell("named", value.__module__, value.__qualname__)
        if not _is_users(value):
            return
        try:
            self._tell("source", inspect.getsource(value))
        except (OSError, TypeError):
            raise UserError(
                f"with out, the source of {value.__qualname__} must be readable, because the "
                "journal depends on it; define it in a file or notebook, or leave out `out`"
            ) from None
        if isinstance(value, type):
            self._all("bases", value.__bases__)
            for own in map(_function, vars(value).values()):
                if own is not None:
                    self._used(own)
        else:
            self._all("defaults", [value.__defaults__, value.__kwdefaults__])
            self._used(value)

    def _used(self, function: FunctionType) -> None:
        """The globals and the variables of outer functions that a function uses."""
        names = sorted(_names(function.__code__) & function.__globals__.keys())
        self._all("globals", [function.__globals__[name] for name in names])
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not assigned yet
                self._tell("empty")

    def _tensor(self, value: Tensor) -> None:
        """Type, shape and numbers."""
        self._tell("tensor", value.dtype, list(value.shape))
        self.found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())

    def _array(self, value: np.ndarray[Any, Any]) -> None:
        if value.dtype.hasobject:
            self.add(value.tolist())
        else:
            self._tell("array", value.dtype, list(value.shape))
            self.found.update(value.tobytes())

    def _all(self, kind: str, values: Iterable[Any]) -> None:
        values = list(values)
        self._tell(kind, len(values))
        for value in values:
            self.add(value)

    def _tell(self, *parts: object) -> None:
        self.found.update(repr(tuple(map(str, parts))).encode())


def _function(value: Any) -> FunctionType | None:
    """The function of an entry of a class: a method, a property or a cached property."""
    found = getattr(value, "fget", None) or getattr(value, "func", None) or value
    found = inspect.unwrap(found) if callable(found) else found
    return found if isinstance(found, FunctionType) else None


def _names(code: CodeType) -> set[str]:
    """The names of globals and attributes that some code and the functions in it use."""
    inner = [own for own in code.co_consts if isinstance(own, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _is_users(value: FunctionType | type) -> bool:
    """Whether a function or class is neither of semlink nor installed."""
    module = value.__module__ or ""
    if module.partition(".")[0] in (*OURS, "builtins"):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not any(Path(file).is_relative_to(own) for own in INSTALLED)
