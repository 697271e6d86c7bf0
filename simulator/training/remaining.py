"""Messages about a training run: its parts in order, and an estimate of the remaining time.

Costs are relative to one training image of the student. The time per unit of cost is measured on
the part with the largest completed cost. Computing the cached outputs for the views is not counted.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator.description.basis import Part
from simulator.description.changes import mapped
from simulator.description.stages import TrainConfig
from simulator.progress import announce

SURE = 3.0, 0.01  # seconds and share of the total cost to measure before estimating


class RemainingTime:
    """The parts to train, in order, and an estimate of the time that they take."""

    def __init__(
        self,
        costs: Mapping[str, float] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = announce,
    ) -> None:
        self._left = dict(costs or {})  # remaining cost of every unfinished part
        self._names = tuple(self._left)
        self._whole = sum(self._left.values())
        self._clock, self._tell = clock, tell
        self._now = ""  # the part that is being trained
        self._last: float | None = None  # end of its last step, by the clock
        self._spent = 0.0  # seconds, in all timed steps
        self._measured: dict[str, tuple[float, float]] = {}  # part -> (cost done, seconds)
        self._told = False

    def __len__(self) -> int:
        return len(self._names)

    def announce(self) -> None:
        """Announce the parts to train, in order."""
        parts = [f"{number} {name}" for number, name in enumerate(self._names, start=1)]
        what = f"{len(parts)} part{'s' if len(parts) > 1 else ''} to train: {', '.join(parts)}"
        self._tell(what if parts else "every part is finished already")

    def begin(self, name: str, share: float) -> str:
        """Start a part at this share of its steps; return the title of its progress bar."""
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
        """Record that the part has reached this share of its steps. The first step is not timed."""
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
        """Estimated seconds for the remaining steps."""
        done, seconds = self._most
        return sum(self._left.values()) * seconds / done


def costs(parts: Iterable[Part], images: int) -> dict[str, float]:
    """Part name to the cost of training it on this number of images; 0 if it has no epochs."""
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
    """A duration as rounded text: 40 s, 4 min, 2.5 h."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 99 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
