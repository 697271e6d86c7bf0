"""The sweep: tables independent of the batch, noise shared by schemes, counting of results."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from channels.base import Channel
from channels.names import channel_from_name
from channels.streams import Streams
from simulator.engine import run
from simulator.engine.evaluate import Preparation, Setting, evaluator_here
from simulator.engine.grid import Point, Task, Unit, plan
from simulator.engine.journal import Finished, MemoryStore
from simulator.engine.run import TimeLeft, run_sweep, sweep_here
from simulator.engine.workers import InProcess
from simulator.errors import UserError
from simulator.left_out import LeftOut
from simulator.progress import progress
from tests.simulator.engine.probe import CPU, Probe, grid, split


def table(schemes: Sequence[Probe], images: int, **changes: Any) -> pd.DataFrame:
    sweep = grid(**changes)
    points, _ = plan(schemes, sweep)
    return sweep_here(schemes, points, sweep, split(images), CPU, num_classes=2).table


def test_equal_seeds_give_equal_tables_and_other_seeds_do_not() -> None:
    first = table([Probe("a")], 300)
    pd.testing.assert_frame_equal(first, table([Probe("a")], 300), check_exact=True)
    other = table([Probe("a")], 300, seed=2)
    assert (first["correct"] != other["correct"]).any()


def test_a_point_does_not_depend_on_the_rest_of_the_sweep() -> None:
    whole = table([Probe("a"), Probe("b")], 300)
    alone = table(
        [Probe("b")], 300, snr_db=(0.0,), channel_uses=(4,), channels=(channel_from_name("awgn"),)
    )
    rows = whole.query("scheme == 'b' and channel == 'awgn' and snr_db == 0 and channel_uses == 4")
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), alone, check_exact=True)


def test_noise_of_an_image_does_not_depend_on_the_number_of_images() -> None:
    many, one = Probe("many"), Probe("one")
    table([many], 700, realizations=1)
    table([one], 1, realizations=1)
    assert not torch.equal(many.seen[0], many.seen[1])  # noise differs between blocks
    per_point = many.seen[::3]  # three blocks of 250 cover 700 images
    assert len(per_point) == len(one.seen) == 8
    for block, alone in zip(per_point, one.seen, strict=True):
        assert torch.equal(block[0], alone[0])


def test_schemes_with_equal_k_share_gains_and_noise() -> None:
    a, b = Probe("a"), Probe("b")
    table([a, b], 10)
    assert all(torch.equal(x, y) for x, y in zip(a.seen, b.seen, strict=True))
    assert not torch.equal(a.seen[0], a.seen[1])  # noise differs between realisations


def test_accuracy_counts_images_and_realisations() -> None:
    rows = table([Probe("a")], 260, snr_db=(30.0,))
    assert rows["images"].eq(260).all()
    assert rows["transmissions"].eq(520).all()
    awgn = rows[rows["channel"] == "awgn"]
    assert awgn["correct"].eq(520).all()
    assert awgn["accuracy"].eq(1).all()
    assert awgn["ci_low"].between(0.97, 0.999).all()
    assert rows["bandwidth_ratio"].tolist() == [2.0, 2.0, 4.0, 4.0]


def test_table_error_widens_the_confidence_interval() -> None:
    class Measured(Probe):
        def table_error(self, channel: Channel, snr_db: float, k: int) -> float:
            return 0.05 if channel.name == "awgn" and k == 2 else 0.0

    plain, wide = table([Probe("a")], 300), table([Measured("a")], 300)
    assert wide["table_error"].tolist() == [0.05, 0.05, 0, 0, 0, 0, 0, 0]
    before, after = (own["accuracy"] - own["ci_low"] for own in (plain, wide))
    np.testing.assert_allclose(after, np.hypot(before, 1.959964 * wide["table_error"]), atol=1e-6)


def test_outage_counts_as_a_uniform_guess() -> None:
    rows = table([Probe("a", outage=True)], 20)
    assert rows["accuracy"].eq(0.5).all()
    assert rows["delivered"].eq(0).all()


def test_channels_with_the_same_objection_are_reported_in_one_line() -> None:
    picky = Probe("a")
    picky.objection = lambda channel, k: "needs more" * (channel.name != "awgn")  # type: ignore[method-assign]
    names = ("rayleigh", "awgn", "tdl:A")
    channels = tuple(map(channel_from_name, names))
    points, left_out = plan([picky], grid(channels=channels, channel_uses=(4,)))
    assert {point.channel for point in points} == {"awgn"}
    assert left_out == [LeftOut("a", "needs more", 4, ("rayleigh", "tdl:A"))]
    assert left_out[0].text == "a needs more: rayleigh, tdl:A with k = 4 left out"


def test_points_with_unsupported_k_are_left_out_and_reported() -> None:
    points, left_out = plan([Probe("a")], grid(channel_uses=(4, 9)))
    assert {point.k for point in points} == {4}
    assert left_out == [LeftOut("a", "serves k = 1 to 8", 9)]
    with pytest.raises(UserError, match="^nothing to sweep: a serves k = 1 to 8: k = 9 left out"):
        plan([Probe("a")], grid(channel_uses=(9,)))


def test_every_scheme_prepares_every_block_once() -> None:
    probes = [Probe("a"), Probe("b")]
    table(probes, 300)
    assert [probe.prepared for probe in probes] == [2, 2]  # two blocks each


def test_one_encoder_pass_serves_all_realisations_of_a_task() -> None:
    probe = Probe("a")
    table([probe], 300, realizations=5)
    assert probe.encoded == 2 * 8  # two blocks at each of eight points
    assert len(probe.seen) == 5 * 2 * 8


def test_failed_small_sweep_leaves_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> str:
        raise UserError("settings must be text")

    monkeypatch.setattr(Probe, "settings", wrong)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(UserError, match="settings must be text"):
            table([Probe("a")], images=10)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_realisations_are_added_until_the_interval_is_narrow_enough() -> None:
    rows = table([Probe("a")], 400, mc=1.0, max_realizations=40)
    width = 50 * (rows["mc_high"] - rows["mc_low"])
    assert (rows["realizations"] % 2 == 0).all()  # whole rounds
    assert ((width <= 1.0) | (rows["realizations"] == 40)).all()
    assert rows["realizations"].nunique() > 1
    again = table([Probe("b"), Probe("a")], 400, mc=1.0, max_realizations=40)
    alone = again[again["scheme"] == "a"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, rows, check_exact=True)


def test_rounds_and_table_each_read_a_unit_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: Counter[Unit] = Counter()

    class Counted(MemoryStore):
        def read(self, unit: Unit) -> Finished:
            read[unit] += 1
            return super().read(unit)

    monkeypatch.setattr("simulator.engine.run.MemoryStore", Counted)
    rows = table([Probe("a")], 20, mc=0.001, max_realizations=40)
    assert rows["realizations"].eq(40).all()
    once = {unit: 1 + (unit.realization < 38) for unit in read}  # by the table, and by rounds
    assert read == once
    assert len(read) == 8 * 40


def test_max_realizations_is_rounded_down_to_whole_rounds() -> None:
    rows = table([Probe("a")], 20, mc=0.001, max_realizations=5)
    assert rows["realizations"].eq(4).all()


def test_preparation_has_its_own_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[tuple[str, Any]] = []

    def noted(*items: Any, **settings: Any) -> Any:
        bars.append((settings["desc"], settings.get("total")))
        return progress(*items, **settings)

    monkeypatch.setattr(run, "progress", noted)
    table([Probe("a"), Probe("b")], 300)
    assert bars == [("sweep", 0), ("preparing images", 2 * 2)]  # two blocks for each scheme


def units(scheme: str, core_seconds: float, count: int) -> list[Finished]:
    point = Point(scheme, "awgn", 0.0, 4)
    return [Finished(Unit(point, r), np.zeros(1, np.uint8), core_seconds) for r in range(count)]


def test_time_left_is_summed_over_schemes() -> None:
    left = TimeLeft()
    for scheme in ("fast", "slow", "unknown"):
        left.ask(scheme, 10)
    assert left.seconds(1.0) is None
    left.add(units("fast", 0.1, 8))
    left.add(units("slow", 10.0, 1))
    cost = 2 * 0.1 + 9 * 10 + 10 * (0.1 + 10) / 2  # unknown: the mean cost of the others
    assert left.seconds(10.8) == pytest.approx(cost)  # one worker on its own core
    assert left.seconds(5.4) == pytest.approx(cost / 2)  # two workers
    left.add(units("fast", 0.1, 2))
    left.add(units("slow", 10.0, 9))
    left.add(units("unknown", 1.0, 10))
    assert left.seconds(100.0) == 0.0


@pytest.mark.parametrize("here", [True, False])
def test_every_scheme_has_a_task_submitted_before_further_tasks(
    here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[Any] = []

    class Noted(InProcess):
        def submit(self, work: Any) -> None:
            order.append(work)
            super().submit(work)

    if not here:  # behaves like a pool of other processes
        monkeypatch.setattr(run, "InProcess", str)
    probes, asked, images = [Probe("a"), Probe("b")], grid(), split(300)
    points, _ = plan(probes, asked)
    setting = Setting(1, CPU)
    pool = Noted(evaluator_here(probes, asked.channels, images, setting, num_classes=2))
    facts = run.facts_of(probes, asked.channels, points, images, num_classes=2)
    run_sweep(points, asked, facts, pool=pool, store=MemoryStore())
    pool.close()
    kinds = [
        (work.scheme if isinstance(work, Preparation) else work.point.scheme) for work in order
    ]
    tasks = [number for number, work in enumerate(order) if isinstance(work, Task)]
    assert "".join(kinds[:6]) == ("aaabbb" if here else "aabbab")  # two blocks each
    assert tasks[:2] == ([2, 5] if here else [4, 5])
    assert len(tasks) == len(points)


def test_colliding_seeds_of_two_draws_raise_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set[tuple[object, ...]]()

    def equal(_: Streams, *name: object) -> int:
        names.add(name)
        return 7

    channel = channel_from_name("tdl:A+ls:8")
    asked = grid(channels=(channel,), channel_uses=(8,), snr_db=(0.0,))
    monkeypatch.setattr(Streams, "seed_of", equal)
    with pytest.raises(UserError, match="would be equal under --seed 1; choose another seed"):
        plan([Probe("a")], asked)
    assert ("channel", "tdl:A", 0.0, 16, 0) in names  # the stream of a unit's draws
