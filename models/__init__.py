"""Networks of transmitters and receivers.

Models are independent of channels, optimisers and files on disk. Each file contains a frozen config
with `build()`, the modules, and a reference to their source.
"""

from models.base import ChannelCodec, CodecConfig, FeatureDecoder, FeatureEncoder
from models.codecs.cat import CatConfig
from models.codecs.conference import ConferenceConfig
from models.codecs.mlp import MlpCodecConfig
from models.codecs.uncoded import UncodedConfig
from models.encoders.classifier import Classified, ImageClassifier
from models.encoders.efficientnet import EfficientNet, EfficientNetConfig
from models.encoders.ensemble import Ensemble, Mirrored
from models.encoders.pooled_cnn import PooledCnn, PooledCnnConfig
from models.encoders.pretrained import PretrainedTeacher, PretrainedTeacherConfig, PretrainedTower
from models.encoders.residual_cnn import ResidualCnn, ResidualCnnConfig
from models.encoders.staged_cnn import Stage, StagedCnn, StagedCnnConfig
from models.encoders.students import ClassifierConfig, Student, StudentConfig
from models.encoders.wide_resnet import WideResNet, WideResNetConfig
from models.feature_quantiser import FeatureQuantiser, FeatureQuantiserConfig
from models.joint.adjscc import Adjscc, AdjsccConfig
from models.joint.base import JointConfig, JointModel
from models.joint.deepjscc import DeepJscc, DeepJsccConfig
from models.joint.deepjscc_image import DeepJsccImage, DeepJsccImageConfig
from models.joint.deepjscc_q import (
    DeepJsccQ,
    DeepJsccQConfig,
    DeepJsccQImage,
    DeepJsccQImageConfig,
)
from models.joint.dt_jscc import DtJscc, DtJsccConfig
from models.joint.modulator import ModulatorConfig, QamModulator
from models.joint.vl_vfe import VlVfe, VlVfeConfig
from models.nas.cells import CellShape
from models.nas.genotype import Genotype
from models.nas.genotype_cnn import GenotypeCnn, GenotypeCnnConfig
from models.vector_quantiser import VectorQuantiser, VectorQuantiserConfig

__all__ = [
    "Adjscc",
    "AdjsccConfig",
    "CatConfig",
    "CellShape",
    "ChannelCodec",
    "Classified",
    "ClassifierConfig",
    "CodecConfig",
    "ConferenceConfig",
    "DeepJscc",
    "DeepJsccConfig",
    "DeepJsccImage",
    "DeepJsccImageConfig",
    "DeepJsccQ",
    "DeepJsccQConfig",
    "DeepJsccQImage",
    "DeepJsccQImageConfig",
    "DtJscc",
    "DtJsccConfig",
    "EfficientNet",
    "EfficientNetConfig",
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
    "MlpCodecConfig",
    "ModulatorConfig",
    "PooledCnn",
    "PooledCnnConfig",
    "PretrainedTeacher",
    "PretrainedTeacherConfig",
    "PretrainedTower",
    "QamModulator",
    "ResidualCnn",
    "ResidualCnnConfig",
    "Stage",
    "StagedCnn",
    "StagedCnnConfig",
    "Student",
    "StudentConfig",
    "UncodedConfig",
    "VectorQuantiser",
    "VectorQuantiserConfig",
    "VlVfe",
    "VlVfeConfig",
    "WideResNet",
    "WideResNetConfig",
]
