"""Work of a study, shared out among processes of one thread each, which have the proxy at hand."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.studies.architectures.proxy import Proxy, proxy_of
from simulator.commands.options import data_option, option, whole
from simulator.data.dataset import load_dataset
from simulator.errors import UserError
from simulator.progress import progress
from simulator.storage.environment import REFERENCE
from simulator.storage.folders import check_writable

Job = TypeVar("Job")
Result = TypeVar("Result")
_shared: list[Proxy] = []  # of a worker process: its proxy


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The options that all studies on the proxy have."""

    data: Path | None = data_option()
    weights: Path = option(
        default=REFERENCE / "cifar100/weights", help="Folder with the teachers' weights."
    )
    out: Path = option(default=Path("results/runs/study"), help="Folder to write to.")
    workers: int = option(default=2, type=whole(1, 1000), help="Processes of one thread each.")

    def images(self) -> Path:
        """The folder of the images. Raises: UserError without one, or if --out is not writable."""
        if self.data is None:
            raise UserError("--data must name the folder of CIFAR-100, got none")
        check_writable(self.out)
        return self.data

    def proxy(self) -> Proxy:
        """The proxy; the teachers are asked the first time. Raises: UserError."""
        return proxy_of(load_dataset(self.images()), self.weights, self.out)


def done_by_workers(
    work: Callable[[Proxy, Job], Result], jobs: Sequence[Job], request: StudyRequest
) -> Iterator[tuple[Job, Result]]:
    """Every job with its result, as it ends; `work` is a function of a module.

    Jobs are begun in order. Where the loop over the results is left, those that have begun end.
    Raises: UserError as `StudyRequest.proxy`.
    """
    request.proxy()  # what the teachers say is then kept
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


def _begin(request: StudyRequest) -> None:
    torch.set_num_threads(1)
    _shared.append(request.proxy())


def _do(work: Callable[[Proxy, Job], Result], job: Job) -> Result:
    return work(_shared[0], job)
