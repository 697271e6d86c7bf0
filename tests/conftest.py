"""Fixtures shared by all tests. Randomness is seeded, also that of torch's global state.

Imports are inside the fixtures, because the process that only distributes tests does not need them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch

    from channels.streams import Streams
    from tests.commands import Command

pytest.register_assert_rewrite("tests.contracts")

LONG = (  # the files that take longest start first, so that no process ends long after the others
    *("test_workers.py", "test_processes.py", "test_variants.py", "test_end_to_end.py"),
    *("test_command_line.py", "test_trouble.py", "test_going_on.py"),
)

# one thread, as in a sweep: two would wait for each other whenever the machine does anything else
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first, and the others in the order of collection."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Make draws from torch's global state equal in any order of the tests."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def generator() -> "torch.Generator":
    """A fresh generator, seeded 0."""
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture
def streams() -> "Streams":
    """The named streams of seed 0."""
    from channels.streams import Streams

    return Streams(seed=0)


@pytest.fixture
def semlink(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Command":
    """A function that runs semlink with some arguments in an empty folder; returns its status."""
    from tests.commands import status

    monkeypatch.chdir(tmp_path)
    return lambda *arguments: status(monkeypatch, *arguments)


@pytest.fixture(autouse=True)
def _outlines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embed fonts in PDFs as Type 3, ten times faster; only tests of figures use TrueType."""
    from benchmarks.figures.draw import LOOK

    if request.path.parent.name != "figures":
        monkeypatch.setitem(LOOK, "pdf.fonttype", 3)


@pytest.fixture(autouse=True)
def _no_vega(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reports without Vega, which takes seconds to bundle; only browsers need it."""
    if "browser" not in request.keywords and request.path.name != "test_vega.py":
        monkeypatch.setattr("benchmarks.report.vega.javascript", lambda: "")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cache decoded images in a folder of the tests, not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMLINK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
