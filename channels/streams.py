"""Named random streams, and their use inside Sionna blocks.

A stream is a `torch.Generator` seeded with a hash of the run's seed and of the stream's name. It
depends on nothing else, so the points of a sweep can be computed in any order. Sionna draws from a
generator of its own; `sionna_uses` loads the state of our stream into it while a block runs.
"""

import functools
import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Streams:
    """All random streams of one run: `streams("noise", "awgn", 10.0)` returns a seeded generator.

    Numbers in a name compare by value (10 and 10.0 name the same stream), and a number never equals
    a text ("10" is another stream). A CPU generator uses 32 bits of a seed, so names are hashed to
    32 bits. Code that plans very many streams must check with `seed_of` that no two collide.

    Raises: TypeError if seed is not an int, ValueError if it is negative.
    """

    seed: int  # of the whole run

    def __post_init__(self) -> None:
        """Check the seed."""
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be an int, got {type(self.seed).__name__} {self.seed!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    def seed_of(self, *name: str | int | float) -> int:
        """Seed of the stream with this name: 32 bits of the SHA-256 of (seed, name).

        Raises: ValueError if the name is empty or a number not finite; TypeError for other types.
        """
        if not name:
            raise ValueError('a stream must have a name, got none; for example streams("channel")')
        text = json.dumps([self.seed, *(_normal_part(part) for part in name)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def __call__(
        self, *name: str | int | float, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """Return a new generator, at the beginning of the stream with this name.

        Streams of one name on a CPU and on a GPU have equal seeds but different values.
        Raises: as `seed_of`.
        """
        return torch.Generator(device=device).manual_seed(self.seed_of(*name))


class PointStreams:
    """The streams of one sweep point: one generator per purpose, which continues across blocks.

    `PointStreams(streams, "awgn", 10.0)("noise")` begins as `streams("noise", "awgn", 10.0)`.
    Another call returns the same object in its current state. Create one instance per point, not
    per batch.
    """

    def __init__(self, streams: Streams, *name: str | int | float) -> None:
        """Store the run's streams and the name of the point."""
        self._streams = streams
        self._name = name
        self._begun: dict[tuple[str, torch.device], torch.Generator] = {}

    def __call__(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the generator of this purpose: created at first use, then the same object."""
        key = (purpose, torch.device(device))
        if key not in self._begun:
            self._begun[key] = self._streams(purpose, *self._name, device=device)
        return self._begun[key]


def _normal_part(part: str | int | float) -> str | int | float:
    """Normalise one part of a name: a whole float becomes an int."""
    if isinstance(part, bool) or not isinstance(part, str | int | float):
        raise TypeError(
            f"a stream is named by str, int or float, got {type(part).__name__} {part!r}"
        )
    if isinstance(part, float):
        if not math.isfinite(part):
            raise ValueError(f"a number in a stream's name must be finite, got {part}")
        return int(part) if part.is_integer() else part
    return part


@functools.cache
def sionna_phy() -> Any:
    """The module `sionna.phy`, imported at first use because the import takes seconds.

    The import seeds torch's global generators, CUDA's too, from the clock; they are restored.
    """
    # before CUDA is initialised there is no state to restore, and reading it would initialise CUDA
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        import sionna.phy

    return sionna.phy


def sionna_device(device: torch.device) -> str:
    """Sionna's name for a torch device: "cpu" or "cuda:0", never "cuda"."""
    if device.type == "cuda" and device.index is None:
        return f"cuda:{torch.cuda.current_device()}"
    return str(device)


@contextmanager
def sionna_uses(generator: torch.Generator) -> Iterator[None]:
    """Let Sionna draw from our stream inside the `with` block.

    Sionna's generator for the device is set to the state of `generator`. Afterwards `generator` is
    set to the advanced state, so that the stream continues after Sionna's draws, and Sionna's own
    state is restored.
    """
    borrower = sionna_phy().config.torch_rng(sionna_device(generator.device))
    own_state = borrower.get_state()
    borrower.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(borrower.get_state())
        borrower.set_state(own_state)
