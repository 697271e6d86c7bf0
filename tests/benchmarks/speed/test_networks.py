"""The speed benchmark of networks: rows, ratios, operation counts and sections."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.speed import __main__ as speed
from benchmarks.speed import networks as speed_networks
from benchmarks.speed.networks import (
    EAGER,
    engine_of,
    image_jscc,
    kaira,
    macs_per_transmission,
    peak,
    pictures,
    psnr,
    share_outside,
    shares,
    with_prepare,
)
from benchmarks.speed.table import QUICK, Row, of_several, ratios, single
from models.blocks import parameter_count
from simulator.engine.evaluate import Setting


def test_rows_have_median_minimum_and_maximum() -> None:
    row = of_several("a", "x", [3.0, 1.0, 2.0], "per second")
    assert (row.value, row.least, row.most, row.repeats) == (2.0, 1.0, 3.0, 3)
    assert single("a", "x", 5.0, "").repeats == 1


def test_image_network_has_about_143_000_parameters() -> None:
    assert parameter_count(image_jscc().model) == pytest.approx(143_000, rel=0.01)


def test_section_replaces_only_its_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = iter(range(9))
    monkeypatch.setattr(speed, "engine", lambda _: [single("a", "x", next(rows), "")])
    monkeypatch.setattr(speed, "precisions", lambda *_: [])
    monkeypatch.setattr(speed, "shares", lambda _: [single("g", "y", next(rows), "")])
    for only in ("g,a", "a"):
        speed.main(["--quick", "--only", only, "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "speed.csv")
    assert table[["section", "value"]].to_numpy().tolist() == [["a", 2], ["g", 0]]
    sections = json.loads((tmp_path / "run.json").read_text())["sections"]
    assert set(sections) == {"a", "g"}
    assert sections["a"]["time"] > sections["g"]["time"]
    for about in sections.values():
        assert set(about) == {"time", "commit", "quick"}
        assert about["quick"] is True


@pytest.mark.parametrize(
    ("only", "told"),
    [("z", "must name sections"), ("c", "needs --kaira-python"), ("grid", "needs --data")],
)
def test_sections_that_cannot_run_raise_errors(tmp_path: Path, only: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        speed.main(["--only", only, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_interpreter_without_kaira_raises_an_error() -> None:
    if importlib.util.find_spec("kaira"):
        pytest.skip("Kaira is installed here")
    with pytest.raises(SystemExit, match="cannot run Kaira"):
        list(kaira(QUICK, Path(sys.executable), None))


def test_noiseless_psnr_matches_the_network() -> None:

    scheme, split = image_jscc(), pictures(20)
    found = psnr(scheme, split, 100.0, Setting(0, torch.device("cpu"), "fp32"))
    sent = split.images.float() / 255
    values = scheme.model.encode(sent)
    values = values / values.square().mean(dim=1, keepdim=True).sqrt() * 0.5**0.5
    back = scheme.model.decode(values, height=32, width=32)
    error = ((back - sent) ** 2).flatten(1).mean(dim=1)
    assert np.allclose(found.numpy(), -10 * np.log10(error.detach().numpy()), atol=1e-3)


def test_sweep_rate_with_prepare_includes_both_times() -> None:
    points, encoded = (Row("a", "x", v, "", v / 2, 2 * v, 3) for v in (100.0, 2.0))
    row = with_prepare("x", points, encoded)  # 50 transmissions of an image: 0.5 s + 0.5 s
    assert (row.value, row.least, row.most, row.repeats) == (50.0, 25.0, 100.0, 3)
    assert row.what == "x, sweep of 50 with prepare"


def test_ratios_need_sections_measured_in_the_same_run() -> None:
    engine = Row("a", "rkd_sc k=64 fp32, sweep of 50 with prepare", 8.0, "", 6.0, 9.0, 3)
    loop = Row("b", "rkd_sc k=64 fp32, plain loop", 2.0, "", 1.0, 3.0, 3)
    ours = Row("a", "deep_jscc_image k=256 bf16, sweep of 50 with prepare", 9.0, "", 9.0, 9.0, 3)
    theirs = Row("c", "Kaira 0.2.1 fp32", 3.0, "", 3.0, 3.0, 3)
    table, now = [engine, loop, ours, theirs], {"time": "now", "commit": "x", "quick": False}
    found = {row.what: row for row in ratios(table, {"a": now, "b": now, "c": now})}
    assert set(found) == {
        "rkd_sc k=64 fp32, engine over plain loop",
        "deep_jscc_image k=256 bf16, engine over Kaira in fp32",
    }
    row = found["rkd_sc k=64 fp32, engine over plain loop"]
    assert (row.section, row.value, row.least, row.most) == ("ratios", 4.0, 2.0, 9.0)
    earlier = {**now, "time": "before"}
    alone = list(ratios(table, {"a": now, "b": now, "c": earlier}))
    assert [row.what for row in alone] == ["rkd_sc k=64 fp32, engine over plain loop"]
    assert not list(ratios(table, {}))


def test_ratio_is_removed_if_one_of_its_sections_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = single("a", "rkd_sc k=64 bf16, sweep of 50 with prepare", 6.0, "")
    loop = single("b", "rkd_sc k=64 bf16, plain loop", 2.0, "")
    monkeypatch.setattr(speed, "engine", lambda _: [engine])
    monkeypatch.setattr(speed, "precisions", lambda *_: [])
    monkeypatch.setattr(speed, "plain_loop", lambda _: [loop])
    for only, expected in (("a,b", ["a", "b", "ratios"]), ("b", ["a", "b"])):
        speed.main(["--quick", "--only", only, "--out", str(tmp_path)])
        assert list(pd.read_csv(tmp_path / "speed.csv")["section"]) == expected


def test_multiply_accumulates_of_the_image_network_match_its_layers() -> None:
    """Only the decoder counts, as prepared images are not encoded again; blocks have 250 images."""
    scheme = image_jscc()
    found = macs_per_transmission(engine_of(scheme, pictures(2), EAGER[0]), scheme, 256) * 2 / 250
    at_8x8 = 25 * 64 * (8 * 32 + 32 * 32 + 32 * 32 + 32 * 16)  # the last one doubles the side
    sub_pixel = 9 * 256 * 16 * (4 * 3)
    assert found == at_8x8 + sub_pixel


def test_share_outside_matrix_products_of_known_operations() -> None:
    a = torch.ones(300, 300)
    assert share_outside(lambda: [torch.mm(a, a) for _ in range(20)]) < 0.2
    assert share_outside(lambda: [a.exp() for _ in range(20)]) == 1.0


def test_peak_rate_of_matrix_products_is_plausible() -> None:
    row = peak("fp32", repeats=1)
    assert row.what == "peak of matrix products fp32"
    assert 1e8 < row.value < 1e12


def test_limits_follow_from_peak_rate_and_operation_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SNR_DB", (0.0,)), ("REALIZATIONS", 1), ("PRODUCTS", 2)):  # bf16 is slow
        monkeypatch.setattr(speed_networks, name, value)
    monkeypatch.setattr(speed_networks, "networks", lambda: ((image_jscc(), 256),))
    rows = {row.what: row.value for row in shares(QUICK)}
    count = rows["deep_jscc_image, multiply-accumulates per transmission"]
    for precision in ("fp32", "bf16"):
        name, top = f"deep_jscc_image {precision}", rows[f"peak of matrix products {precision}"]
        measured, limit = rows[f"{name}, measured"], rows[f"{name}, limit at the measured peak"]
        inside, share = (
            rows[f"{name}, {what}"]
            for what in ("inside matrix products now", "share outside matrix products")
        )
        assert limit == pytest.approx(top / count)
        assert inside == pytest.approx(measured / (1 - share))
        assert rows[f"{name}, left to gain"] == pytest.approx(limit / measured)
    assert len(rows) == 2 + 1 + 2 * 5
