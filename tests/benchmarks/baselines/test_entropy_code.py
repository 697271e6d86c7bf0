"""Arithmetic coding: exact recovery of the levels, and code length."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.baselines.entropy_code import EntropyCode


def distributions(levels: int, rank: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One distribution per row, some peaked and some flat."""
    weights: NDArray[np.float64] = rng.random((rank, levels)) ** rng.integers(1, 12, (rank, 1))
    weights += 1e-6
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def read(code: EntropyCode, bits: NDArray[np.uint8]) -> list[int] | None:
    """The decoded levels."""
    levels = code.decode(bits)
    return None if levels is None else levels.tolist()


@pytest.mark.parametrize(("levels", "rank"), [(4, 8), (8, 16), (16, 32), (64, 64), (2, 1)])
def test_levels_are_recovered_with_trailing_zeros_from_short_codes(levels: int, rank: int) -> None:
    rng = np.random.default_rng(levels)
    probabilities = distributions(levels, rank, rng)
    code = EntropyCode(probabilities)
    lengths, contents = [], []
    for _ in range(40):
        drawn = np.array([rng.choice(levels, p=p) for p in probabilities], dtype=np.int32)
        bits = code.encode(drawn)
        assert bits.dtype == np.uint8
        for zeros in (0, 1, 37, 400):
            filled = np.concatenate([bits, np.zeros(zeros, np.uint8)])
            assert read(code, filled) == drawn.tolist()
        lengths.append(len(bits))
        contents.append(-np.log2(probabilities[np.arange(rank), drawn]).sum())
        assert len(bits) <= contents[-1] + 2.1  # a subinterval of [0, 1) holds such a fraction
    assert np.mean(lengths) > np.mean(contents) - 2


def test_no_shorter_code_decodes_to_the_same_levels() -> None:
    rng = np.random.default_rng(3)
    code = EntropyCode(distributions(4, 4, rng))
    words = rng.integers(0, 4, (100, 4)).astype(np.int32)
    short = [(own, len(code.encode(own)) - 1) for own in words if len(code.encode(own)) <= 11]
    assert len(short) >= 10
    for drawn, length in short:
        for number in range(2**length):
            digits = np.array([number >> place & 1 for place in range(length)], dtype=np.uint8)
            assert read(code, digits) != drawn.tolist()


def test_rare_levels_are_coded_and_random_bits_decode_or_give_none() -> None:
    probabilities = np.full((6, 4), 1e-6)
    probabilities[:, 0] = 1 - 3e-6
    code = EntropyCode(probabilities)
    rare, usual = np.full(6, 3, np.int32), np.zeros(6, np.int32)
    assert 100 < len(code.encode(rare)) < 130
    assert len(code.encode(usual)) == 1
    assert read(code, code.encode(rare)) == rare.tolist()
    rng = np.random.default_rng(4)
    for _ in range(300):
        decoded = code.decode(rng.integers(0, 2, 90).astype(np.uint8))
        assert decoded is None or ((decoded >= 0) & (decoded < 4)).all()
