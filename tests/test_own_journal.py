"""Sweeps of the user's own schemes and channels in a folder, with a journal."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import semlink
from channels.base import Channel
from channels.streams import PointStreams
from simulator.engine.journal import Journal
from simulator.measures.seeds import across_seeds
from simulator.scheme import Received, Scheme, Tensors, all_delivered
from simulator.storage.environment import ROOT

K = 16
LINK = semlink.load("digits", weights=ROOT / "results/reference/digits/weights")


def impulsive(x: Tensor, snr_db: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Strong noise on one symbol in ten."""
    power = 10 ** (-snr_db / 10)
    w = torch.randn(2, *x.shape, generator=draws) * (power / 2) ** 0.5
    w = w * torch.where(torch.rand(x.shape, generator=draws) < 0.1, 10.0, 1.0).div(1.9).sqrt()
    return x + torch.complex(w[0], w[1]), torch.ones_like(x), power


def worse(x: Tensor, snr_db: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return impulsive(x, snr_db - 10, draws)


def mine(seed: int = 0) -> Scheme:
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K))
    return semlink.own_scheme("mine", encoder, nn.Linear(2 * K, 10), k=K)


def grid(*snr_db: float, act: Any = impulsive) -> semlink.Grid:
    channels = ("awgn", semlink.own_channel("impulsive", act))
    return semlink.Grid(snr_db=snr_db, channel_uses=K, channels=channels, realizations=2)


class Loud(Scheme):
    """Sends QPSK of constant, 20 % too high a power."""

    name = "loud"
    channel_uses = "k >= 1"
    power = 1.2

    def serves(self, k: int) -> bool:
        return True

    def settings(self, k: int) -> str:
        return "too much power, no header"

    def prepare(self, images: Tensor) -> Tensors:
        return {"mean": images.mean(dim=(1, 2, 3))}

    def encode(
        self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int
    ) -> dict[str, Tensor]:
        ones = torch.ones(len(snr_db), k, dtype=torch.complex64)
        return {"x": ones * self.power**0.5}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        return Received(received.y.real[:, :10], all_delivered(x))


def test_sweep_of_own_objects_resumes_and_equals_the_sweep_in_memory(tmp_path: Path) -> None:
    semlink.sweep(LINK, ["rkd_sc", mine()], grid(0), images=20, out=tmp_path)
    first = Journal(tmp_path).path.read_bytes()
    whole = semlink.sweep(LINK, ["rkd_sc", mine()], grid(0, 10), images=20, out=tmp_path)
    grown = Journal(tmp_path).path.read_bytes()
    assert grown.startswith(first)  # nothing is computed again
    assert len(Journal(tmp_path)) == 16  # schemes x channels x SNRs x realisations
    semlink.sweep(LINK, ["rkd_sc", mine()], grid(0, 10), images=20, out=tmp_path)
    assert Journal(tmp_path).path.read_bytes() == grown
    memory = semlink.sweep(LINK, ["rkd_sc", mine()], grid(0, 10), images=20)
    assert whole.table.equals(memory.table)
    assert whole.run["noiseless_accuracy"] == memory.run["noiseless_accuracy"]
    again = semlink.Results.read(tmp_path)
    compared = again.compare(a="mine", b="rkd_sc", channels="impulsive")
    assert len(compared) == 2
    assert not list(tmp_path.glob("prepared/*"))


def test_own_scheme_is_added_to_a_finished_sweep_of_named_schemes(tmp_path: Path) -> None:
    named = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn", realizations=2)
    semlink.sweep(LINK, "label_code", named, images=20, out=tmp_path, workers=2)
    before = Journal(tmp_path).path.read_bytes()
    both = semlink.sweep(LINK, ["label_code", mine()], named, images=20, out=tmp_path)
    assert both.table["scheme"].tolist() == ["label_code", "mine"]
    added = Journal(tmp_path).path.read_bytes().removeprefix(before)
    assert added.count(b'"scheme": "mine"') == 2
    assert b'"scheme": "label_code"' not in added


def test_changed_objects_need_fresh(tmp_path: Path) -> None:
    def again(scheme: Scheme, act: Any = impulsive, **options: Any) -> Any:
        asked = grid(0, 5, act=act)
        return semlink.sweep(
            LINK, ["label_code", scheme], asked, images=60, out=tmp_path, **options
        )

    first = again(mine())
    before = Journal(tmp_path).path.read_bytes()
    with pytest.raises(
        semlink.Error, match="^mine .*must do the same .* of 60 outcomes .* fresh=True"
    ):
        again(mine(seed=1))
    with pytest.raises(semlink.Error, match="^channel impulsive must do the same as in the run"):
        again(mine(), act=worse)
    assert Journal(tmp_path).path.read_bytes() == before

    with pytest.raises(semlink.Error, match="fresh must be True, or name schemes of this sweep"):
        again(mine(), fresh="other")
    second = again(mine(seed=1), fresh="mine")
    added = Journal(tmp_path).path.read_bytes().removeprefix(before)
    assert b'"scheme": "label_code"' not in added  # only mine is computed again
    rows = first.table["scheme"] == "label_code"
    assert second.table[rows].equals(first.table[rows])
    assert not second.table[~rows]["correct"].equals(first.table[~rows]["correct"])
    assert len(Journal(tmp_path)) == 16
    assert again(mine(seed=1)).table.equals(second.table)
    assert again(mine(), fresh=True).table.equals(first.table)


def test_scheme_without_finished_units_may_change(tmp_path: Path) -> None:
    points = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn")
    wrong = semlink.own_scheme("mine", nn.Flatten(), nn.Linear(2 * K, 10), k=K)
    with pytest.raises(semlink.Error, match="encoder of mine must give"):
        semlink.sweep(LINK, ["label_code", wrong], points, images=20, out=tmp_path)
    table = semlink.sweep(LINK, ["label_code", mine()], points, images=20, out=tmp_path).table
    assert table["scheme"].tolist() == ["label_code", "mine"]


def test_ctrl_c_in_python_raises_keyboard_interrupt_and_keeps_finished_units(
    tmp_path: Path,
) -> None:
    calls: list[int] = []

    def decode(values: Tensor) -> Tensor:
        calls.append(len(values))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return values[:, :10]

    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K))
    scheme = semlink.own_scheme("mine", encoder, decode, k=K)
    points = semlink.Grid(snr_db=(0, 5, 10), channel_uses=K, channels="awgn", realizations=1)
    with pytest.raises(KeyboardInterrupt, match="2 finished units are in .* to resume"):
        semlink.sweep(LINK, scheme, points, images=20, out=tmp_path)
    assert len(semlink.sweep(LINK, scheme, points, images=20, out=tmp_path).table) == 3


def test_figures_and_report_of_earlier_results_are_removed(tmp_path: Path) -> None:
    points = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn")
    results = semlink.sweep(LINK, "label_code", points, images=20, out=tmp_path)
    drawn = results.plot(tmp_path / "figures")
    (tmp_path / "report.html").write_text("report")
    (tmp_path / "figures" / "my notes.txt").write_text("kept")
    semlink.sweep(LINK, "label_code", points, images=20, out=tmp_path)
    assert all(path.exists() for path in drawn)  # nothing changed
    semlink.sweep(LINK, ["label_code", mine()], points, images=20, out=tmp_path)
    assert not any(path.exists() for path in drawn)
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "figures" / "my notes.txt").exists()


def test_training_runs_swept_into_folders_are_compared(tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in range(2)]
    for seed, folder in enumerate(folders):
        semlink.sweep(LINK, ["rkd_sc", mine(seed)], grid(0, 5), images=20, out=folder)
    table = across_seeds(folders)
    assert table["scheme"].unique().tolist() == ["mine"]
    assert table["seeds"].eq(2).all()


def test_other_processes_and_built_in_objects_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(semlink.Error, match="workers must be 1 with schemes or channels of your"):
        semlink.sweep(LINK, mine(), grid(0), images=20, out=out, workers=2)
    with pytest.raises(semlink.Error, match="schemes of the recipe must be names, got .* rkd_sc"):
        semlink.sweep(LINK, LINK["rkd_sc"], grid(0), images=20, out=out)
    assert not out.exists()


def test_too_much_power_stays_an_error_when_the_sweep_is_resumed(tmp_path: Path) -> None:
    points = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn", realizations=1)
    for _ in range(2):
        with pytest.raises(semlink.Error, match="must have unit power on average, got 1.2"):
            semlink.sweep(LINK, Loud(), points, images=50, out=tmp_path)
    assert len(Journal(tmp_path)) == 0
    assert not (tmp_path / "results.csv").exists()


class Versioned(Loud):
    """A scheme of unit power."""

    name = "versioned"
    power = 1.0


def test_a_scheme_that_began_anew_resumes_although_older_runs_had_another_version(
    tmp_path: Path,
) -> None:
    points = semlink.Grid(snr_db=(0, 5), channel_uses=K, channels="awgn", realizations=1)

    def again(version: int, **options: Any) -> Any:
        scheme = Versioned()
        scheme.version = version
        return semlink.sweep(LINK, scheme, points, images=20, out=tmp_path, **options)

    again(1)
    with pytest.raises(semlink.Error, match="changed: version of versioned"):
        again(2)
    again(2, fresh="versioned")
    again(2)
    with pytest.raises(semlink.Error, match="changed: version of versioned"):
        again(1)


def test_fresh_for_one_scheme_loses_nothing_if_another_changed(tmp_path: Path) -> None:
    def pair(name: str, seed: int) -> Scheme:
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K))
        return semlink.own_scheme(name, encoder, nn.Linear(2 * K, 10), k=K)

    points = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn")
    semlink.sweep(LINK, [pair("a", 0), pair("b", 1)], points, images=60, out=tmp_path)
    before = Journal(tmp_path).path.read_bytes()
    with pytest.raises(semlink.Error, match="^b must do the same"):
        semlink.sweep(
            LINK, [pair("a", 2), pair("b", 3)], points, images=60, out=tmp_path, fresh="a"
        )
    assert Journal(tmp_path).path.read_bytes() == before
