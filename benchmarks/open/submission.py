"""A submission as a Python file: constants that describe it, and a function `scheme(task)`."""

import hashlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from benchmarks.open.about import About, about_of
from benchmarks.open.task import Task
from simulator.data.dataset import Dataset, Split
from simulator.errors import UserError, shown
from simulator.scheme import Scheme
from simulator.storage.files import file_hash

MODULE = "semlink_submission"  # module name of a submitted file while it runs
CONSTANTS = {"name": "NAME", "authors": "AUTHORS", "description": "DESCRIPTION", "link": "LINK"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """The argument of `scheme(task)`: the task and images to train on, but no test images."""

    name: str
    channels: tuple[str, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]  # C, H, W
    train: Split | None  # images uint8 [N, C, H, W], labels int64 [N]; None if --data has none
    validation: Split | None
    folder: Path  # of the submitted file
    read: dict[str, str] = field(default_factory=dict, repr=False)  # file of weights -> SHA-256

    @classmethod
    def of(cls, task: Task, dataset: Dataset, folder: Path) -> "Given":
        """The argument for a submission in this folder."""
        return cls(
            name=task.name,
            channels=task.channels,
            snr_db=task.snr_db,
            channel_uses=task.channel_uses,
            classes=dataset.classes,
            image_shape=dataset.image_shape,
            train=dataset.train,
            validation=dataset.validation,
            folder=folder,
        )

    def weights(self, name: str) -> dict[str, Tensor]:
        """The tensors of a safetensors file beside the submission; its SHA-256 enters the entry.

        Raises: UserError if the file is missing or not a safetensors file.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
            tensors = load(content)
        except (OSError, SafetensorError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"{path} must be a safetensors file, but: {why}") from None
        self.read[name] = hashlib.sha256(content).hexdigest()
        return tensors


@dataclass(frozen=True)
class Submission:
    """A submitted file that was run: its description and its function `scheme`."""

    path: Path
    about: About
    function: Any

    def schemes(self, given: Given) -> tuple[list[Scheme], Mapping[str, str]]:
        """Call `scheme(task)`; returns its schemes, and the SHA-256 of the file and its weights.

        Raises: UserError if the function fails or returns anything but schemes.
        """
        try:
            found = self.function(given)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            what = said(error, self.path)
            raise UserError(f"{self.path}: scheme(task) raised {what}") from error
        schemes = list(found) if isinstance(found, Iterable) else [found]
        if not schemes or not all(isinstance(own, Scheme) for own in schemes):
            raise UserError(
                f"{self.path}: scheme(task) must return a scheme, such as "
                f"semlink.own_scheme(...), or a list of schemes, got {shown(found)}"
            )
        if unnamed := next((own for own in schemes if not hasattr(own, "name")), None):
            raise UserError(f"{self.path}: class {type(unnamed).__name__} must have a name")
        return schemes, {self.path.name: file_hash(self.path), **given.read}


def read_submission(path: Path) -> Submission:
    """Run a submitted file.

    Raises: UserError if it cannot be read or run, or lacks a constant or the function.
    """
    module = _run(path)
    names = {key: getattr(module, name, None) for key, name in CONSTANTS.items()}
    about = about_of(names, where=f"{path}, constants {', '.join(CONSTANTS.values())}")
    function = getattr(module, "scheme", None)
    if not callable(function):
        raise UserError(f"{path} must have a function scheme(task), got {shown(function)}")
    return Submission(path, about, function)


def _run(path: Path) -> ModuleType:
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} must be Python: {error}") from None
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module  # dataclasses look up their module there
    try:
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} must run, but raised {said(error, path)}") from error
    return module


def said(error: BaseException, path: Path) -> str:
    """An error in words, with the line of the submitted file at which it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"
