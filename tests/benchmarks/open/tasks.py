"""A small task and entries with made-up outcomes, for the tests of the open benchmark."""

from dataclasses import replace

import numpy as np

from benchmarks.open.about import About
from benchmarks.open.entry import RUN, Entry, Origin, Outcomes
from benchmarks.open.task import Place, Task, task_named

SMALL = replace(
    task_named("digits"),
    channels=("awgn",),
    snr_db=(0.0, 10.0),
    channel_uses=(16, 64),
    realizations=2,
    targets=(50.0,),
)
PLACE = Place("awgn", 16)


def entry_of(
    name: str,
    right: object,
    *,
    origin: Origin = RUN,
    task: Task = SMALL,
    authors: str = "A. Tester",
) -> Entry:
    """An entry of one column without outages; `right` is broadcast to [SNRs, images]."""
    shape = len(task.snr_db), task.images
    counts = np.broadcast_to(np.asarray(right, dtype=np.uint8), shape).copy()
    return Entry(
        task=task.name,
        task_digest=task.digest,
        about=About(name=name, authors=authors, description="made"),
        origin=origin,
        submission={"made.py": "0" * 64},
        made_with={"semlink": "0", "commit": "unknown"},
        settings={16: "nothing charged"},
        outcomes={PLACE: Outcomes(counts, np.zeros(shape, dtype=np.uint8))},
    )
