"""A sweep is resolved from a request that a script made."""

import torch

from simulator.commands.sweep import SweepRequest, resolved
from simulator.engine.grid import Point
from simulator.engine.journal import MemoryStore
from simulator.engine.run import run_sweep
from simulator.engine.workers import InProcess
from simulator.storage.files import file_hash
from tests.commands import WEIGHTS


def test_a_request_by_hand_is_a_sweep_in_memory() -> None:
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
    assert left_out == ["rkd_sc serves k = 1 to 64: k = 65 left out"]
    assert sweep.points == [
        Point("label_code", "awgn", 0.0, 16),
        Point("label_code", "awgn", 0.0, 65),
        Point("rkd_sc", "awgn", 0.0, 16),
    ]
    assert len(sweep.test.labels) == 20
    assert sweep.transmissions == 3 * 3 * 20
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
