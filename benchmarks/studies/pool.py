"""The jobs of a study, distributed to processes of one thread each, which share prepared data."""

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
_shared: list[Any] = []  # in a worker process: the data that its jobs share


class Request(Protocol, Generic[Given]):
    """The options of a study, and the data that its jobs share."""

    @property
    def workers(self) -> int:
        """Number of processes."""

    def prepared(self) -> Given:
        """The data that jobs share; slow results are stored on disk. Raises: UserError."""


def done_by_workers(
    work: Callable[[Shared, Job], Result], jobs: Sequence[Job], request: Request[Shared]
) -> Iterator[tuple[Job, Result]]:
    """Yield every job with its result as it finishes; `work` must be a module-level function.

    Jobs start in order. If the caller leaves the loop over the results, running jobs finish and the
    others are cancelled.

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
