"""Precision: bf16 where it is native, fp32 elsewhere; and errors for unavailable devices."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.streams import Streams
from simulator.description.basis import Part
from simulator.device import Precision, autocast, native
from simulator.errors import UserError
from simulator.resolve import device_named
from simulator.training.loop import Checkpoint, Epoch, Lesson, train
from simulator.training.run import TrainingRun, in_chunks
from tests.commands import Command

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"avx2": True, "avx512_f": True}, "fp32"),
        ({"avx2": True, "avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"neon": True, "bf16": True}, "bf16"),
    ],
)
def test_bf16_is_used_only_with_native_support(
    told: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert native(CPU, "bf16") == expected
    assert native(CPU, "fp32") == "fp32"


def test_fp32_is_used_if_torch_cannot_report_cpu_capabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert native(CPU, "bf16") == "fp32"


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_autocast_computes_in_the_requested_precision(
    precision: Precision, dtype: torch.dtype
) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(("told", "dtype"), [({}, "float32"), ({"amx_bf16": True}, "bfloat16")])
def test_bf16_training_uses_the_native_precision_of_the_device(
    told: dict[str, bool], dtype: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    seen: list[str] = []
    model = torch.nn.Linear(2, 2)

    def compute(inputs: Tensor) -> Tensor:
        scores: Tensor = model(inputs)
        seen.append(str(scores.dtype).removeprefix("torch."))
        return scores.float()

    config = replace(digits().student.training, epochs=1, batch_size=2, precision="bf16")

    class Computing(Lesson[torch.nn.Linear]):
        labels = torch.zeros(2)

        def build(self) -> torch.nn.Linear:
            return model

        def epoch(self, model: torch.nn.Linear, index: int) -> Epoch:
            return Epoch(lambda indices: compute(torch.ones(len(indices), 2)).square().mean())

        def validate(self, model: torch.nn.Linear) -> float:
            return 0.0

    lesson = Computing(run=cast(TrainingRun, None), part=Part("part", ()), config=config)
    checkpoint = Checkpoint(path=tmp_path / "c", key="k")
    train(lesson, model, streams=Streams(seed=0), checkpoint=checkpoint)
    images = torch.zeros((1, 1, 2, 2), dtype=torch.uint8)
    in_chunks(compute, images, precision="bf16")
    assert seen == [dtype, dtype]


def test_sweep_in_emulated_bf16_recommends_fp32(
    semlink: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    grid = ("--snr-db", "0", "--channel-uses", "16", "--realizations", "1", "--workers", "1")
    assert semlink("sweep", "digits", "--schemes", "rkd_sc", *grid, "--precision", "bf16") == 0
    assert "no bf16 arithmetic; --precision fp32 is faster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("built", "gpus", "asked", "told"),
    [
        (None, 0, "cuda", "this torch is built without CUDA; install one with CUDA"),
        ("12.8", 0, "cuda", "torch finds no GPU; nvidia-smi says whether the driver does"),
        ("12.8", 2, "cuda:2", "torch finds 2 GPUs, cuda:0 to cuda:1"),
    ],
)
def test_error_explains_why_a_device_is_unavailable(
    built: str | None, gpus: int, asked: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(UserError, match=f"^--device must .*, got '{asked}': {told}"):
        device_named(asked)
    assert device_named("CPU") == CPU
