"""Random replacements of lost payloads: uniform over other payloads, independent per image."""

import pytest
import torch

from benchmarks.baselines.other_payloads import OtherPayloads
from channels.streams import PointStreams, Streams

COUNT = 3000


def drawn() -> OtherPayloads:
    return OtherPayloads.drawn(COUNT, PointStreams(Streams(seed=3), "others"))


def test_short_payloads_are_replaced_uniformly_by_other_payloads() -> None:
    payload = torch.tensor([[1, 0]], dtype=torch.uint8).expand(COUNT, 2)
    found = drawn().instead_of(payload, torch.ones(COUNT, dtype=torch.bool))
    counts = torch.bincount(found[:, 0].long() + 2 * found[:, 1], minlength=4)
    assert counts[1] == 0  # the one that was sent
    assert all(abs(int(own) - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for own in counts[[0, 2, 3]])


def test_long_payloads_are_replaced_by_random_bits() -> None:
    payload = torch.ones((COUNT, 90), dtype=torch.uint8)
    found = drawn().instead_of(payload, torch.ones(COUNT, dtype=torch.bool))
    assert found.dtype == torch.uint8
    share = found.double().mean(dim=0)
    assert float((share - 0.5).abs().max()) < 5 * 0.5 / COUNT**0.5
    assert len(found.unique(dim=0)) == COUNT


@pytest.mark.parametrize("bits", [4, 40])
def test_replacement_does_not_depend_on_other_lost_payloads(bits: int) -> None:
    payload, lost = torch.zeros((COUNT, bits), dtype=torch.uint8), torch.zeros(COUNT).bool()
    lost[[5, 17]] = True
    every = drawn().instead_of(payload, torch.arange(COUNT))
    assert torch.equal(drawn().instead_of(payload[lost], lost), every[[5, 17]])
