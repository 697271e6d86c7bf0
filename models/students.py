"""Which networks can be a student: an encoder whose last stage can learn on by itself."""

from models.genotype_cnn import GenotypeCnn, GenotypeCnnConfig
from models.pooled_cnn import PooledCnn, PooledCnnConfig
from models.residual_cnn import ResidualCnn, ResidualCnnConfig

Student = ResidualCnn | PooledCnn | GenotypeCnn
StudentConfig = ResidualCnnConfig | PooledCnnConfig | GenotypeCnnConfig
