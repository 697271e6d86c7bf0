"""The table does not depend on the number of workers or on interruptions."""

import sys
from pathlib import Path

import pytest

from benchmarks.studies.torture import KINDS, finish, torture
from tests.commands import table_of

GRID = ["--snr-db", "-5,5", "--channel-uses", "16", "--realizations", "10", "--images", "300"]
ALONE = ["--workers", "1"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of one worker, which is this process."""
    folder = tmp_path_factory.mktemp("alone")
    return table_of(folder, *GRID, "--schemes", "rkd_sc,label_code", *ALONE)


def test_four_processes_give_the_same_table(tmp_path: Path, alone: bytes) -> None:
    schemes = ["--schemes", "rkd_sc,label_code"]
    assert table_of(tmp_path, *GRID, *schemes, "--workers", "4") == alone


def test_every_scheme_has_the_same_rows_with_two_processes(tmp_path: Path) -> None:
    """At low SNRs, where all side information matters, such as the class frequencies."""
    grid = ["--schemes", "all", "--snr-db", "-10,-4", "--channels", "awgn", "--realizations", "2"]
    grid += ["--channel-uses", "4,64"]
    alone = table_of(tmp_path / "alone", *grid, *ALONE)
    assert table_of(tmp_path / "two", *grid, "--workers", "2") == alone


def test_rows_are_independent_of_processes_and_scheme_order(tmp_path: Path, alone: bytes) -> None:
    table = table_of(tmp_path, *GRID, "--schemes", "label_code,rkd_sc", "--workers", "2")
    assert sorted(table.splitlines()) == sorted(alone.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="Ray is tested on Linux alone")
def test_ray_gives_the_same_table(tmp_path: Path, alone: bytes) -> None:
    pytest.importorskip("ray")
    arguments = [*GRID, "--cluster", "local", "--schemes", "rkd_sc,label_code"]
    assert finish(tmp_path, arguments) == alone


def test_a_killed_and_resumed_sweep_gives_the_same_table(tmp_path: Path) -> None:
    """Once for every kind of kill; `make torture` kills 20 times."""
    grid = ["--schemes", "rkd_sc", "--snr-db", "-5,5", "--channel-uses", "16"]
    grid += ["--realizations", "36"]
    whole, kills = table_of(tmp_path / "whole", *grid, *ALONE), len(KINDS)
    torture(
        *(tmp_path, [*grid, "--workers", "2"]),
        whole=whole,
        kills=kills,
        finish=lambda folder, arguments: table_of(folder, *arguments),
    )
