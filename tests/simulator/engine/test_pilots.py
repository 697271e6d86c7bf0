"""The choice of the number of pilots on validation images, compared with an exhaustive search."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from channels.names import channel_from_name
from channels.streams import Streams
from simulator.engine.earlier import check_same
from simulator.engine.evaluate import Setting, evaluator_here
from simulator.engine.grid import (
    Division,
    Grid,
    Point,
    Task,
    divisions,
    numbers_of_pilots,
    placed,
    plan,
)
from simulator.engine.pilots import REALIZATIONS, best_divisions
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.left_out import LeftOut
from tests.simulator.engine.probe import CPU, Probe, grid, split

NAME = "rayleigh+ls:best"
IMAGES = 500


class Even(Probe):
    """Serves only 2 and 4 channel uses, and no channel with two pilots."""

    def serves(self, k: int) -> bool:
        return k in (2, 4)

    def objection(self, channel: Any, k: int) -> str:
        return "dislikes two pilots" if channel.pilots == 2 else ""


def chosen(*snr_db: float, k: int = 8, name: str = NAME) -> list[Division]:
    points = [Point("a", name, own, k) for own in snr_db]
    found = best_divisions(
        [Probe("a")], [channel_from_name(name)], points, split(IMAGES), CPU, num_classes=2
    )
    return [found[point] for point in points]


def tried(pilots: int, snr_db: float, *, realizations: int, seed: int) -> pd.Series:
    """Results of the probe with this number of pilots among 8 channel uses."""
    fixed = channel_from_name(f"rayleigh+ls:{pilots}")
    asked = Grid(
        channels=(fixed,), snr_db=(), channel_uses=(), realizations=realizations, seed=seed
    )
    points = [Point("a", fixed.name, snr_db, 8 - pilots)]
    return sweep_here([Probe("a")], points, asked, split(IMAGES), CPU, num_classes=2).table.iloc[0]


def test_candidate_numbers_of_pilots() -> None:
    assert numbers_of_pilots(1) == []
    assert numbers_of_pilots(8) == [1, 2, 3, 4]
    assert numbers_of_pilots(70) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert numbers_of_pilots(10_000)[-1] == 512


def test_divisions_leave_a_number_of_data_symbols_the_scheme_serves() -> None:
    channel = channel_from_name(NAME)
    assert divisions(Probe("a"), channel, 8) == [(1, 7), (2, 6), (3, 5), (4, 4)]
    assert divisions(Even("a"), channel, 8) == [(1, 4), (3, 4), (4, 4)]
    assert divisions(Even("a"), channel, 3) == [(1, 2)]
    assert divisions(Probe("a"), channel, 20)[-1] == (8, 8)


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 6.0])
def test_chosen_number_of_pilots_matches_an_exhaustive_search(snr_db: float) -> None:
    seed = Streams(seed=0).seed_of("choice of pilots")
    found = [
        tried(own, snr_db, realizations=REALIZATIONS, seed=seed)["accuracy"] for own in (1, 2, 3, 4)
    ]
    best = 1 + found.index(max(found))
    assert chosen(snr_db) == [(best, 8 - best)]
    anew = [tried(own, snr_db, realizations=40, seed=7) for own in range(1, 5)]
    top = max(row["mc_low"] for row in anew)
    assert anew[best - 1]["mc_high"] >= top  # not significantly worse with other draws


def test_few_pilots_at_high_snr_and_more_at_low_snr() -> None:
    low, high = chosen(0.0, 40.0)
    assert high == (1, 7)  # every number reaches full accuracy: the fewest
    assert low.pilots > 1


def test_point_is_placed_with_its_chosen_pilots_and_data_symbols() -> None:
    channel, point = channel_from_name("tdl:A+lmmse:best+interleaved"), Point("a", "", 0.0, 8)
    fixed, k = placed(point, channel, {point: Division(3, 5)})
    assert (fixed.name, fixed.pilots, k) == ("tdl:A+lmmse:3+interleaved", 3, 5)
    assert placed(point._replace(k=4), channel, {point: Division(3, 5)}) == (channel, 4)


def test_points_without_a_valid_division_are_left_out_and_reported() -> None:
    asked = grid(channels=tuple(map(channel_from_name, ("awgn", NAME))), channel_uses=(2, 9))
    points, left_out = plan([Probe("a"), Even("b")], asked)
    served = {(own.scheme, own.channel, own.k) for own in points}
    assert served == {
        ("a", "awgn", 2),
        ("a", NAME, 2),
        ("a", NAME, 9),
        ("b", "awgn", 2),
        ("b", NAME, 9),
    }
    assert LeftOut("a", "serves k = 1 to 8", 9, ("awgn",)) in left_out
    fits = "serves no k beside pilots that fit, or not this channel"
    assert LeftOut("b", fits, 2, (NAME,)) in left_out


def test_choice_without_validation_images_or_division_raises_an_error() -> None:
    channels, points = [channel_from_name(NAME)], [Point("a", NAME, 0.0, 8)]
    with pytest.raises(UserError, match="needs validation images"):
        best_divisions([Probe("a")], channels, points, None, CPU, num_classes=2)
    assert best_divisions([Probe("a")], channels, [], None, CPU, num_classes=2) == {}
    with pytest.raises(UserError, match=r"number of pilots here, such as rayleigh\+ls:8"):
        sweep_here([Probe("a")], points, grid(channels=channels), split(4), CPU, num_classes=2)


def test_resuming_with_other_pilot_choices_raises_an_error(tmp_path: Any) -> None:
    before: dict[str, Any] = {"schemes": {}, "pilots": {"a at 0 dB": [2, 6], "a at 5 dB": [1, 7]}}
    more = {"schemes": {}, "pilots": {"a at 0 dB": [2, 6], "a at 9 dB": [1, 7]}}
    check_same([before, {"schemes": {}}], more, tmp_path)
    other = {"schemes": {}, "pilots": {"a at 0 dB": [3, 5]}}
    with pytest.raises(UserError, match="changed: pilots of a at 0 dB"):
        check_same([before], other, tmp_path)


ABOUT = {"seed": 1, "data": "a", "device": "cpu", "torch": "2", "sionna-no-rt": "2", "schemes": {}}


@pytest.mark.parametrize("name", ["seed", "data", "device", "torch", "sionna-no-rt"])
def test_resuming_a_sweep_with_changed_settings_raises_an_error(name: str, tmp_path: Path) -> None:
    check_same([ABOUT, ABOUT], ABOUT, tmp_path)
    told = "the images" if name == "data" else f"{name} {ABOUT[name]} -> other"
    for before in ([ABOUT], [ABOUT, {**ABOUT, name: "other"}]):  # the first run counts too
        with pytest.raises(UserError, match=f"changed: {told}"):
            check_same(before, {**ABOUT, name: "other"}, tmp_path)


def test_resuming_after_a_change_of_a_channel_in_use_raises_an_error(tmp_path: Path) -> None:
    name = "tdl:A:300ns+pa:3"
    now = {**ABOUT, "channels": {"awgn": {}, name: channel_from_name(name).versions}}
    check_same([now], now, tmp_path)
    check_same([{**ABOUT, "channels": {"awgn": {}}}], now, tmp_path)  # not in use before
    for versions in ({}, {"ImpairedChannel": 1}):
        before = {**ABOUT, "channels": {"awgn": {}, name: versions}}
        with pytest.raises(UserError, match=rf"changed: version of channel {re.escape(name)}\."):
            check_same([before], now, tmp_path)


def test_wrapped_channels_have_the_versions_of_the_channels_in_them() -> None:
    estimated = channel_from_name("awgn+lmmse:8+interleaved").versions
    assert estimated == {"EstimatedChannel": 2}
    impaired = channel_from_name("tdl:A:300ns+pa:3").versions
    assert impaired == {"ImpairedChannel": 2}
    both = channel_from_name("tdl:A:300ns+pa:3+lmmse:8+interleaved").versions
    assert both == {**estimated, **impaired}


def test_chosen_and_fixed_numbers_of_pilots_share_channel_draws() -> None:
    seen = []
    for name, k, found in ((NAME, 8, Division(2, 6)), ("rayleigh+ls:2", 6, None)):
        probe, point = Probe("a"), Point("a", name, 0.0, k)
        evaluator = evaluator_here(
            [probe],
            [channel_from_name(name)],
            split(10),
            Setting(1, CPU),
            num_classes=2,
            divisions={point: found} if found else {},
        )
        evaluator(Task(point, (0,)))
        seen += probe.seen
    assert seen[0].shape[1] == 2 * 6
    assert torch.equal(*seen)
