"""Invalid arguments of every function of `semlink`: a one-line error names the argument."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import semlink
from simulator.arguments import axes
from simulator.data.dataset import Split
from simulator.errors import UserError
from simulator.left_out import left_out_of
from simulator.measures.seeds import across_seeds
from simulator.storage.environment import ROOT
from tests.commands import WEIGHTS

K = 16
REFERENCE = ROOT / "results/reference"
NAN = float("nan")
Call = Callable[[], object]
WRONGLY: Any = semlink  # untyped, for calls that violate the annotations


@cache
def link() -> semlink.Link:
    return semlink.load("digits", weights=WEIGHTS)


@cache
def wrongly() -> Any:
    return semlink.Results.read(REFERENCE / "digits")


def image() -> Any:
    return link().data.test.images[:1]


def send(images: Any = None, scheme: Any = None, **changes: Any) -> object:
    scheme = link()["rkd_sc"] if scheme is None else scheme
    return semlink.send(scheme, image() if images is None else images, **{"k": K, **changes})


def sweep(schemes: Any = "rkd_sc", asked: Any = None, **changes: Any) -> object:
    asked = grid() if asked is None else asked
    return semlink.sweep(changes.pop("link", link()), schemes, asked, images=3, **changes)


def grid(**changes: Any) -> semlink.Grid:
    settings: dict[str, Any] = {"channels": "awgn", "snr_db": 5, "channel_uses": K}
    return semlink.Grid(**{**settings, "realizations": 1, **changes})


def made(**changes: Any) -> object:
    return sweep(asked=grid(**changes))


def scheme(**changes: Any) -> Any:
    """An own scheme whose values and scores are the first pixels, unless changed."""
    own: dict[str, Any] = {"name": "mine", "k": K, "encoder": lambda x: x.flatten(1)[:, : 2 * K]}
    return semlink.own_scheme(**{**own, "decoder": lambda values: values[:, :10], **changes})


def encoded(encoder: Any) -> object:
    return send(scheme=scheme(encoder=encoder))


def decoded(decoder: Any) -> object:
    return sweep([scheme(decoder=decoder)])


def over(transmit: Any) -> object:
    return send(channel=semlink.own_channel("mine", transmit))


def swept_on(images: Any = None, labels: Any = None) -> object:
    test = link().data.test
    split = Split(
        images=test.images if images is None else images,
        labels=test.labels if labels is None else labels,
    )
    return sweep(link=replace(link(), data=replace(link().data, test=split)))


def fail(*_: object) -> Tensor:
    raise KeyError("my mistake")


LOADING: list[tuple[Call, str]] = [
    (lambda: WRONGLY.recipe(5), "name must be a string that is not empty, got 5"),
    (lambda: WRONGLY.recipe("none.toml"), "none.toml: cannot be read"),
    (lambda: WRONGLY.load("digts"), "recipe must be one of .* did you mean digits"),
    (lambda: WRONGLY.load("images"), "needs images: add data"),
    (lambda: WRONGLY.load("digits", data=5), "data must be the path of a folder, got 5"),
    (lambda: WRONGLY.load("digits", weights=5), "weights must be the path of a folder, got 5"),
    (lambda: WRONGLY.load("digits", weights="none"), "weights must be a folder of trained weights"),
    (lambda: WRONGLY.load("digits", weights=ROOT / "docs"), "student.safetensors must hold train"),
    (
        lambda: WRONGLY.load("digits", weights=REFERENCE / "cifar100/weights"),
        "student.safetensors must belong to recipe digits, but was trained for 'cifar100'; name",
    ),
    (lambda: WRONGLY.load("digits", device="tpu"), "device must be cpu or cuda, got 'tpu'"),
    (lambda: WRONGLY.load("digits", device=5), "device must be cpu or cuda, got 5"),
    (lambda: WRONGLY.load_data("nowhere"), "nowhere: no such folder"),
    (lambda: WRONGLY.load_data(None), "folder must be the path of a folder, got None"),
    (
        lambda: link()["rkdsc"],
        "^unknown scheme 'rkdsc'; choose from rkd_sc, .* did you mean rkd_sc",
    ),
    (lambda: link()["rkd_sc:"], "^name must have a label behind each colon, got 'rkd_sc:'"),
    (
        lambda: WRONGLY.load("digits", data=ROOT / "docs"),
        "^recipe digits brings its own images; use recipe images for data$",
    ),
    (lambda: WRONGLY.Link.__getitem__(link(), 5), "name must be a string that is not empty, got 5"),
    (lambda: link()["separate:png"], "separate:png must have one codec at most"),
]
SENDING: list[tuple[Call, str]] = [
    (
        lambda: send(scheme="rkd_sc"),
        r"scheme must be an object, such as link\['rkd_sc'\] of .* got",
    ),
    (
        lambda: send(torch.rand(2, 1, 8, 8)),
        r"images must be uint8 .*float32 \[2, 1, 8, 8\]; scale",
    ),
    (lambda: send(np.zeros((2, 1, 8, 8))), "images must be uint8 .* got torch.float64"),
    (lambda: send(image().long()), "images must be uint8 .*int64 .*; convert them to uint8"),
    (lambda: send(image()[0]), r"images must be uint8 .* one image is images\[None\]"),
    (lambda: send(image()[0, 0]), r"images must be uint8 .* one image is images\[None, None\]"),
    (lambda: send(image()[:0]), r"images must be uint8 .* got torch.uint8 \[0, 1, 8, 8\]"),
    (lambda: send(image().permute(0, 2, 3, 1)), r"images must be \[N, 1, 8, 8\], .*permute"),
    (
        lambda: send(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)),
        r"images must be \[N, 1, 8, 8\], got \[1, 3, 32, 32\]; the weights are only for images",
    ),
    (lambda: send("my.png"), "images must be uint8 .* got 'my.png'"),
    (lambda: send(link().data.test), "images must be uint8 .* link.data.test.images"),
    (lambda: send([[1], [1, 2]]), "images must be uint8"),
    *(
        (lambda k=k: send(k=k), f"k must be a whole number from 1 to .*got {k!r}")
        for k in (0, "16", 16.0, None, True)
    ),
    (lambda: send(k=65), "rkd_sc serves k = 1 to 64, got k = 65"),
    (lambda: send(snr_db=NAN), "snr_db must be a finite number within .* got nan"),
    (lambda: send(snr_db=1000), "snr_db must be a finite number within"),
    (lambda: send(snr_db="5"), "snr_db must be a number, got '5'"),
    (lambda: send(snr_db=torch.zeros(2)), r"snr_db must be a number, got torch.float32 \[2\]"),
    (lambda: send(channel="raleigh"), "channel must be one of .* did you mean"),
    (lambda: send(channel=None), "channel must be a channel, such as 'rayleigh'.* got None"),
    (lambda: send(channel=fail), "channel must be a channel, .* got <function fail"),
    (lambda: send(seed=-1), "seed must be a whole number from 0 to"),
    (lambda: send(realization="a"), "realization must be a whole number from 0 to 9999, got 'a'"),
]
SWEEPING: list[tuple[Call, str]] = [
    (lambda: sweep(link="digits"), r"link must be what semlink.load\('digits'\) gives, got 'digi"),
    (lambda: sweep("rkd-sc"), "^schemes: unknown scheme 'rkd-sc'; .* did you mean rkd_sc"),
    (lambda: sweep([]), "schemes must hold at least one, got none; leave out schemes"),
    (lambda: sweep([5]), "schemes must hold names or schemes, .* got 5"),
    (lambda: sweep([scheme(), scheme()]), "schemes must have different names, got two called mine"),
    (
        lambda: sweep(["rkd_sc", scheme(name="rkd_sc")]),
        "before a colon must not be that of a built-in scheme",
    ),
    (lambda: sweep(asked={"snr_db": 5}), r"grid must be what semlink.Grid\(.*got \{'snr_db': 5\}"),
    (lambda: WRONGLY.sweep(link(), images=0), "images must be a whole number from 1 to 500, got 0"),
    (lambda: WRONGLY.sweep(link(), images=2.5), "images must be a whole number .* got 2.5"),
    (lambda: sweep(out=5), "out must be the path of a folder, got 5"),
    (lambda: sweep(out=__file__), "out must be a folder that can be written to, got"),
    (lambda: sweep(out="out", workers=0), "workers must be a whole number from 1 to 1024, got 0"),
    (
        lambda: swept_on(labels=link().data.test.labels + 1),
        "labels must be class numbers from 0 to 9, got 10",
    ),
    (lambda: swept_on(labels=link().data.test.labels.float()), "labels must be an int64 tensor"),
    (lambda: swept_on(labels=link().data.test.labels[:5]), "labels must be as many as images"),
    (lambda: swept_on(link().data.test.images / 255), "images must be uint8"),
    (lambda: swept_on(link().data.test.images.permute(0, 2, 3, 1)), "images must be .*permute"),
    (lambda: made(snr_db="abc"), "snr_db must be"),
    (lambda: made(snr_db=(0, NAN)), "snr_db must be"),
    (lambda: made(channel_uses=(0,)), "channel_uses must be whole numbers"),
    (lambda: made(channel_uses=16.5), "channel_uses must be whole numbers"),
    (lambda: made(channels=()), "channels must hold at least one, got none"),
    (lambda: made(channels=5), "channels must be a list of names or objects, got 5"),
    (lambda: made(channels=("awgn", None)), "channels must be a channel, such as .* got None"),
    (lambda: made(realizations=0), "realizations must be a whole number"),
    (lambda: made(seed="a"), "seed must be a whole number from 0 to 2147483647, got 'a'"),
]
OWN: list[tuple[Call, str]] = [
    (lambda: scheme(k=0), "k must be a whole number from 1 to 100000, got 0"),
    (lambda: scheme(k="16"), "k must be a whole number from 1 to 100000, got '16'"),
    (lambda: scheme(name=""), "name must be a string that is not empty, got ''"),
    (lambda: scheme(encoder=None), "encoder must be a function or module, .* got None"),
    (
        lambda: scheme(decoder=torch.nn.Linear),
        "decoder must be a function or module, .* got <class",
    ),
    (
        lambda: encoded(fail),
        r"encoder of mine must take \[250, 1, 8, 8\], but raised KeyError: 'my",
    ),
    (lambda: encoded(torch.nn.Linear(5, 32)), "encoder of mine must take .* mat1 and mat2 shapes"),
    (
        lambda: encoded(lambda x: x),
        r"encoder of mine must give \[B, 2k\] = \[250, 32\] for k = 16, got \[250, 1",
    ),
    (lambda: encoded(lambda x: x.flatten(1)[:, :16]), r"must give \[B, 2k\] = .* got \[250, 16\]"),
    (lambda: encoded(lambda x: 0 * x.flatten(1)[:, :32]), "encoder of mine .* gives only zeros"),
    (lambda: encoded(lambda x: NAN * x.flatten(1)[:, :32]), "encoder of mine must give finite"),
    (lambda: encoded(lambda x: x.flatten(1)[:, :32] + 1j), "must give a tensor of real numbers"),
    (lambda: encoded(lambda x: x.numpy()), "must give a tensor of real numbers, got ndarray"),
    (lambda: decoded(fail), "decoder of mine must take .* KeyError"),
    (lambda: decoded(lambda v: v[:, :9]), r"mine must give scores .*\[250, 10\], got \[250, 9\]"),
    (lambda: decoded(lambda v: v.argmax(1)), r"decoder of mine must give scores .*got \[250\]"),
    (lambda: decoded(lambda v: NAN * v[:, :10]), "decoder of mine must give finite numbers"),
    (
        lambda: WRONGLY.own_channel("awgn", fail),
        "name of an own channel must not be empty",
    ),
    (lambda: WRONGLY.own_channel("mine", 5), "transmit must be a function or module, .* got 5"),
    (
        lambda: over(fail),
        r"transmit of channel mine must take x \[250, 16\], .* KeyError: 'my mist",
    ),
    (lambda: over(lambda x: x), "transmit of channel mine must take .* TypeError"),
    (lambda: over(lambda x, s, g: (x, x)), r"must give three tensors \(y, h, noise_power\), got 2"),
    (lambda: over(lambda x, s, g: x), "must give three tensors .* got Tensor"),
    (lambda: over(lambda x, s, g: (x[:, :1], x, s)), r"give y as .*\[250, 16\], got .*\[250, 1\]"),
    (lambda: over(lambda x, s, g: (x.real, x, s)), "must give y as a finite complex tensor"),
    (lambda: over(lambda x, s, g: (NAN * x, x, s)), "must give y as .* got nan or inf"),
    (lambda: over(lambda x, s, g: (x, 1.0, s)), "must give h as .* got float"),
    (
        lambda: over(lambda x, s, g: (x, x, 0.1)),
        r"must give noise_power as .*\[250, 1\], got float",
    ),
    (lambda: over(lambda x, s, g: (x, x, -s)), "noise_power of channel mine must be at least 0"),
    (
        lambda: WRONGLY.doctor([WRONGLY.own_channel("mine", lambda x, s, g: (x, x))]),
        "must give three tensors",
    ),
    (lambda: WRONGLY.doctor([]), "channels must hold at least one"),
    (lambda: WRONGLY.doctor(["x"]), "channel must be one of"),
    (lambda: WRONGLY.doctor("tdl:A+pa:3"), "doctor has no closed form for"),
]
REST: list[tuple[Call, str]] = [
    (lambda: WRONGLY.train("digts"), "recipe must be one of .* did you mean digits"),
    (lambda: WRONGLY.train("images"), "needs images: add data"),
    (lambda: WRONGLY.train("digits", stage="stage3"), "stage must be one of .* did you mean stage"),
    (lambda: WRONGLY.train("digits", epochs=0), "epochs must be a whole number from 1 to .* got 0"),
    (lambda: WRONGLY.train("digits", lr="fast"), "lr must be a number, got 'fast'"),
    (lambda: WRONGLY.train("digits", lr=0), "lr must be a number above 0, got 0"),
    (lambda: WRONGLY.train("digits", schemes="adjsc"), "schemes: unknown scheme 'adjsc'"),
    (lambda: WRONGLY.train("digits", seed=-1), "seed must be a whole number from 0 to"),
    (lambda: WRONGLY.train("digits", minutes="5"), "minutes must be a number, got '5'"),
    (lambda: WRONGLY.train("digits", out=__file__), "out must be a folder that can be written to"),
    (
        lambda: WRONGLY.Results.read("nowhere"),
        "finished sweep, but does not exist",
    ),
    (lambda: WRONGLY.Results.read(None), "folder must be the path of a folder, got None"),
    (lambda: wrongly().compare(b="rkd"), "b must be a scheme of the sweep: .* did you mean rkd_sc"),
    (lambda: wrongly().compare(b=5), "b must be a string that is not empty, got 5"),
    (
        lambda: wrongly().compare(a="rkd_sc", b="rkd_sc"),
        "a and b must be two schemes, got rkd_sc twice",
    ),
    (lambda: wrongly().threshold(0.9), "accuracy must be from 1 to 100 in percent, got 0.9; 90 st"),
    (lambda: wrongly().threshold(90, schemes=["rkd"]), "schemes must be among .* did you mean rkd"),
    (lambda: wrongly().threshold("most"), "accuracy must be a number in percent such as 90, got"),
    (lambda: wrongly().threshold(None), "accuracy must be a number, got None"),
    (lambda: wrongly().threshold(NAN), "accuracy must be from 1 to 100 in percent, got nan$"),
    (lambda: wrongly().threshold(190), "accuracy must be from 1 to 100 in percent, got 190$"),
    (lambda: wrongly().threshold(90, channel_uses=5), "channel_uses must be among 4, .*, got '5'"),
    (lambda: wrongly().threshold(90, channel_uses=0.5), "channel_uses must be whole numbers"),
    (
        lambda: wrongly().threshold(90, channels="awg"),
        "channels must be among .* did you mean awgn",
    ),
    (lambda: wrongly().threshold(90, reference=5), "reference must be a string that is not empty"),
    (lambda: wrongly().plot(__file__), "folder must be a folder that can be written to"),
    (lambda: wrongly().plot(None), "folder must be the path of a folder, got None"),
]


@pytest.mark.parametrize(
    ("call", "line"),
    [*LOADING, *SENDING, *SWEEPING, *OWN, *REST],
    ids=lambda own: own[:40] if isinstance(own, str) else "",
)
def test_invalid_arguments_raise_one_line_errors(
    call: Call, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(semlink.Error, match=line) as caught:
        call()
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.iterdir()]


def test_exception_in_a_user_function_is_the_cause() -> None:
    for call in (encoded, over):
        with pytest.raises(semlink.Error) as caught:
            call(fail)
        assert isinstance(caught.value.__cause__, KeyError)


def test_single_values_equal_sequences_of_one() -> None:
    several = grid(channels=("awgn",), snr_db=np.array([5.0]), channel_uses=torch.tensor([K]))
    assert axes(several, semlink.Grid) == axes(grid(), semlink.Grid)


def test_own_channel_may_return_real_gains_and_double_precision() -> None:
    one = semlink.own_channel(
        "mine", lambda x, s, g: (x.to(torch.complex128), torch.ones(x.shape), 10 ** (-s / 10))
    )
    sent = semlink.send(link()["rkd_sc"], image(), channel=one, k=K)
    assert sent.y is not None
    assert sent.y.dtype == sent.h.dtype == torch.complex64


def test_own_scheme_is_swept_before_any_other_is_loaded() -> None:
    fresh = semlink.load("digits", weights=WEIGHTS)
    table = semlink.sweep(fresh, scheme(), grid(), images=3).table
    assert table["train_seed"].isna().all()  # semlink does not know how it was trained


def test_realizations_can_be_set_for_an_own_channel() -> None:
    own = semlink.own_channel("mine", lambda x, s, g: (x, torch.ones(x.shape), 10 ** (-s / 10)))
    asked = grid(channels=(own, "awgn"), realizations={"Mine": 3, "awgn": 1})
    table = semlink.sweep(link(), "label_code", asked, images=3).table
    assert dict(zip(table["channel"], table["realizations"], strict=True)) == {"mine": 3, "awgn": 1}
    with pytest.raises(semlink.Error, match="realizations must be of channels that are swept"):
        semlink.sweep(link(), "label_code", grid(realizations={"rayleigh": 3}), images=3)


@pytest.mark.parametrize("given", [{"workers": 2}, {"fresh": True}])
def test_workers_and_fresh_require_out(given: dict[str, Any]) -> None:
    with pytest.raises(semlink.Error, match="must come with out"):
        semlink.sweep(link(), "label_code", grid(), images=3, **given)


def test_omitted_points_are_reported_with_and_without_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = grid(channel_uses=(4, K))
    results = [
        semlink.sweep(link(), "rkd_sc,adjscc", asked, images=3, out=out)
        for out in (None, tmp_path / "out")
    ]
    line = "adjscc serves k in {16, 64}: k = 4 left out"
    assert capsys.readouterr().err.count(line) == 2
    assert all([one.text for one in left_out_of(own.run)] == [line] for own in results)
    assert all(own.run["noiseless_accuracy"]["accuracy"] == 1 for own in results)


def test_saved_sweep_may_have_any_scheme_name_and_no_weights(tmp_path: Path) -> None:
    pair = scheme().pairs[K]
    own = semlink.own_scheme("NA", pair.encoder, pair.decoder, k=K)
    results = semlink.sweep(link(), own, grid(), images=20)
    results = replace(results, table=results.table.assign(train_seed=None))  # as without weights
    again = semlink.Results.read(results.save(tmp_path / "saved"))
    assert list(again.table["scheme"]) == ["NA"]
    (tmp_path / "saved" / "results.csv").unlink()  # as if saving had been stopped
    assert len(semlink.Results.read(results.save(tmp_path / "saved")).table) == 1
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "journal.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(semlink.Error, match="must not hold a sweep that Results.save did not"):
        results.save(stopped)
    with pytest.raises(UserError, match="must have other weights of NA, but"):
        across_seeds([tmp_path / "saved", tmp_path / "saved"])
