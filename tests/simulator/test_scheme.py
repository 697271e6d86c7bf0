"""Code shared by schemes: applying a network to a batch in pieces."""

import pytest
import torch
from torch import Tensor

from simulator.scheme import in_pieces


def test_pieces_of_black_padding_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []

    def brightness(images: Tensor) -> Tensor:
        pieces.append(len(images))
        return images.mean(dim=(1, 2, 3))

    monkeypatch.setattr("simulator.scheme.PIECE_PIXELS", 3 * 64)
    images = torch.zeros((250, 1, 8, 8))
    images[:2] = 1.0
    assert in_pieces(brightness, images).tolist() == [1.0, 1.0] + [0.0] * 248
    assert pieces == [3, 3, 1]  # the first piece, one for all black pieces, the shorter last piece
