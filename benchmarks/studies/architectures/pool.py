"""Work of a study, shared out among processes of one thread each, which have the proxy at hand."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.studies.architectures.proxy import Proxy, proxy_of
from simulator.data.dataset import load_dataset
from simulator.progress import progress

Job = TypeVar("Job")
Result = TypeVar("Result")
_shared: list[Proxy] = []  # of a worker process: its proxy


def done_by_workers(
    work: Callable[[Proxy, Job], Result],
    jobs: Sequence[Job],
    *,
    data: Path,
    weights: Path,
    out: Path,
    workers: int,
) -> Iterator[tuple[Job, Result]]:
    """Every job with its result, as it ends; `work` is a function of a module.

    Jobs are begun in order. Where the loop over the results is left, those that have begun end.
    """
    proxy_of(load_dataset(data), weights, out)  # asks the teachers, once
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=get_context("spawn"),
        initializer=partial(_begin, data, weights, out),
    )
    try:
        with progress(total=len(jobs), desc="jobs", unit="job") as bar:
            todo = {pool.submit(_do, work, job): job for job in jobs}
            for done in as_completed(todo):
                bar.update()
                yield todo[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(data: Path, weights: Path, out: Path) -> None:
    torch.set_num_threads(1)
    _shared.append(proxy_of(load_dataset(data), weights, out))


def _do(work: Callable[[Proxy, Job], Result], job: Job) -> Result:
    return work(_shared[0], job)
