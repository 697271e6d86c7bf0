"""What all tests share: seeded randomness, never torch's global state."""

import pytest
import torch

from channels.streams import Streams

pytest.register_assert_rewrite("tests.contracts")

# one thread, as in a sweep: two would wait for each other whenever the machine does anything else
torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh generator, seeded 0."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def streams() -> Streams:
    """The named streams of seed 0."""
    return Streams(seed=0)
