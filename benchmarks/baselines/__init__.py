"""Schemes that are not one network: their noiseless parts are given, their links are textbook.

`label_code` sends the class that the transmitter decided, `image_codec` sends the image itself as
bits. Both are configured by a frozen dataclass and follow the contract of `simulator.link`.
"""

from benchmarks.baselines.codebook import code_family, label_codebook
from benchmarks.baselines.image_codec import SeparateConfig, SeparateScheme
from benchmarks.baselines.jpeg_scan import JpegScanCodec
from benchmarks.baselines.label_code import LabelCodeConfig, LabelCodeScheme

__all__ = [
    "JpegScanCodec",
    "LabelCodeConfig",
    "LabelCodeScheme",
    "SeparateConfig",
    "SeparateScheme",
    "code_family",
    "label_codebook",
]
