"""A sweep is resolved from a request made by a script."""

from dataclasses import replace

import torch

from simulator.commands.sweep import SweepRequest, reasons, resolved, size_of
from simulator.engine.grid import Point
from simulator.engine.journal import MemoryStore
from simulator.engine.run import run_sweep
from simulator.engine.workers import InProcess
from simulator.left_out import LeftOut
from simulator.storage.files import file_hash
from tests.commands import WEIGHTS


def test_request_made_by_hand_is_swept_in_memory() -> None:
    request = SweepRequest(
        recipe="digits",
        channels=("awgn",),
        snr_db=(0.0,),
        channel_uses=(16, 65),
        schemes=("label_code", "rkd_sc"),
        images=20,
        weights=WEIGHTS,
        seed=5,
    )
    sweep, left_out = resolved(request)
    assert left_out == [LeftOut("rkd_sc", "serves k = 1 to 64", 65)]
    assert sweep.points == [
        Point("label_code", "awgn", 0.0, 16),
        Point("label_code", "awgn", 0.0, 65),
        Point("rkd_sc", "awgn", 0.0, 16),
    ]
    assert len(sweep.test.labels) == 20
    assert sweep.transmissions == 3 * 3 * 20
    assert size_of(sweep) == "2 schemes, 1 channel, 1 SNR, 2 k: 180 transmissions"
    more = replace(sweep, grid=sweep.grid.until(1.0, 200))
    assert size_of(more).endswith("2 k: at least 180 transmissions")
    assert sweep.about["seed"] == 5
    assert sweep.about["schemes"]["rkd_sc"]["weights"] == {
        part: file_hash(WEIGHTS / f"{part}.safetensors") for part in ("codec", "student")
    }
    pool = InProcess(sweep.evaluator())
    rows = run_sweep(sweep.points, sweep.grid, sweep.facts, pool=pool, store=MemoryStore()).table
    pool.close()
    assert rows["images"].eq(20).all()
    assert rows["accuracy"].between(0.2, 1).all()
    assert sweep.weights.device == torch.device("cpu")


def test_omission_reasons_are_grouped_and_given_for_named_schemes() -> None:
    serves = "serves k in {16, 64}"
    left_out = [
        LeftOut("a", "no a.safetensors; run semlink train digits"),
        *(LeftOut(name, serves, k) for name in ("b", "c") for k in (4, 256)),
        *(LeftOut("d", "needs one gain per image", k, ("fast",)) for k in (4, 16)),
        LeftOut("e", "serves k = 1 to 64", 256),
    ]
    untrained = "a left out, it is not trained: no a.safetensors; run semlink train digits"
    both = "b, c serve k in {16, 64}: k = 4, 256 left out"
    needs = "d needs one gain per image: fast with k = 4, 16 left out"
    every = [untrained, both, needs, "e serves k = 1 to 64: k = 256 left out"]
    assert reasons(left_out, given=None) == every
    assert reasons(left_out, given={"a", "b", "c", "d", "e"}) == every
    end = "add -v to this command for the reasons"
    assert reasons(left_out, given=()) == [f"left out, wholly or in part: a, b, c, d, e; {end}"]
    assert reasons(left_out, given={"b", "c"}) == [
        both,
        f"left out, wholly or in part: a, d, e; {end}",
    ]
    assert reasons(left_out[1:5], given=()) == [both]  # one line is short enough
    assert reasons([], given=()) == []
