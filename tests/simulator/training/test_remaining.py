"""Progress messages of a training run: its parts and the time left, with a simulated clock."""

import pytest

from benchmarks.recipes import digits, images
from simulator.description.trial import warm_started
from simulator.training.remaining import RemainingTime, costs, duration


class Told:
    """A clock that is set manually, and the lines that were printed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []

    def remaining(self, **parts: float) -> RemainingTime:
        return RemainingTime(parts, clock=lambda: self.now, tell=self.lines.append)

    def train(
        self, remaining: RemainingTime, name: str, *, seconds: float, share: float = 0.0
    ) -> str:
        """Train a part in ten steps of equal length, the first of which is not timed."""
        title = remaining.begin(name, share)
        for step in range(1, 11):
            remaining.reach(share + (1 - share) * step / 10)
            self.now += seconds / 9 if step < 10 else 0.0
        return title


@pytest.fixture
def told() -> Told:
    return Told()


def test_parts_are_numbered_and_time_left_follows_their_cost(told: Told) -> None:
    remaining = told.remaining(teacher=600, student=300, head=100)
    remaining.announce()
    assert told.train(remaining, "teacher", seconds=540) == "part 1 of 3: teacher"
    assert told.train(remaining, "student", seconds=270) == "part 2 of 3: student"
    told.train(remaining, "head", seconds=90)
    assert told.lines == [
        "3 parts to train: 1 teacher, 2 student, 3 head",
        "part 1 of 3: teacher",
        "about 16 min for all 3 parts",  # 1 s per unit of cost, without the first step
        "part 2 of 3: student, about 7 min left",
        "part 3 of 3: head, about 2 min left",
    ]


def test_steps_of_an_earlier_run_do_not_affect_the_time_left(told: Told) -> None:
    remaining = told.remaining(student=1000, head=500)
    told.train(remaining, "student", seconds=90, share=0.9)
    assert told.lines[1] == "about 10 min for all 2 parts"
    told.train(remaining, "head", seconds=10)
    assert told.lines[2] == "part 2 of 2: head, about 8 min left"


def test_short_part_is_not_used_to_estimate_the_time_left(told: Told) -> None:
    remaining = told.remaining(probe=1, student=1000)
    told.train(remaining, "probe", seconds=20)
    told.train(remaining, "student", seconds=90)
    assert told.lines == [
        "part 1 of 2: probe",
        "part 2 of 2: student",
        "about 2 min for all 2 parts",  # the speed of the probe is ignored
    ]


def test_training_without_parts_prints_no_times(told: Told) -> None:
    remaining = told.remaining()
    assert told.train(remaining, "seed0", seconds=60) == "seed0"
    assert told.lines == []
    remaining.announce()
    assert told.lines == ["every part is finished already"]


def test_cost_of_a_part_is_proportional_to_its_training_images() -> None:
    recipe = digits()
    found = costs(recipe.parts().values(), 1000)
    assert found["student"] == 60 * 15 * 64
    assert found["codec"] == 0.2 * 200 * 7 * 128
    assert found["teacher"] > found["head"]
    warm = costs(warm_started(images()).parts().values(), 160)
    assert warm["student"] == 75 * 2 * 64
    assert warm["teacher"] < warm["student"] / 5  # a probe


def test_durations_are_rounded_and_have_a_suitable_unit() -> None:
    told = [duration(seconds) for seconds in (0, 12, 54, 58, 240, 5930, 9000)]
    assert told == ["5 s", "10 s", "55 s", "1 min", "4 min", "99 min", "2.5 h"]
