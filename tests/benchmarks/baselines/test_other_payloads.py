"""Payloads in place of lost ones: any other, each as often, and for every image its own."""

import pytest
import torch

from benchmarks.baselines.other_payloads import OtherPayloads
from channels.streams import PointStreams, Streams

COUNT = 3000


def drawn() -> OtherPayloads:
    return OtherPayloads.drawn(COUNT, PointStreams(Streams(seed=3), "others"))


def test_a_short_payload_becomes_any_other_as_often() -> None:
    payload = torch.tensor([[1, 0]], dtype=torch.uint8).expand(COUNT, 2)
    found = drawn().instead_of(payload, torch.ones(COUNT, dtype=torch.bool))
    counts = torch.bincount(found[:, 0].long() + 2 * found[:, 1], minlength=4)
    assert counts[1] == 0  # the one that was sent
    assert all(abs(int(own) - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for own in counts[[0, 2, 3]])


def test_a_long_payload_has_any_bits() -> None:
    payload = torch.ones((COUNT, 90), dtype=torch.uint8)
    found = drawn().instead_of(payload, torch.ones(COUNT, dtype=torch.bool))
    assert found.dtype == torch.uint8
    share = found.double().mean(dim=0)
    assert float((share - 0.5).abs().max()) < 5 * 0.5 / COUNT**0.5
    assert len(found.unique(dim=0)) == COUNT


@pytest.mark.parametrize("bits", [4, 40])
def test_an_image_has_its_own_whoever_else_is_lost(bits: int) -> None:
    payload, lost = torch.zeros((COUNT, bits), dtype=torch.uint8), torch.zeros(COUNT).bool()
    lost[[5, 17]] = True
    every = drawn().instead_of(payload, torch.arange(COUNT))
    assert torch.equal(drawn().instead_of(payload[lost], lost), every[[5, 17]])
