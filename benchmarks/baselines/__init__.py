"""Schemes that are not one network: their noiseless parts are given, their links are textbook.

`label_code` sends the class that the transmitter decided, `separate` sends the image itself as
bits. Both are configured by a frozen dataclass and follow the contract of `simulator.link`.
"""

from benchmarks.baselines.codebook import code_family, label_codebook
from benchmarks.baselines.label_code import LabelCodeConfig, LabelCodeScheme
from benchmarks.baselines.separate import CapacityConfig, SeparateConfig

__all__ = [
    "CapacityConfig",
    "LabelCodeConfig",
    "LabelCodeScheme",
    "SeparateConfig",
    "code_family",
    "label_codebook",
]
