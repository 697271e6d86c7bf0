"""Which networks can be a student: an encoder whose last stage can learn on by itself."""

from models.pooled_cnn import PooledCnn, PooledCnnConfig
from models.residual_cnn import ResidualCnn, ResidualCnnConfig

Student = ResidualCnn | PooledCnn
StudentConfig = ResidualCnnConfig | PooledCnnConfig
