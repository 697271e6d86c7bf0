"""What a training run is going to do: its parts by number, and about how long they take.

The cost of a part is that of its training images, in images that the student learns from. What one
of these takes is measured on the part of which most is done; what finished parts say of the views
is not counted.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator.description.basis import Part
from simulator.description.changes import mapped
from simulator.description.stages import TrainConfig
from simulator.progress import announce

SURE = 3.0, 0.01  # seconds, and share of all costs, after which there is an estimate


class Schedule:
    """Parts in the order in which they are trained, and the time that they take."""

    def __init__(
        self,
        costs: Mapping[str, float] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = announce,
    ) -> None:
        self._left = dict(costs or {})  # of the parts that are not finished
        self._names = tuple(self._left)
        self._whole = sum(self._left.values())
        self._clock, self._tell = clock, tell
        self._now = ""  # the part that is being trained
        self._last: float | None = None  # when its last step ended
        self._spent = 0.0  # seconds
        self._measured: dict[str, tuple[float, float]] = {}  # cost done, in seconds
        self._told = False

    def __len__(self) -> int:
        return len(self._names)

    def announce(self) -> None:
        """Tell what comes, in order."""
        parts = [f"{number} {name}" for number, name in enumerate(self._names, start=1)]
        what = f"{len(parts)} part{'s' if len(parts) > 1 else ''} to train: {', '.join(parts)}"
        self._tell(what if parts else "every part is finished already")

    def begin(self, name: str, share: float) -> str:
        """A part goes on from this share of its steps; returns what its progress is called."""
        if name not in self._names:
            self._now = ""
            return name
        for earlier in self._names[: self._names.index(name)]:
            self._left.pop(earlier, None)
        self._now, self._last = name, None
        self._cost = self._left[name]
        self._left[name] = self._cost * (1 - share)
        title = f"part {self._names.index(name) + 1} of {len(self)}: {name}"
        left = f", about {duration(self._seconds)} left" if self._known else ""
        self._tell(f"{title}{left}")
        return title

    def reach(self, share: float) -> None:
        """The part has reached this share of its steps. The first step is not timed."""
        if not self._now:
            return
        now, left = self._clock(), self._cost * (1 - share)
        if self._last is not None:
            done, seconds = self._measured.get(self._now, (0.0, 0.0))
            step = now - self._last
            self._spent += step
            self._measured[self._now] = done + self._left[self._now] - left, seconds + step
        self._last, self._left[self._now] = now, left
        if self._known and not self._told:
            whole = f"all {len(self)} parts" if len(self) > 1 else "this part"
            self._tell(f"about {duration(self._spent + self._seconds)} for {whole}")
            self._told = True

    @property
    def _known(self) -> bool:
        done, seconds = self._most
        return seconds >= SURE[0] and done >= SURE[1] * self._whole

    @property
    def _most(self) -> tuple[float, float]:
        return max(self._measured.values(), default=(0.0, 0.0))

    @property
    def _seconds(self) -> float:
        """What the steps to come take, about."""
        done, seconds = self._most
        return sum(self._left.values()) * seconds / done


def costs(parts: Iterable[Part], images: int) -> dict[str, float]:
    """Parts by name, with the cost of training each on so many images; 0 without epochs."""
    parts = tuple(parts)
    found = {part.name: 0.0 for part in parts}
    for part in parts:
        for config in _trainings(part)[:1]:
            steps = config.epochs_on(images) * config.steps_on(images)
            found[part.name] = part.cost * steps * min(config.batch_size, images)
    return found


def _trainings(part: Part) -> Sequence[TrainConfig]:
    found: list[TrainConfig] = []

    def look(value: object) -> object:
        if isinstance(value, TrainConfig):
            found.append(value)
        return value

    mapped(part.description, look)
    return found


def duration(seconds: float) -> str:
    """A time to wait, as one says it: 40 s, 4 min, 2.5 h."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 99 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
