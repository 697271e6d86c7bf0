"""A small CAT codec for tests."""

from models import CatConfig

SMALL = CatConfig(
    feature_dim=32, max_uses=16, tokens=4, width=16, blocks=1, heads=2, mlp_ratio=2, use_snr=True
)
