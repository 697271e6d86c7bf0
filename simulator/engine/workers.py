"""The workers of a sweep: this process, processes of this machine, or a Ray cluster.

Every worker runs on one thread. Other processes rebuild the schemes from files (weights, prepared
tensors), so nothing large is sent, and a file that several processes read is in memory only once.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Any, Protocol

import torch

from simulator.engine.evaluate import Evaluator, Preparation
from simulator.engine.grid import Task
from simulator.engine.journal import Finished
from simulator.errors import UserError
from simulator.memory import keep_freed_memory

MOST_RETRIES = 20  # of a task whose node of a Ray cluster is lost
MOST_DEATHS = 5  # restarts after killed workers in a row, without finished work between them
# raised after a worker was killed, or the process that starts workers
LOST = (BrokenProcessPool, EOFError, ConnectionError)
SOON = 0.1  # seconds after which a killed process is gone
Work = Task | Preparation  # units to compute, or the preparation before them


class Build(Protocol):
    """Builds a worker's evaluator. It is small enough to be sent with every task."""

    @property
    def key(self) -> str:
        """Equal for equal evaluators."""

    def __call__(self) -> Evaluator:
        """Build the evaluator."""


_evaluators: dict[str, Evaluator] = {}  # of this worker process; only the last one is kept


def run_work(build: Build, work: Work) -> list[Finished]:
    """Do one piece of work in this process."""
    torch.set_num_threads(1)
    if build.key not in _evaluators:
        keep_freed_memory()
        _evaluators.clear()
        _evaluators[build.key] = build()
    return _done_by(_evaluators[build.key], work)


def _done_by(evaluate: Evaluator, work: Work) -> list[Finished]:
    if isinstance(work, Preparation):
        evaluate.prepare(work)
        return []
    return evaluate(work)


class _Pool:
    """Pending work, and its limit.

    Every pool has three methods. `submit` adds a piece of work. `next_done` waits for a finished
    piece and returns its units, none for a preparation. `close` stops and drops pending work.
    """

    _hand: Sized
    _each = 2  # pending pieces per worker

    @property
    def room(self) -> int:
        """How many more pieces may be submitted now; enough to keep every worker busy."""
        return self._each * self._size() - len(self._hand)

    @property
    def in_hand(self) -> int:
        """Number of pieces that were submitted and not returned yet."""
        return len(self._hand)

    def _size(self) -> int:
        """Current number of workers."""
        return 1


class InProcess(_Pool):
    """Computes in this process, one piece at a time, when `next_done` is called."""

    _each = 1

    def __init__(self, evaluate: Evaluator) -> None:
        self._evaluate = evaluate
        self._hand: deque[Work] = deque()
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def submit(self, work: Work) -> None:
        """Add a piece of work."""
        self._hand.append(work)

    def next_done(self) -> list[Finished]:
        """Do the oldest piece of work."""
        return _done_by(self._evaluate, self._hand.popleft())

    def close(self) -> None:
        """Restore the number of threads; nothing else is running."""
        torch.set_num_threads(self._threads)


class LocalPool(_Pool):
    """Processes on this machine.

    If one of them or the process that starts them is killed, all are replaced and their unfinished
    work is done again.
    """

    def __init__(self, build: Build, workers: int) -> None:
        self._build = build
        self._workers = workers
        self._hand: dict[Future[list[Finished]], Work] = {}
        self._deaths = 0
        self._start()

    def _size(self) -> int:
        return self._workers

    def submit(self, work: Work) -> None:
        """Add a piece of work."""
        try:
            self._hand[self._executor.submit(run_work, self._build, work)] = work
        except LOST:
            self._restart([work])

    def next_done(self) -> list[Finished]:
        """Wait for the next piece of work that is done. Raises: UserError if workers keep dying."""
        while True:
            done, _ = wait(self._hand, return_when=FIRST_COMPLETED)
            future = done.pop()
            try:
                finished = future.result()
            except BrokenProcessPool:
                self._restart([])
                continue
            del self._hand[future]
            self._deaths = 0
            return finished

    def close(self) -> None:
        """Kill the workers; their unfinished work is computed in a later run."""
        with _no_interrupts():  # a second Ctrl-C would leave some of them behind
            processes = list((self._executor._processes or {}).values())  # there is no public way
            self._executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            for process in processes:
                process.join()

    def _start(self) -> None:
        # a forked process would inherit torch's threads in an undefined state,
        # and CUDA does not work in it at all
        forked = "forkserver" in multiprocessing.get_all_start_methods()
        forked = forked and not torch.cuda.is_available()
        context = multiprocessing.get_context("forkserver" if forked else "spawn")
        if forked:
            context.set_forkserver_preload(["simulator.engine.preload"])
            with _no_interrupts():  # only this process may stop its imports
                forkserver.ensure_running()
        self._executor = ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=_begin_worker
        )

    def _restart(self, more: list[Work]) -> None:
        """Start new processes, and submit all pending work again."""
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise UserError(
                "workers were killed repeatedly, perhaps because memory ran out; "
                "finished units are kept: run again with fewer --workers"
            )
        waiting = [*self._hand.values(), *more]
        self._hand.clear()
        self.close()
        time.sleep(SOON)
        self._start()
        for work in waiting:
            self.submit(work)


class RayPool(_Pool):
    """Workers of a Ray cluster; the work of a lost node is done again by another.

    All nodes must see the same files: weights and --out on a shared file system.
    """

    def __init__(self, job: Callable[[], Build], address: str, workers: int) -> None:
        """Join the cluster at an address, or start one of `workers` CPUs here (`local`).

        `job` writes the files for the workers, once the cluster is joined.

        Raises: UserError if Ray is not installed, or no cluster can be joined.
        """
        try:
            import ray
        except ImportError:
            hint = "--cluster needs Ray: pip install 'semlink[cluster]', or leave it out"
            raise UserError(hint) from None
        self._ray: Any = ray
        try:
            ray.init(
                address=address,
                num_cpus=workers if address == "local" else None,  # others have their own
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"--cluster {address}: cannot be joined ({reason})") from None
        work = ray.remote(num_cpus=1, max_retries=MOST_RETRIES, retry_exceptions=False)(run_work)
        self._work, self._build = work, ray.put(job())
        self._hand: list[Any] = []

    def _size(self) -> int:
        """Current number of CPUs of the cluster; nodes may join and leave."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def submit(self, work: Work) -> None:
        """Add a piece of work."""
        self._hand.append(self._work.remote(self._build, work))

    def next_done(self) -> list[Finished]:
        """Wait for the next piece of work that is done."""
        (done,), self._hand = self._ray.wait(self._hand, num_returns=1)
        try:
            finished: list[Finished] = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"the Ray cluster gave up on a task ({reason}); finished units are kept: run the "
                "same command again"
            ) from None
        return finished

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()


Pool = InProcess | LocalPool | RayPool


def _begin_worker() -> None:
    """Ignore Ctrl-C, which the main process handles, and end when that process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker if its sweep was killed; otherwise it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C in this block; processes started in it ignore it as long as they live."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
