"""The workers of a sweep: this process, processes of this machine, or a Ray cluster.

Every worker is one thread that rebuilds the schemes from files (weights, and what was prepared), so
nothing large is sent around, and files that several processes read are in memory once.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sized
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

MOST_RETRIES = 20  # of a task of a Ray cluster whose node is lost
MOST_DEATHS = 5  # workers that may be killed in a row, without one unit finished between
# a worker was killed; or the process that starts them, which then does not answer
LOST = (BrokenProcessPool, EOFError, ConnectionError)
SOON = 0.1  # seconds after which a killed process is gone
Work = Task | Preparation  # units to compute, or what comes before them


class Build(Protocol):
    """Makes a worker's evaluator; itself small enough to be sent around with every task."""

    @property
    def key(self) -> str:
        """Equal for equal evaluators."""

    def __call__(self) -> Evaluator:
        """The evaluator."""


_evaluators: dict[str, Evaluator] = {}  # of this worker process, the last one alone


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

    Every pool has `submit`, which hands in work; `next_done`, which waits for a piece that is done
    and gives its units, none for a preparation; `close`, which stops and drops what is in hand.
    """

    _hand: Sized
    _each = 2  # pieces in hand for each worker

    @property
    def room(self) -> int:
        """How much more work may be handed in now, so that no worker is ever idle."""
        return self._each * self._size() - len(self._hand)

    @property
    def in_hand(self) -> int:
        """Pieces of work that were handed in and not given back."""
        return len(self._hand)

    def _size(self) -> int:
        """Workers there are now."""
        return 1


class InProcess(_Pool):
    """No other process: work is done on request, one piece at a time."""

    _each = 1

    def __init__(self, evaluate: Evaluator) -> None:
        self._evaluate = evaluate
        self._hand: deque[Work] = deque()
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def submit(self, work: Work) -> None:
        """Hand in work."""
        self._hand.append(work)

    def next_done(self) -> list[Finished]:
        """Do the oldest piece of work."""
        return _done_by(self._evaluate, self._hand.popleft())

    def close(self) -> None:
        """Nothing runs."""
        torch.set_num_threads(self._threads)


class LocalPool(_Pool):
    """Processes of this machine. One that is killed is replaced, and its work done again.

    So is the process that starts them.
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
        """Hand in work."""
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
        """Kill the workers: what they had in hand is computed again another time."""
        with _no_interrupts():  # a second Ctrl-C would leave some of them behind
            processes = list((self._executor._processes or {}).values())  # there is no other way
            self._executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            for process in processes:
                process.join()

    def _start(self) -> None:
        # a fork of this process would inherit torch's threads in an undefined state
        # and CUDA does not survive one at all
        forked = "forkserver" in multiprocessing.get_all_start_methods()
        forked = forked and not torch.cuda.is_available()
        context = multiprocessing.get_context("forkserver" if forked else "spawn")
        if forked:
            context.set_forkserver_preload(["simulator.engine.preload"])
            with _no_interrupts():  # its imports are not to be stopped by Ctrl-C, but by us
                forkserver.ensure_running()
        self._executor = ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=_begin_worker
        )

    def _restart(self, more: list[Work]) -> None:
        """New processes for all work in hand."""
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
    """Workers of a Ray cluster; work of lost nodes is done again by others.

    All nodes must see the same files: weights and --out on a shared file system.
    """

    def __init__(self, build: Build, address: str, workers: int) -> None:
        """Join the cluster at an address, or make one of so many workers here (`local`).

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
                num_cpus=workers if address == "local" else None,  # a cluster has its own
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"--cluster {address}: cannot be joined ({reason})") from None
        work = ray.remote(num_cpus=1, max_retries=MOST_RETRIES, retry_exceptions=False)(run_work)
        self._work, self._build = work, ray.put(build)
        self._hand: list[Any] = []

    def _size(self) -> int:
        """CPUs of the cluster, whose nodes come and go."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def submit(self, work: Work) -> None:
        """Hand in work."""
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
    """Ctrl-C goes to all processes of a terminal, only the first one answers; and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Workers whose sweep was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C is ignored for a moment, and for ever by processes that are started here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
