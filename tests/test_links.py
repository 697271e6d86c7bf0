"""Every scheme over multipath and estimated gains: pilots, draws, and receiver knowledge."""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import torch

import semlink
from benchmarks.recipes.digits import digits
from channels.names import channel_from_name
from simulator.engine.grid import Division, Point, Unit, unit_streams
from simulator.storage.environment import REFERENCE
from tests.commands import Command

CHANNELS = (
    *("rayleigh", "rayleigh+ls:8", "rayleigh+lmmse:8", "tdl:A:300ns", "tdl:A:300ns+lmmse:8"),
    *("tdl:A:300ns+ls:8", "tdl:C:300ns:120kmh+lmmse:8+interleaved", "tdl:A:300ns+cfo:0.1+pa:3"),
)


@cache
def link() -> semlink.Link:
    return semlink.load("digits", weights=REFERENCE / "digits/weights")


@cache
def swept() -> pd.DataFrame:
    """All schemes of the digits at k = 64 and 5 dB over every kind of link."""
    grid = semlink.Grid(channels=CHANNELS, snr_db=(5,), channel_uses=(64,), realizations=1)
    kinds = (name for name in digits().scheme_names if ":" not in name)
    names = [name for name in kinds if link()[name].serves(64)]
    return semlink.sweep(link(), names, grid, images=120).table


def test_every_scheme_is_sent_over_every_link() -> None:
    counts = swept().groupby("scheme")["channel"].nunique()
    assert counts.drop("capacity_bound").eq(len(CHANNELS)).all()
    assert counts["capacity_bound"] == len(CHANNELS) - 2  # not with least-squares estimates


def test_pilots_are_counted_in_the_bandwidth_ratio() -> None:
    table = swept()
    pilots = table["channel"].str.contains("ls:8|lmmse:8", regex=True) * 8
    assert table["pilot_uses"].tolist() == pilots.tolist()
    assert table["channel_uses"].eq(64).all()
    assert table["bandwidth_ratio"].tolist() == pytest.approx(((64 + pilots) / 64).tolist())


def test_table_without_pilots_has_no_pilot_column() -> None:
    grid = semlink.Grid(channels=("tdl:A",), snr_db=(5,), channel_uses=(64,), realizations=1)
    table = semlink.sweep(link(), ["label_code"], grid, images=5).table
    assert "pilot_uses" not in table.columns
    assert list(table.columns)[-1] == "settings"


@pytest.mark.parametrize(("method", "least"), [("lmmse", 0.005), ("ls", 0.02)])
def test_channel_estimation_costs_accuracy(method: str, least: float) -> None:
    """On average over schemes; by chance, a single scheme may gain up to three images."""
    accuracy = swept().pivot(index="scheme", columns="channel", values="accuracy")
    lost = (accuracy["tdl:A:300ns"] - accuracy[f"tdl:A:300ns+{method}:8"]).dropna()
    assert len(lost) == len(accuracy) - (method == "ls")  # no bound with least squares
    assert lost.mean() > least
    assert lost.min() > -3.5 / 120


def test_streams_depend_on_the_true_channel_and_the_total_length() -> None:
    def drawn(name: str, k: int) -> float:
        unit = Unit(Point("rkd_sc", name, 5.0, k), 1)
        return float(
            torch.rand(1, generator=unit_streams(unit, channel_from_name(name), 3)("channel"))
        )

    perfect = drawn("tdl:A", 72)
    for name in ("tdl:A+ls:8", "tdl:A+lmmse:8", "tdl:A+cfo:1+lmmse:8+interleaved"):
        assert drawn(name, 64) == perfect
    assert drawn("tdl:A", 64) != perfect
    assert drawn("tdl:A+pa:3", 72) == perfect


@pytest.mark.parametrize("name", ["digital_semantic", "separate"])
def test_estimated_gains_use_decoding_instead_of_error_rate_tables(name: str) -> None:
    sent = semlink.send(
        link()[name], link().data.test.images[:4], channel="rayleigh+lmmse:4", snr_db=25, k=64
    )
    assert {"bits", "decoded_bits"} <= set(sent.seen)
    assert sent.noise_power.shape == (4, 64)
    known = semlink.send(
        link()[name], link().data.test.images[:4], channel="rayleigh", snr_db=25, k=64
    )
    assert "error_rate" in known.seen


def test_effective_snr_is_lower_with_an_estimated_gain() -> None:
    """The effective SNR of every image includes the estimation error."""
    scheme, images = link()["capacity_bound"], link().data.test.images[:120]
    rates = {}
    for name, k in (("rayleigh", 72), ("rayleigh+lmmse:8", 64)):
        sent = semlink.send(scheme, images, channel=name, snr_db=5, k=k)
        rates[name] = 10 * torch.log10((sent.h.abs().square() / sent.noise_power).mean(dim=1))
    lost = rates["rayleigh"] - rates["rayleigh+lmmse:8"]
    assert float(lost.mean()) > 0.3  # dB; 0.9 is lost on average for N0 = 0.32 and 8 pilots


def test_invalid_channel_specifications_raise_an_error(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(REFERENCE / "digits/weights")
    for channel, message in (
        ("tdl:F", "--channels: tdl must have a profile of A, B, C, D, E, got 'F'"),
        ("tdl:A:-5ns", "delay spread of tdl must be 0 to 100000 ns, got -5 ns"),
        ("tdl:A+lmmse:0", "pilots of an estimated channel must be 1 to 512, got 0"),
        ("tdl:A+lmmse:17", "at most as many pilots as data symbols, got 17 pilots with k = 16"),
        ("tdl:A:500ns", "must be within the cyclic prefix, 4.69 us"),
        ("tdl:A:1001kmh", "speed of tdl must be 0 to 1000 kmh, got 1001 kmh"),
    ):
        arguments = ["digits", "--weights", weights, "--channels", channel, "--out", "a"]
        assert semlink("sweep", *arguments, "--channel-uses", "16") == 2
        captured = capsys.readouterr().err.strip().splitlines()
        assert message in captured[-1]


def test_best_pilot_counts_are_recorded_and_changes_are_detected(
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = "rayleigh+lmmse:best,rayleigh"
    weights = str(REFERENCE / "digits/weights")
    few = ["--images", "20", "--realizations", "1", "--snr-db", "0,5", "--schemes", "label_code"]
    arguments = ["digits", "--weights", weights, *few, "--channels", channels, "--out", "a"]
    assert semlink("sweep", *arguments, "--channel-uses", "12") == 0
    rows = pd.read_csv(tmp_path / "a/results.csv")
    assert rows["bandwidth_ratio"].eq(12 / 64).all()  # pilots are among the 12 uses
    chosen = pd.read_csv(tmp_path / "a/choices.csv")
    assert chosen["channel"].eq("rayleigh+lmmse:best").all()
    assert chosen["snr_db"].tolist() == [0, 5]
    assert (chosen["pilots"] + chosen["data_uses"]).eq(12).all()
    monkeypatch.setattr(
        "simulator.engine.sweep.best_divisions",
        lambda schemes, channels, points, *_, **__: {
            point: Division(6, 6) for point in points if point.channel == "rayleigh+lmmse:best"
        },
    )
    capsys.readouterr()
    assert semlink("sweep", *arguments, "--channel-uses", "12") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "changed: pilots of label_code rayleigh+lmmse:best k=12 0 dB" in message
    assert semlink("link", "--channel", "rayleigh+ls:best") == 2
    assert "must have a number of pilots here" in capsys.readouterr().err


def test_figure_captions_count_pilots(semlink: Command, tmp_path: Path) -> None:
    weights = str(REFERENCE / "digits/weights")
    few = ["--images", "20", "--realizations", "1", "--snr-db", "0,5"]
    some = ["--channels", "tdl:A,tdl:A+lmmse:4", "--channel-uses", "4,8,16", "--schemes", "rkd_sc"]
    arguments = ["digits", "--weights", weights, *few, *some, "--out", "a"]
    assert semlink("sweep", *arguments) == 0
    caption = (tmp_path / "a/figures/accuracy_snr_k8.txt").read_text()
    ratios = "(k + pilots)/(C·H·W) = 8/64 = 0.125 with no pilots, 12/64 = 0.1875 with 4 pilots."
    assert f"pilots are charged on top of k: ratio {ratios}" in caption
    assert "unless a panel names an estimate" in caption
    assert "LMMSE from 4 pilots" in caption
    caption = (tmp_path / "a/figures/accuracy_uses_snr0.txt").read_text()
    assert "the axis counts k and pilots; ratio (k + pilots)/(C·H·W), C·H·W = 64." in caption


def test_points_with_fewer_data_symbols_than_pilots_are_left_out(
    semlink: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights = str(REFERENCE / "digits/weights")
    few = ["--images", "20", "--realizations", "1", "--snr-db", "0,5", "--schemes", "rkd_sc"]
    channel = ["--channels", "rayleigh+ls:8"]
    assert semlink("sweep", "digits", "--weights", weights, *few, *channel, "--out", "a") == 0
    assert "needs k of at least the 8 pilots" in capsys.readouterr().err
    rows = pd.read_csv(tmp_path / "a/results.csv")
    assert sorted(rows["channel_uses"].unique()) == [16, 64]


def test_genie_choices_are_listed_without_duplicates(semlink: Command, tmp_path: Path) -> None:
    weights = str(REFERENCE / "digits/weights")
    few = [
        "--images",
        "20",
        "--realizations",
        "1",
        "--snr-db",
        "0,5",
        "--channels",
        "awgn,rayleigh",
    ]
    arguments = ["digits", "--weights", weights, *few, "--schemes", "digital_semantic:genie"]
    assert semlink("sweep", *arguments, "--channel-uses", "16", "--out", "a") == 0
    chosen = pd.read_csv(tmp_path / "a/choices.csv")
    assert len(chosen) > 1
    assert not chosen.duplicated().any()


@pytest.mark.parametrize("name", ["rkd_sc", "adjscc", "vl_vfe"])
def test_joint_schemes_return_the_features_that_they_received(name: str) -> None:
    sent = semlink.send(link()[name], link().data.test.images[:4], channel="awgn", snr_db=20, k=64)
    assert sent.features is not None
    assert sent.features.shape == (4, 64)
