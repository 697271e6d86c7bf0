"""Whoever computes, and however often it is killed, the table is the same."""

import sys
from pathlib import Path

import pytest

from benchmarks.studies.torture import KINDS, finish, torture

GRID = ["--snr-db", "-5,5", "--channel-uses", "16", "--realizations", "10", "--images", "300"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of one worker."""
    folder = tmp_path_factory.mktemp("alone")
    return finish(folder, [*GRID, "--workers", "1", "--schemes", "rkd_sc,label_code"])


@pytest.mark.parametrize("workers", ["2", "4"])
def test_processes_give_the_same_table(tmp_path: Path, alone: bytes, workers: str) -> None:
    table = finish(tmp_path, [*GRID, "--workers", workers, "--schemes", "rkd_sc,label_code"])
    assert table == alone


def test_the_order_of_schemes_changes_no_row(tmp_path: Path, alone: bytes) -> None:
    schemes = ["--schemes", "label_code,rkd_sc"]
    rows = set(alone.splitlines())
    assert set(finish(tmp_path, [*GRID, "--workers", "2", *schemes]).splitlines()) == rows


@pytest.mark.skipif(sys.platform == "win32", reason="Ray is tested on Linux alone")
def test_ray_gives_the_same_table(tmp_path: Path, alone: bytes) -> None:
    pytest.importorskip("ray")
    arguments = [*GRID, "--cluster", "local", "--schemes", "rkd_sc,label_code"]
    assert finish(tmp_path, arguments) == alone


def test_a_killed_and_resumed_sweep_gives_the_same_table(tmp_path: Path) -> None:
    """Once for every kind of kill; `make torture` kills 20 times."""
    arguments = ["--schemes", "rkd_sc", "--snr-db", "-5,5", "--channel-uses", "4,16,64"]
    arguments += ["--realizations", "12", "--workers", "2"]
    assert torture(tmp_path, arguments, kills=len(KINDS)) == len(KINDS)
