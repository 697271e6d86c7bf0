"""Features as the index of a word of a small codebook: vector quantisation by k-means.

Source: Gersho and Gray, Vector Quantization and Signal Compression, 1992 (k-means is their
generalised Lloyd algorithm).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

BEGINNINGS: Final = 4  # k-means runs, of which the best is kept


@dataclass(frozen=True, kw_only=True)
class VectorQuantiserConfig:
    """The available codebook sizes.

    Raises: ValueError if one of them is impossible.
    """

    feature_dim: int
    bits: tuple[int, ...]  # 2^bits words each, ascending

    def __post_init__(self) -> None:
        if not self.bits or min(self.bits) < 1 or list(self.bits) != sorted(set(self.bits)):
            raise ValueError(f"bits must be positive and ascend, got {self.bits}")

    def build(self) -> "VectorQuantiser":
        """The unfitted quantiser."""
        return VectorQuantiser(self)


class VectorQuantiser(nn.Module):
    """Maps features to the nearest word, for every codebook size; words have half precision."""

    def __init__(self, config: VectorQuantiserConfig) -> None:
        super().__init__()
        self.config = config
        for bits in config.bits:
            words = torch.zeros(2**bits, config.feature_dim, dtype=torch.float16)
            self.register_buffer(f"words_{bits}", words)

    def fit(self, features: Tensor, *, seed: Callable[[int], int]) -> None:
        """Fit the words to training features [N, D]; `seed(bits)` is the 32-bit seed of a codebook.

        Raises: ValueError if there are fewer features than words.
        """
        from sklearn.cluster import KMeans  # takes a second

        if len(features) < 2 ** self.config.bits[-1]:
            raise ValueError(
                f"{2 ** self.config.bits[-1]} words need as many features, got {len(features)}"
            )
        values = features.cpu().double().numpy()
        for bits in self.config.bits:
            means = KMeans(2**bits, n_init=BEGINNINGS, random_state=seed(bits)).fit(values)
            self.get_buffer(f"words_{bits}").copy_(torch.from_numpy(means.cluster_centers_))

    def words(self, bits: int) -> Tensor:
        """All words [2^bits, D] in single precision."""
        return self.get_buffer(f"words_{bits}").float()

    def nearest(self, features: Tensor, bits: int) -> Tensor:
        """Indices of the words nearest to features [B, D], int64 [B]."""
        return torch.cdist(features, self.words(bits)).argmin(dim=1)
