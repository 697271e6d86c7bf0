"""The cache of network outputs for views: small pieces, and resuming after an interruption."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from simulator.description.basis import Part
from simulator.errors import TimeUp
from simulator.training import cache as view_cache
from simulator.training.cache import ViewCache, cached_views
from simulator.training.run import TrainingRun

Look = Callable[[int], dict[str, Tensor]]
IMAGES = 700


def looked(asked: list[int], *, stop_at: int | None = None) -> Look:
    """Gives every view different numbers and records the calls; may be interrupted."""

    def look(view: int) -> dict[str, Tensor]:
        if view == stop_at:
            raise KeyboardInterrupt
        asked.append(view)
        return {"features": torch.arange(IMAGES * 3).view(IMAGES, 3) + 0.5 * view}

    return look


def said(run: TrainingRun, look: Look) -> Tensor:
    return cached_views(run, Part("said", ()), 4, look)["features"]


def test_only_missing_views_are_computed(run: TrainingRun) -> None:
    first: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        said(run, looked(first, stop_at=2))
    second: list[int] = []
    views = said(run, looked(second))
    assert (first, second) == ([0, 1], [2, 3])
    expected = torch.stack([looked([])(view)["features"] for view in range(4)])
    assert torch.equal(views, expected)
    assert torch.equal(said(run, looked([], stop_at=0)), expected)  # nothing is computed again


def test_deadline_stops_the_computation_before_a_view(run: TrainingRun) -> None:
    late = replace(run, deadline=time.monotonic() - 1)
    asked: list[int] = []
    with pytest.raises(TimeUp):
        said(late, looked(asked))
    assert not asked
    views = said(run, looked([]))
    assert torch.equal(said(late, looked([])), views)  # cached views take no time


def test_views_are_cached_in_small_pieces_that_are_all_needed(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_cache, "HEADER_BYTES", 0)
    monkeypatch.setattr(view_cache, "PIECE_BYTES", 12 * 300)
    views = said(run, looked([]))
    cache = ViewCache(run.folder / "cache" / "said", run.origin(Part("said", run.recipe.seen)))
    pieces = sorted(path.name for path in cache.folder.glob("view_02_*"))
    assert pieces == [f"view_02_from_{first}.safetensors" for first in (0, 300, 600)]
    loaded = cache.load(2)
    assert loaded is not None
    assert torch.equal(loaded["features"], views[2])
    (cache.folder / pieces[1]).unlink()
    assert cache.load(2) is None
    other = ViewCache(cache.folder, run.origin(Part("said", ())))
    assert other.load(1) is None  # of another origin
    asked: list[int] = []
    assert torch.equal(said(run, looked(asked)), views)
    assert asked == [2]


def test_a_piece_with_its_header_is_at_most_15_mib(run: TrainingRun) -> None:
    cache = ViewCache(run.folder, run.origin(Part("said", run.recipe.seen)))
    cache.save(0, {"features": torch.zeros(2**15, 256, dtype=torch.float16)})
    sizes = [path.stat().st_size for path in run.folder.glob("view_00_*")]
    assert len(sizes) == 2
    assert max(sizes) <= 15 * 2**20
