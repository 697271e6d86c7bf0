"""The networks that can be a student: encoders whose last stage can be trained alone."""

from models.encoders.efficientnet import EfficientNetConfig
from models.encoders.pooled_cnn import PooledCnn, PooledCnnConfig
from models.encoders.residual_cnn import ResidualCnn, ResidualCnnConfig
from models.encoders.staged_cnn import StagedCnn, StagedCnnConfig
from models.encoders.wide_resnet import WideResNetConfig
from models.nas.genotype_cnn import GenotypeCnn, GenotypeCnnConfig

Student = ResidualCnn | PooledCnn | StagedCnn | GenotypeCnn
StudentConfig = ResidualCnnConfig | PooledCnnConfig | StagedCnnConfig | GenotypeCnnConfig
# of students, and of teachers that semlink trains
ClassifierConfig = StudentConfig | WideResNetConfig | EfficientNetConfig
