"""Which networks can be a student: an encoder whose last stage can learn on by itself."""

from models.encoders.efficientnet import EfficientNetConfig
from models.encoders.pooled_cnn import PooledCnn, PooledCnnConfig
from models.encoders.residual_cnn import ResidualCnn, ResidualCnnConfig
from models.encoders.staged_cnn import StagedCnn, StagedCnnConfig
from models.encoders.wide_resnet import WideResNetConfig
from models.nas.genotype_cnn import GenotypeCnn, GenotypeCnnConfig

Student = ResidualCnn | PooledCnn | StagedCnn | GenotypeCnn
StudentConfig = ResidualCnnConfig | PooledCnnConfig | StagedCnnConfig | GenotypeCnnConfig
# of students, and of teachers trained here
ClassifierConfig = StudentConfig | WideResNetConfig | EfficientNetConfig
