"""Transmitters and receivers as networks.

A model knows its shapes and nothing of noise, of optimisers or of files. Each file holds a frozen
config with `build()`, the modules, and the source they come from.
"""

from models.base import FeatureDecoder, FeatureEncoder, SymbolDecoder, SymbolEncoder
from models.cat import CatCodec, CatConfig
from models.deepjscc import DeepJscc, DeepJsccConfig
from models.residual_cnn import Classified, ImageClassifier, ResidualCnn, ResidualCnnConfig

__all__ = [
    "CatCodec",
    "CatConfig",
    "Classified",
    "DeepJscc",
    "DeepJsccConfig",
    "FeatureDecoder",
    "FeatureEncoder",
    "ImageClassifier",
    "ResidualCnn",
    "ResidualCnnConfig",
    "SymbolDecoder",
    "SymbolEncoder",
]
