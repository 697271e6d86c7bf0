"""Work of a study, shared out among processes of one thread each, which have all it needs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from typing import Any, Generic, Protocol, TypeVar

import torch

from simulator.progress import progress

Job = TypeVar("Job")
Result = TypeVar("Result")
Shared = TypeVar("Shared")
Given = TypeVar("Given", covariant=True)
_shared: list[Any] = []  # of a worker process: what its jobs share


class Request(Protocol, Generic[Given]):
    """What a study is asked for, and what its jobs share."""

    @property
    def workers(self) -> int:
        """Processes."""

    def prepared(self) -> Given:
        """What jobs share; what takes long is kept the first time. Raises: UserError."""


def done_by_workers(
    work: Callable[[Shared, Job], Result], jobs: Sequence[Job], request: Request[Shared]
) -> Iterator[tuple[Job, Result]]:
    """Every job with its result, as it ends; `work` is a function of a module.

    Jobs are begun in order. Where the loop over the results is left, those that have begun end.
    Raises: UserError as `Request.prepared`.
    """
    request.prepared()
    pool = ProcessPoolExecutor(
        max_workers=request.workers,
        mp_context=get_context("spawn"),
        initializer=partial(_begin, request),
    )
    try:
        with progress(total=len(jobs), desc="jobs", unit="job") as bar:
            todo = {pool.submit(_do, work, job): job for job in jobs}
            for done in as_completed(todo):
                bar.update()
                yield todo[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(request: Request[Any]) -> None:
    torch.set_num_threads(1)
    _shared.append(request.prepared())


def _do(work: Callable[[Any, Job], Result], job: Job) -> Result:
    return work(_shared[0], job)
