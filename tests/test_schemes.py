"""What every scheme must satisfy, tested with the committed weights of the digits."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.base import Channel, ChannelOutput
from channels.law import ChannelLaw
from channels.names import channel_from_name
from channels.streams import PointStreams, Streams
from simulator.data.dataset import to_float
from simulator.data.embedded import embedded
from simulator.engine.evaluate import BLOCK
from simulator.errors import UserError
from simulator.scheme import Received, Scheme
from simulator.schemes.experiment import build_scheme
from simulator.storage.environment import ROOT
from simulator.storage.files import file_hash, load_tensors, save_tensors
from simulator.training.weights import Weights

CPU = torch.device("cpu")
REFERENCE = ROOT / "results/reference/digits"
POINTS = [("rkd_sc", 4), ("rkd_sc", 17), ("rkd_sc", 64), ("deep_jscc", 16), ("separate", 64)]
POINTS += [("capacity_bound", 16), ("label_code", 4), ("label_code", 64), ("adjscc", 16)]
POINTS += [("dt_jscc", 16), ("dt_jscc:64qam", 16), ("vl_vfe", 16), ("vl_vfe", 64)]
POINTS += [("digital_semantic", 16), ("digital_semantic", 64), ("deep_jscc_image", 64)]
POINTS += [("deep_jscc_q:16qam", 4), ("deep_jscc_q", 16), ("deep_jscc_q:256qam", 64)]
POINTS += [("analog_pixels", 4), ("analog_pixels", 17), ("analog_pixels", 64)]
POINTS += [("adjscc:distilled", 64), ("adjscc:distilled:total", 16)]


class Spy(Channel):
    """A Rayleigh channel that records its inputs."""

    name = "rayleigh"

    def __init__(self) -> None:
        self.right = channel_from_name("rayleigh")
        self.sent: list[tuple[Tensor, Tensor]] = []

    @property
    def law(self) -> ChannelLaw:
        return self.right.law

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        self.sent.append((x, snr_db))
        return self.right(x, snr_db=snr_db, generator=generator)


@cache
def scheme(name: str) -> Scheme:
    """A scheme of the digits with the committed weights."""
    weights = Weights(digits(), embedded("digits"), REFERENCE / "weights", CPU)
    return build_scheme(name, digits(), weights).scheme


@cache
def images() -> Tensor:
    """One block of test images [250, 1, 8, 8]."""
    return to_float(embedded("digits").test.images[:BLOCK])


def transmit(name: str, k: int, batch: Tensor, snr_db: float = 5.0) -> tuple[Received, Spy]:
    """One transmission of a block, from the beginning of its streams."""
    spy = Spy()
    point: dict[str, Any] = {
        "channel": spy,
        "snr_db": torch.full((len(batch), 1), snr_db),
        "k": k,
    }
    encoded = scheme(name).encode(scheme(name).prepare(batch), **point)
    streams = PointStreams(Streams(seed=4), "point")
    received = scheme(name).transmit(encoded, **point, streams=streams)
    return received, spy


def test_points_cover_every_scheme_of_the_recipe() -> None:
    assert {name for name, _ in POINTS} == set(digits().scheme_names)


@pytest.mark.parametrize(("name", "k"), POINTS)
def test_schemes_send_k_symbols_of_unit_power_once(name: str, k: int) -> None:
    received, spy = transmit(name, k, images())
    ((x, snr_db),) = spy.sent
    assert x.shape == (BLOCK, k)
    assert snr_db.eq(5.0).all()
    power = x.abs().square().mean(dim=1)
    if name == "separate":  # QAM: on average over the constellation, 16-QAM has Var |x|^2 = 0.32
        assert abs(float(power.mean()) - 1) < 4 * (0.32 / (BLOCK * k)) ** 0.5
    elif name.startswith(
        ("dt_jscc", "deep_jscc_q")
    ):  # on average over images, of which this is a sample
        assert abs(float(power.mean()) - 1) < 4 * float(power.std()) / BLOCK**0.5 + 0.03
    else:
        torch.testing.assert_close(power, torch.ones(BLOCK))
    assert received.scores.shape == (BLOCK, 10)
    assert received.scores.isfinite().all()
    assert received.delivered.shape == (BLOCK,)
    assert received.delivered.dtype == torch.bool


@pytest.mark.parametrize(("name", "k"), POINTS)
def test_result_of_an_image_is_independent_of_its_batch(name: str, k: int) -> None:
    other = images().flip(0).clone()
    other[7] = images()[7]
    one, _ = transmit(name, k, images(), snr_db=12.0)
    two, _ = transmit(name, k, other, snr_db=12.0)
    torch.testing.assert_close(one.scores[7], two.scores[7], atol=1e-5, rtol=0)
    assert one.delivered[7] == two.delivered[7]
    assert not torch.allclose(one.scores, two.scores, atol=1e-3)


@pytest.mark.parametrize(("name", "k"), POINTS)
def test_sent_symbols_are_deterministic(name: str, k: int) -> None:
    _, first = transmit(name, k, images())
    _, again = transmit(name, k, images())
    assert torch.equal(first.sent[0][0], again.sent[0][0])


@pytest.mark.parametrize("name", digits().scheme_names)
def test_schemes_state_their_channel_uses_and_settings(name: str) -> None:
    assert scheme(name).name == name
    assert scheme(name).channel_uses.startswith("k ")
    k = 16 if name.startswith("dt_jscc") else 64
    assert scheme(name).serves(k)
    assert not scheme(name).serves(0)
    assert "header" in scheme(name).settings(k)


@pytest.mark.parametrize("name", digits().scheme_names)
def test_every_scheme_is_listed_in_the_readme(name: str) -> None:
    rows = [row for row in (ROOT / "README.md").read_text().splitlines() if row.startswith("| `")]
    assert any(f"`{name.partition(':')[0]}`" in row.split("|")[1] for row in rows)


def test_committed_results_belong_to_the_committed_weights() -> None:
    run = json.loads((REFERENCE / "run.json").read_text())
    for part, about in run["weights"].items():
        header = load_tensors(REFERENCE / "weights" / f"{part}.safetensors")[1]
        assert about["origin"] == header["origin"]
    assert run["environment"]["commit"].rstrip("+").isalnum()
    assert run["environment"]["commit"] != "unknown"
    assert run["data"]["hash"] == embedded("digits").key


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 7}, "was trained with seed 7, the parts beside it with 0"),
        ({"made_from": {"student": "other"}}, "was trained on another student than the one"),
        ({"description": {}}, "was trained by another version of recipe digits"),
        ({"part": "head"}, "was trained by another version of recipe digits"),
    ],
)
def test_mismatched_parts_raise_an_error(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    for path in (REFERENCE / "weights").glob("*.safetensors"):
        (tmp_path / path.name).symlink_to(path)
    codec = tmp_path / "codec.safetensors"
    tensors, header = load_tensors(codec)
    codec.unlink()
    save_tensors(codec, tensors, {**header, "origin": {**header["origin"], **change}})
    weights = Weights(digits(), embedded("digits"), tmp_path, CPU)
    with pytest.raises(UserError, match=told):
        build_scheme("rkd_sc", digits(), weights)


def test_part_loaded_late_must_match_the_parts_trained_on_it(tmp_path: Path) -> None:
    for path in (REFERENCE / "weights").glob("*.safetensors"):
        (tmp_path / path.name).symlink_to(path)
    student, head = tmp_path / "student.safetensors", tmp_path / "head.safetensors"
    for path in (student, head):  # another student, and a head that was trained on it
        tensors, header = load_tensors(path)
        path.unlink()
        if path == head:
            header["origin"]["made_from"]["student"] = file_hash(student)
        save_tensors(path, {name: 2 * tensor for name, tensor in tensors.items()}, header)
    weights = Weights(digits(), embedded("digits"), tmp_path, CPU)
    build_scheme("deep_jscc_image:retrained", digits(), weights)
    with pytest.raises(UserError, match=r"is another student than the one that rebuilt_student"):
        weights.classifier()
