"""What a training run says that it is going to do, and how long it takes, by a clock of its own."""

import pytest

from benchmarks.recipes import digits, images
from simulator.description.trial import warm_started
from simulator.training.schedule import Schedule, costs, duration


class Told:
    """A clock that is set by hand, and the lines that were told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []

    def schedule(self, **parts: float) -> Schedule:
        return Schedule(parts, clock=lambda: self.now, tell=self.lines.append)

    def train(self, schedule: Schedule, name: str, *, seconds: float, share: float = 0.0) -> str:
        """A part in ten steps of equal length, the first of which is not timed."""
        title = schedule.begin(name, share)
        for step in range(1, 11):
            schedule.reach(share + (1 - share) * step / 10)
            self.now += seconds / 9 if step < 10 else 0.0
        return title


@pytest.fixture
def told() -> Told:
    return Told()


def test_parts_are_numbered_and_timed_by_their_cost(told: Told) -> None:
    schedule = told.schedule(teacher=600, student=300, head=100)
    schedule.announce()
    assert told.train(schedule, "teacher", seconds=540) == "part 1 of 3: teacher"
    assert told.train(schedule, "student", seconds=270) == "part 2 of 3: student"
    told.train(schedule, "head", seconds=90)
    assert told.lines == [
        "3 parts to train: 1 teacher, 2 student, 3 head",
        "part 1 of 3: teacher",
        "about 16 min for all 3 parts",  # a second for each unit but those of the first step
        "part 2 of 3: student, about 7 min left",
        "part 3 of 3: head, about 2 min left",
    ]


def test_steps_taken_before_count_neither_as_work_nor_as_speed(told: Told) -> None:
    schedule = told.schedule(student=1000, head=500)
    told.train(schedule, "student", seconds=90, share=0.9)
    assert told.lines[1] == "about 10 min for all 2 parts"
    told.train(schedule, "head", seconds=10)
    assert told.lines[2] == "part 2 of 2: head, about 8 min left"


def test_little_training_is_not_judged_by(told: Told) -> None:
    schedule = told.schedule(probe=1, student=1000)
    told.train(schedule, "probe", seconds=20)
    told.train(schedule, "student", seconds=90)
    assert told.lines == [
        "part 1 of 2: probe",
        "part 2 of 2: student",
        "about 2 min for all 2 parts",  # the probe's pace says nothing of the student's
    ]


def test_without_parts_nothing_is_told(told: Told) -> None:
    schedule = told.schedule()
    assert told.train(schedule, "seed0", seconds=60) == "seed0"
    assert told.lines == []
    schedule.announce()
    assert told.lines == ["every part is finished already"]


def test_parts_cost_their_images() -> None:
    recipe = digits()
    found = costs(recipe.parts().values(), 1000)
    assert found["student"] == 60 * 15 * 64
    assert found["codec"] == 0.2 * 200 * 7 * 128
    assert found["teacher"] > found["head"]
    warm = costs(warm_started(images()).parts().values(), 160)
    assert warm["student"] == 75 * 2 * 64
    assert warm["teacher"] < warm["student"] / 5  # a probe


def test_a_time_is_said_as_one_says_it() -> None:
    told = [duration(seconds) for seconds in (0, 12, 54, 58, 240, 5930, 9000)]
    assert told == ["5 s", "10 s", "55 s", "1 min", "4 min", "99 min", "2.5 h"]
