"""Cached outputs of finished parts for the shared views, saved view by view and resumable.

A view is stored in pieces of at most 15 MiB, images in data order, so that a cache computed on
another machine is easy to copy.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from simulator.description.basis import Part
from simulator.description.origin import Origin
from simulator.device import Precision
from simulator.errors import TimeUp, UserError
from simulator.progress import progress, skip
from simulator.storage.files import cached_tensors, load_tensors, save_tensors
from simulator.training.run import SHARED, TrainingRun, in_chunks

PIECE_BYTES = 15 * 2**20
HEADER_BYTES = 2**16  # room for the JSON header of a piece


def cached(
    run: TrainingRun, part: Part, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Load tensors from the cache, or compute and save them; they are on the run's device.

    `part` describes what they depend on besides the shared views. A cache file with another origin
    is replaced.
    """
    origin = _origin(run, part)
    path = run.folder / "cache" / f"{part.name}.safetensors"
    if (tensors := cached_tensors(path, origin.key)) is None:
        tensors = compute()
        save_tensors(path, tensors, origin.header)
    return {key: tensor.to(run.device) for key, tensor in tensors.items()}


def cached_views(
    run: TrainingRun, part: Part, views: int, compute: Callable[[int], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Like `cached`, for V views: tensors [V, N, ...]; `compute(v)` returns view v, each [N, ...].

    Raises: TimeUp at the run's deadline; finished views stay in the cache.
    """
    cache = ViewCache(run.folder / "cache" / part.name, _origin(run, part))
    found = []
    with progress(total=views, desc=f"{part.name} of views", unit="view", delay=2) as bar:
        for view in range(views):
            tensors = cache.load(view)
            if tensors is not None:
                skip(bar, 1)
            else:
                if time.monotonic() > run.deadline:
                    raise TimeUp
                tensors = compute(view)
                cache.save(view, tensors)
                bar.update()
            found.append(tensors)
    return {key: torch.stack([own[key] for own in found]).to(run.device) for key in found[0]}


def cached_features(
    run: TrainingRun, part: Part, network: Callable[[Tensor], Tensor], precision: Precision
) -> Tensor:
    """Outputs of a frozen network for all shared views, float16 [V, N, D]; see `cached_views`."""

    def compute(view: int) -> dict[str, Tensor]:
        told = in_chunks(network, run.view(SHARED, view), precision=precision)
        return {"features": told.half()}

    return cached_views(run, part, run.recipe.views, compute)["features"]


def _origin(run: TrainingRun, part: Part) -> Origin:
    return run.origin(part._replace(description=(*run.recipe.seen, *part.description)))


@dataclass(frozen=True)
class ViewCache:
    """A folder with the pieces of all views."""

    folder: Path
    origin: Origin

    def load(self, view: int) -> dict[str, Tensor] | None:
        """Tensors [N, ...] of a view; None unless all its pieces exist and have this origin."""
        pieces: list[dict[str, Tensor]] = []
        done, images = 0, 1
        while done < images:
            try:
                tensors, header = load_tensors(self._path(view, done))
            except UserError:  # missing or damaged
                return None
            if header.get("key") != self.origin.key:
                return None
            images = header["images"]
            done += len(next(iter(tensors.values())))
            pieces.append(tensors)
        return {key: torch.cat([piece[key] for piece in pieces]) for key in pieces[0]}

    def save(self, view: int, tensors: dict[str, Tensor]) -> None:
        """Save tensors [N, ...] of a view. The first piece comes last: it marks a complete view."""
        images = len(next(iter(tensors.values())))
        bytes_each = sum(own[0].numel() * own.element_size() for own in tensors.values())
        most = max(1, (PIECE_BYTES - HEADER_BYTES) // bytes_each)
        header = {**self.origin.header, "images": images}
        for first in reversed(range(0, images, most)):
            piece = {key: own[first : first + most] for key, own in tensors.items()}
            save_tensors(self._path(view, first), piece, header)

    def _path(self, view: int, first: int) -> Path:
        return self.folder / f"view_{view:02}_from_{first}.safetensors"
