"""Transmitters and receivers as networks.

A model knows its shapes and nothing of noise, of optimisers or of files. Each file holds a frozen
config with `build()`, the modules, and the source they come from.
"""

from models.adjscc import Adjscc, AdjsccConfig
from models.base import (
    ChannelCodec,
    CodecConfig,
    FeatureDecoder,
    FeatureEncoder,
    SymbolDecoder,
    SymbolEncoder,
)
from models.cat import CatCodec, CatConfig
from models.cells import CellShape
from models.conference import ConferenceCodec, ConferenceConfig
from models.deepjscc import DeepJscc, DeepJsccConfig
from models.deepjscc_image import DeepJsccImage, DeepJsccImageConfig
from models.dt_jscc import DtJscc, DtJsccConfig
from models.ensemble import Ensemble, Mirrored
from models.feature_quantiser import FeatureQuantiser, FeatureQuantiserConfig
from models.genotype import Genotype
from models.genotype_cnn import GenotypeCnn, GenotypeCnnConfig
from models.joint import JointConfig, JointModel
from models.mlp_codec import MlpCodec, MlpCodecConfig
from models.pooled_cnn import PooledCnn, PooledCnnConfig
from models.pretrained import PretrainedTeacher, PretrainedTeacherConfig, PretrainedTower
from models.residual_cnn import Classified, ImageClassifier, ResidualCnn, ResidualCnnConfig
from models.students import Student, StudentConfig
from models.uncoded import UncodedCodec, UncodedConfig
from models.vl_vfe import VlVfe, VlVfeConfig
from models.wide_resnet import WideResNet, WideResNetConfig

__all__ = [
    "Adjscc",
    "AdjsccConfig",
    "CatCodec",
    "CatConfig",
    "CellShape",
    "ChannelCodec",
    "Classified",
    "CodecConfig",
    "ConferenceCodec",
    "ConferenceConfig",
    "DeepJscc",
    "DeepJsccConfig",
    "DeepJsccImage",
    "DeepJsccImageConfig",
    "DtJscc",
    "DtJsccConfig",
    "Ensemble",
    "FeatureDecoder",
    "FeatureEncoder",
    "FeatureQuantiser",
    "FeatureQuantiserConfig",
    "Genotype",
    "GenotypeCnn",
    "GenotypeCnnConfig",
    "ImageClassifier",
    "JointConfig",
    "JointModel",
    "Mirrored",
    "MlpCodec",
    "MlpCodecConfig",
    "PooledCnn",
    "PooledCnnConfig",
    "PretrainedTeacher",
    "PretrainedTeacherConfig",
    "PretrainedTower",
    "ResidualCnn",
    "ResidualCnnConfig",
    "Student",
    "StudentConfig",
    "SymbolDecoder",
    "SymbolEncoder",
    "UncodedCodec",
    "UncodedConfig",
    "VlVfe",
    "VlVfeConfig",
    "WideResNet",
    "WideResNetConfig",
]
