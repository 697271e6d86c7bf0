"""Worker pools: a limited number of killed workers is tolerated, and Ray clusters are joined."""

import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simulator.engine import job
from simulator.engine.grid import Point, Task, Unit
from simulator.engine.journal import Finished
from simulator.engine.workers import MOST_DEATHS, LocalPool, RayPool
from simulator.errors import UserError

TASK = Task(Point("rkd_sc", "awgn", 0.0, 4), (0,))


class Fatal:
    """An evaluator that kills its worker by SIGKILL in the first `deaths` evaluations."""

    def __init__(self, folder: Path, deaths: int) -> None:
        self.key = "fatal"
        self._folder, self._deaths = folder, deaths

    def __call__(self) -> Any:
        return self.evaluate

    def evaluate(self, task: Task) -> list[Finished]:
        before = len(list(self._folder.iterdir()))
        if before < self._deaths:
            (self._folder / str(before)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [Finished(Unit(task.point, 0), np.zeros(1, np.uint8), 0.0)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("deaths", [MOST_DEATHS, MOST_DEATHS + 1])
def test_limited_number_of_worker_deaths_in_a_row_is_tolerated(tmp_path: Path, deaths: int) -> None:
    pool = LocalPool(Fatal(tmp_path, deaths), workers=1)
    try:
        pool.submit(TASK)
        if deaths > MOST_DEATHS:
            with pytest.raises(UserError, match="killed repeatedly.* fewer --workers"):
                pool.next_done()
        else:
            assert [item.unit for item in pool.next_done()] == [Unit(TASK.point, 0)]
            assert pool.in_hand == 0
    finally:
        pool.close()
    assert len(list(tmp_path.iterdir())) == deaths


def ray_that(init: Any) -> ModuleType:
    """A stand-in for Ray."""
    ray = ModuleType("ray")
    vars(ray).update(init=init, remote=lambda **_: lambda work: work, put=lambda build: build)
    return ray


@pytest.mark.parametrize(
    ("address", "cpus"), [("local", 2), ("auto", None), ("10.0.0.1:6379", None)]
)
def test_number_of_cpus_is_set_only_for_a_local_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, cpus: int | None
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "ray", ray_that(lambda **options: asked.update(options)))
    RayPool(lambda: Fatal(tmp_path, 0), address, workers=2)
    assert (asked["address"], asked["num_cpus"]) == (address, cpus)


def test_missing_cluster_raises_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nSpecify one.")

    monkeypatch.setitem(sys.modules, "ray", ray_that(init))
    with pytest.raises(UserError) as caught:
        RayPool(lambda: pytest.fail("nothing is written"), "auto", workers=2)
    assert str(caught.value) == (
        "--cluster auto: cannot be joined (Could not find any running Ray instance. Specify one.)"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process that starts workers")
def test_killed_fork_server_is_replaced(tmp_path: Path) -> None:
    pool = LocalPool(Fatal(tmp_path, 0), workers=1)
    try:
        pid = vars(forkserver._forkserver)["_forkserver_pid"]
        os.kill(pid, signal.SIGKILL)
        pool.submit(TASK)
        assert [item.unit for item in pool.next_done()] == [Unit(TASK.point, 0)]
        assert vars(forkserver._forkserver)["_forkserver_pid"] != pid
    finally:
        pool.close()


@pytest.mark.parametrize(("transmissions", "pool"), [(200_000, "here"), (200_001, "3 processes")])
def test_only_large_sweeps_use_all_cores_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transmissions: int, pool: str
) -> None:
    """As docs/commands.md says."""

    def made(name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, close=lambda: None)

    monkeypatch.setattr(job, "cores", lambda: 3)
    monkeypatch.setattr(job.Job, "of", lambda *_: None)
    monkeypatch.setattr(job, "InProcess", lambda _: made("here"))
    monkeypatch.setattr(job, "LocalPool", lambda _, workers: made(f"{workers} processes"))
    setting = SimpleNamespace(device=SimpleNamespace(type="cpu"))
    sweep: Any = SimpleNamespace(
        transmissions=transmissions, setting=setting, evaluator=lambda: None
    )
    with job.open_pool(sweep, tmp_path) as opened:
        found: Any = opened
        assert found.name == pool
