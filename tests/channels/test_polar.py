"""Polar words: a linear code with the transform of Arikan, and what has no such code."""

import pytest
import torch

from channels.digital.polar import polar_words


@pytest.mark.parametrize(("num_words", "length"), [(128, 32), (16, 64), (2, 32), (128, 512)])
def test_words_are_rows_of_the_polar_transform(num_words: int, length: int) -> None:
    """Every word of one information bit is a row of F^(x n), F = [[1, 0], [1, 1]]."""
    words = polar_words(num_words, length)
    assert len(torch.unique(words, dim=0)) == num_words
    kernel = torch.tensor([[1, 0], [1, 1]])
    rows = torch.ones((1, 1), dtype=torch.int64)
    while len(rows) < length:
        rows = torch.kron(rows, kernel)
    for bit in range(num_words.bit_length() - 1):
        assert bool((rows == words[1 << bit]).all(dim=1).any())


def test_words_form_a_linear_code() -> None:
    words = polar_words(128, 64).long()
    index = torch.arange(128)
    for other in (1, 37, 100):
        assert torch.equal(words[index] ^ words[other], words[index ^ other])


def test_the_last_position_is_the_most_reliable() -> None:
    """Its row is all ones; it is the only one of a code with two words."""
    assert torch.equal(polar_words(2, 32), torch.tensor([[0], [1]]).expand(2, 32).to(torch.uint8))


@pytest.mark.parametrize(("num_words", "length"), [(10, 16), (10, 48), (10, 2048), (2**33, 32)])
def test_other_lengths_are_refused(num_words: int, length: int) -> None:
    with pytest.raises(ValueError, match="length must be a power of two from 32 to 1024"):
        polar_words(num_words, length)
