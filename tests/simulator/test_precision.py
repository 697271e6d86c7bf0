"""bf16 is for devices that have arithmetic for it."""

import pytest
import torch

from simulator.precision import autocast, native
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
def test_bf16_becomes_fp32_where_it_would_be_emulated(
    told: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert native(CPU, "bf16") == expected
    assert native(CPU, "fp32") == "fp32"


def test_a_torch_that_cannot_tell_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert native(CPU, "bf16") == "fp32"


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_networks_compute_in_what_is_asked_for(precision: str, dtype: torch.dtype) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_sweep_in_emulated_bf16_says_what_is_faster(
    semlink: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    grid = ("--snr-db", "0", "--channel-uses", "16", "--realizations", "1", "--workers", "1")
    assert semlink("sweep", "digits", "--schemes", "rkd_sc", *grid, "--precision", "bf16") == 0
    assert "no arithmetic of bf16; --precision fp32 is faster" in capsys.readouterr().err
