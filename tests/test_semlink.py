"""`import semlink`: its results match those of a sweep, and its docstring examples run."""

import doctest
import inspect
import subprocess
import sys
from dataclasses import replace
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

import semlink
from channels.base import ChannelOutput
from channels.equalize import mmse
from simulator.engine.evaluate import image_blocks
from simulator.engine.grid import Point, Unit
from simulator.statistics.tally import outcome_codes
from simulator.storage.environment import ROOT
from tests.commands import status

Results: Any = semlink.Results
REFERENCE = Results.read(ROOT / "results/reference/digits")
IMAGES = 260  # more than one block of 250


@cache
def link(bit_true: bool = False) -> semlink.Link:
    return semlink.load(
        "digits", weights=ROOT / "results/reference/digits/weights", bit_true=bit_true
    )


def grid(**changes: Any) -> semlink.Grid:
    settings = {"channels": ("rayleigh",), "snr_db": (5,), "channel_uses": (64,), "realizations": 2}
    return semlink.Grid(**{**settings, **changes})


def sent(name: str, *, bit_true: bool = False, **changes: Any) -> Any:
    settings = {"channel": "rayleigh", "snr_db": 5, "k": 64, **changes}
    images = link().data.test.images[:IMAGES]
    return semlink.send(link(bit_true)[name], images, **settings)


def test_import_does_not_load_heavy_packages() -> None:
    script = (
        "import semlink, sys; assert not {'torch', 'sionna', 'pandas', 'click'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    assert len(semlink.__all__) <= 15


@pytest.mark.parametrize(
    ("name", "bit_true"),
    [
        *(("rkd_sc", False), ("adjscc", False), ("label_code", False), ("analog_pixels", False)),
        *(("separate", False), ("separate", True), ("separate:genie", False)),
        ("digital_semantic", True),
    ],
)
def test_send_and_sweep_give_the_same_outcomes(name: str, bit_true: bool) -> None:
    results = semlink.sweep(link(bit_true), [name], grid(), images=IMAGES)
    assert isinstance(results._store, dict)
    labels = link().data.test.labels[:IMAGES]
    for realization in (0, 1):
        one = sent(name, bit_true=bit_true, realization=realization)
        codes = outcome_codes(one.scores, labels, one.delivered)
        swept = results._store.read(Unit(Point(name, "rayleigh", 5.0, 64), realization)).codes
        assert codes.tolist() == swept.tolist()


def test_send_computes_on_the_device_of_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, asked = link()["rkd_sc"], list[torch.device]()
    assert scheme.device == link().weights.device

    def blocks(images: Tensor, device: torch.device) -> Any:
        asked.append(device)
        return image_blocks(images, torch.device("cpu"))

    monkeypatch.setattr("simulator.engine.send.image_blocks", blocks)
    monkeypatch.setattr(scheme, "device", torch.device("cpu", 0))
    semlink.send(scheme, link().data.test.images[:2], k=16)
    assert asked == [torch.device("cpu", 0)]


def test_fewer_images_use_the_same_channel_draws() -> None:
    many, few = (
        sent("rkd_sc"),
        semlink.send(
            link()["rkd_sc"], link().data.test.images[:7], channel="rayleigh", snr_db=5, k=64
        ),
    )
    assert few.y is not None
    assert torch.equal(few.y, many.y[:7])
    assert torch.equal(few.scores, many.scores[:7])


def test_send_returns_symbols_gains_and_noise() -> None:
    one = sent("rkd_sc", snr_db=3)
    assert one.x.shape == one.y.shape == one.h.shape == one.equalised.shape == (IMAGES, 64)
    torch.testing.assert_close(one.x.abs().square().mean(dim=1), torch.ones(IMAGES))
    noise = (one.y - one.h * one.x).abs().square()
    assert float(noise.mean()) == pytest.approx(10**-0.3, rel=4 / (IMAGES * 64) ** 0.5)
    assert torch.allclose(one.noise_power, torch.full((IMAGES, 1), 10**-0.3))
    torch.testing.assert_close(one.equalised, mmse(ChannelOutput(one.y, one.h, one.noise_power)))
    assert one.features.shape == one.prepared["features"].shape
    assert one.delivered.all()
    assert one.images is None
    assert "no header" in one.settings
    assert torch.equal(one.classes, one.scores.argmax(dim=1))


def test_send_returns_rebuilt_images() -> None:
    one = sent("analog_pixels", channel="awgn", snr_db=60)
    original = link().data.test.images[:IMAGES].float() / 255
    assert float((one.images - original).abs().max()) < 0.02


def test_send_returns_choice_and_bits_of_a_digital_scheme() -> None:
    one = sent("separate", bit_true=True, channel="awgn", snr_db=12)
    assert {"codec", "modulation", "payload_bits"} <= set(one.choice)
    assert one.bits.shape == (IMAGES, one.choice["payload_bits"])
    assert torch.equal(one.bits[one.delivered], one.seen["decoded_bits"][one.delivered])
    assert sent("separate:genie", channel="rayleigh", snr_db=12).choice == {}  # one per image
    points = torch.view_as_real(one.x).flatten().abs().unique()
    assert len(points) <= 8  # of a square QAM
    drawn = sent("separate", channel="awgn", snr_db=12)
    assert drawn.x is drawn.y is drawn.equalised is drawn.bits is None
    assert drawn.seen["error_rate"].shape == (IMAGES,)


def impulsive(
    x: Tensor, snr_db: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    power = 10 ** (-snr_db / 10)
    w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    strong = torch.rand(x.shape, generator=generator) < 0.1
    w = w * torch.where(strong, 10.0, 1.0).div(1.9).sqrt()
    return x + torch.complex(w[0], w[1]), torch.ones_like(x), power


def test_own_encoder_decoder_and_channel_are_swept(tmp_path: Path) -> None:
    pixels = link().data.test.images[:50].float().flatten(1) / 255
    basis = torch.linalg.svd(pixels - pixels.mean(dim=0), full_matrices=False)[2][:32]
    scheme = semlink.own_scheme(
        "mine", lambda x: x.flatten(1) @ basis.T, torch.nn.Linear(32, 10), k=16
    )
    channel = semlink.own_channel("impulsive", impulsive)
    own = grid(channels=("awgn", channel), channel_uses=(16,))
    table = semlink.sweep(link(), ["rkd_sc", scheme], own, images=50).table
    assert table[["scheme", "channel"]].values.tolist() == [
        *(["rkd_sc", "awgn"], ["rkd_sc", "impulsive"], ["mine", "awgn"], ["mine", "impulsive"])
    ]
    one = semlink.send(scheme, link().data.test.images[:3], channel=channel, k=16)
    assert one.scores.shape == (3, 10)


def test_saved_sweep_in_memory_works_with_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = semlink.own_scheme(
        "mine", lambda x: x.flatten(1)[:, :32], torch.nn.Linear(32, 10), k=16
    )
    asked = grid(channels=(semlink.own_channel("impulsive", impulsive),), channel_uses=(16,))
    results = semlink.sweep(link(), ["rkd_sc", scheme], asked, images=50)
    folder = tmp_path / "saved"
    other = semlink.sweep(link(), scheme, asked, images=50)
    other.save(folder)
    with pytest.raises(semlink.Error, match="must not hold other results, got .*fresh=True"):
        results.save(folder)
    assert results.save(folder, fresh=True) == results.save(folder) == folder
    with pytest.raises(semlink.Error, match="holds results that Results.save wrote"):
        semlink.sweep(link(), "rkd_sc", grid(), images=5, out=folder)
    again = Results.read(folder)
    pd.testing.assert_frame_equal(again.table, results.table)
    assert again.compare(b="rkd_sc").equals(results.compare(b="rkd_sc"))
    for command in ("plot", "report", "threshold --accuracy 50", "compare --b rkd_sc"):
        name, *options = command.split()
        assert status(monkeypatch, name, folder, *options) == 0, command
    with pytest.raises(semlink.Error, match="must be only in memory, but they are in"):
        again.save(tmp_path / "other")
    swept = tmp_path / "swept"
    semlink.sweep(link(), ["rkd_sc"], grid(channel_uses=(16,)), images=5, out=swept)
    with pytest.raises(semlink.Error, match="must not hold a sweep that Results.save did not"):
        results.save(swept)
    assert {*Results.read(swept).table["scheme"]} == {"rkd_sc"}


def test_sweep_detects_other_test_images(tmp_path: Path) -> None:
    first = link()
    split = replace(first.data.test, images=torch.zeros_like(first.data.test.images))
    other = replace(first, data=replace(first.data, test=split))
    one, two = (
        semlink.sweep(own, "rkd_sc", grid(), images=20, out=tmp_path / name)
        for own, name in ((first, "a"), (other, "b"))
    )
    assert one.run["data"]["hash"] == first.data.key != two.run["data"]["hash"]
    assert one.table["accuracy"].mean() > two.table["accuracy"].mean() + 0.5
    with pytest.raises(semlink.Error, match="changed: the images"):
        semlink.sweep(other, "rkd_sc", grid(), images=20, out=tmp_path / "a")


def test_results_in_memory_and_from_a_folder_agree_and_are_plotted(tmp_path: Path) -> None:
    asked = grid(channels=("awgn",), channel_uses=(16,), snr_db=(-5, 5))
    here = semlink.sweep(link(), ["rkd_sc", "label_code"], asked, images=50)
    there = semlink.sweep(link(), ["rkd_sc", "label_code"], asked, images=50, out=tmp_path / "a")
    again = semlink.Results.read(tmp_path / "a")
    assert here.table.equals(there.table)
    assert here.compare(b="rkd_sc").equals(again.compare(b="rkd_sc"))
    files = here.plot(tmp_path / "figures")
    assert files
    assert all(path.exists() for path in files)
    one = here.plot(tmp_path / "one", schemes="rkd_sc", width="column", axis="error")
    assert {path.stem for path in one} == {"error_snr_k16_awgn"}
    assert "label code" not in (tmp_path / "one" / "error_snr_k16_awgn.txt").read_text()


def test_printed_objects_are_short_and_show_the_numbers() -> None:
    asked = grid(channels="awgn", channel_uses=16, snr_db="-10:20:2", realizations=1)
    results = semlink.sweep(link(), "rkd_sc,label_code", asked, images=20)
    printed, compared = str(results), str(results.compare(b="label_code"))
    assert printed.startswith("accuracy in %, 20 test images, 1 channel draw of each")
    value = 100 * results.table.query("scheme == 'rkd_sc'")["accuracy"].iloc[0]
    assert f"{value:.1f}" in printed
    assert "difference" in compared
    assert "(Holm, over the 16 points of a pair)" in compared
    assert max(map(len, [*printed.splitlines(), *compared.splitlines()])) <= 100
    assert len(repr(link())) < 300
    assert "500 test images" in repr(link())
    data = "<Dataset digits: 1,000 training, 297 validation, 500 test images [1, 8, 8], 10 classes>"
    assert repr(link().data) == data
    assert repr(link().data.test) == "<Split: 500 images [1, 8, 8]>"
    assert repr(link()["rkd_sc"]) == "<Scheme rkd_sc: k = 1 to 64; images [1, 8, 8]>"
    assert all(repr(link()[name]).startswith(f"<Scheme {name}: k ") for name in link().schemes)
    own = semlink.own_scheme("mine", torch.nn.Flatten(), torch.nn.Linear(32, 10), k=16)
    assert repr(own) == "<Scheme mine: k in {16}; images any size>"


def test_threshold_takes_strings_or_lists_and_prints_its_table() -> None:
    asked: dict[str, Any] = {"reference": "Separate"}
    one = REFERENCE.threshold("90%", schemes="RKD_SC", channels="AWGN", channel_uses=64, **asked)
    listed = REFERENCE.threshold(
        90, schemes=["rkd_sc"], channels=["awgn"], channel_uses=[64], **asked
    )
    assert one.equals(listed)
    printed = str(one)
    assert printed.startswith("SNR (Es/N0 per channel use) in dB for 90 % accuracy\n")
    needed = one.set_index("scheme")["snr_db"]
    assert f"{needed['separate']:.2f}" in printed
    assert "difference: minus that of separate; its interval is from a paired" in printed
    assert "..." not in printed


def test_tables_show_pilots_next_to_k() -> None:
    asked = grid(channels="awgn,awgn+ls:8", channel_uses=16, snr_db=(-10, 10), realizations=1)
    results = semlink.sweep(link(), "rkd_sc,label_code", asked, images=20)
    for table in (results.threshold(20), results.compare(b="label_code")):
        assert table.groupby("channel")["pilot_uses"].first().tolist() == [0, 8]
        lines = str(table).splitlines()
        estimated = [line for line in lines if "awgn+ls:8" in line]
        assert estimated
        assert all("16 + 8 pilots" in line for line in estimated)
        assert any("awgn" in line and "pilots" not in line for line in lines)
    assert "pilot_uses" not in results.threshold(20, channels="awgn")


def test_names_are_case_insensitive() -> None:
    asked = grid(channels="AWGN", channel_uses=16, realizations=1)
    results = semlink.sweep(link(), ["RKD_SC", "Label_Code"], asked, images=5)
    assert list(results.table["scheme"]) == ["rkd_sc", "label_code"]
    assert link()["RKD_SC"].name == "rkd_sc"
    assert list(results.compare(b="LABEL_CODE", a="Rkd_sc")["a"]) == ["rkd_sc"]


def test_repr_of_sent_shows_shapes_instead_of_tensors() -> None:
    printed = repr(sent("rkd_sc"))
    assert printed.startswith("<Sent: 260 images by rkd_sc, k = 64; x [260, 64], y [260, 64], ")
    assert "scores [260, 10]" in printed
    assert "tensor" not in printed
    assert "; x [" not in repr(sent("separate", channel="awgn", snr_db=12))


def test_train_passes_its_arguments_to_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("simulator.commands.train.train", asked.append)
    out = semlink.train("DIGITS", out=tmp_path, stage="STAGE2", epochs=2, lr=0.1, schemes="ADJSCC")
    assert out == tmp_path / "weights"
    (request,) = asked
    assert (request.recipe, request.stage, request.schemes) == ("digits", "stage2", ("adjscc",))
    assert (request.epochs, request.lr) == (2, 0.1)


def test_own_scheme_on_own_images_needs_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        path = tmp_path / "own" / "test" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 12 * number, dtype=np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    mine = semlink.load("images", data="own", resize=8)
    assert mine.data.image_shape == (3, 8, 8)
    assert mine.schemes == ()
    scheme = semlink.own_scheme("mine", torch.nn.Flatten(), lambda x: x[:, :2], k=96)
    asked = grid(channels="awgn", channel_uses=96, realizations=1)
    table = semlink.sweep(mine, scheme, asked).table
    assert table["images"].tolist() == [20]
    assert semlink.send(scheme, mine.data.test.images, k=96).scores.shape == (20, 2)
    for call in (lambda: mine["label_code"], lambda: semlink.sweep(mine, grid=asked)):
        with pytest.raises(semlink.Error, match=r"run semlink.train\('images', data=DIR\)"):
            call()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: semlink.load("digts"), "recipe must be one of .* did you mean digits"),
        (lambda: link()["rkdsc"], "^unknown scheme 'rkdsc'; choose from rkd_sc"),
        (lambda: sent("rkd_sc", channel="raleigh"), "channel must be one of .* did you mean"),
        (lambda: sent("separate", k=3), "separate serves k in .*, got k = 3"),
        (lambda: sent("rkd_sc", snr_db=float("nan")), "snr_db must be a finite number"),
        (lambda: semlink.send(link()["rkd_sc"], torch.rand(2, 1, 8, 8)), "images must be uint8"),
        (lambda: semlink.load("digits", weights="none"), "^weights must be a folder"),
        (lambda: semlink.sweep(link(), grid=grid(snr_db=("abc",))), "^snr_db must be"),
        (lambda: semlink.sweep(link(), grid=grid(channel_uses=(0,))), "^channel_uses must be"),
        (lambda: semlink.sweep(link(), grid=grid(realizations=0)), "^realizations must be"),
        (lambda: semlink.sweep(link(), grid=grid(seed=-1)), "^seed must be"),
        (lambda: semlink.sweep(link(), grid=grid(realizations="awgn")), "in Python: a number, {"),
        (lambda: semlink.sweep(link(), grid=grid(channels="agn")), "got 'agn'; did you mean awgn"),
        (lambda: Results.plot(REFERENCE, "x", axis="eror"), "^axis must be one of"),
        (lambda: Results.plot(REFERENCE, "x", schemes="rkd"), "^schemes must be among"),
        (lambda: semlink.load("images"), "needs images: add data=DIR"),
        (lambda: semlink.load("digits", resize=8), "^resize rescales .* add data=DIR"),
        (lambda: semlink.load_data("nowhere"), "nowhere: no such folder"),
        (lambda: semlink.Results.read("nowhere"), "must be the folder of a finished sweep"),
    ],
)
def test_errors_name_python_arguments(call: Any, line: str) -> None:
    with pytest.raises(semlink.Error, match=line) as caught:
        call()
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_docstring_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other: later ones use names of earlier ones."""
    public = (name for name in semlink.__all__ if name not in {"Error", "train"})
    names = (*public, "Results.compare", "Results.threshold")
    texts = {name: inspect.getdoc(attrgetter(name)(semlink)) or "" for name in names}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(semlink, "load_data", lambda _: link().data)
    monkeypatch.setattr("simulator.resolve.draw", lambda *_, **named: [named])
    space: dict[str, Any] = {"semlink": semlink, "torch": torch}
    for name, text in texts.items():
        examples = doctest.DocTestParser().get_examples(text)
        assert examples, name
        for example in examples:
            exec(example.source, space)
