"""What the digital baselines of every recipe choose from."""

from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.baselines.separate import Qualities, SeparateConfig

# Qualities among which the separate schemes pick, finest where the payloads of their k end
DIGITS_JPEG = (1, 3, 5, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75)
CIFAR_JPEG = (1, 3, 5, 7, 10, 13, 17, 22, 28, 36, 46, 57, 70, 82, 90, 95)

OTHER_CODECS = (
    Qualities(codec="webp", qualities=(0, 2, 4, 7, 10, 14, 18, 23, 29, 36, 45, 56, 68, 80, 90, 95)),
    Qualities(
        codec="avif", qualities=(0, 4, 8, 12, 16, 20, 25, 30, 35, 41, 47, 54, 62, 72, 82, 92)
    ),
    Qualities(
        codec="heic", qualities=(0, 4, 8, 12, 15, 18, 21, 24, 27, 31, 35, 40, 47, 56, 68, 82)
    ),
    Qualities(
        codec="jxl", qualities=(0, 5, 10, 15, 20, 25, 30, 36, 42, 48, 55, 63, 71, 79, 87, 94)
    ),
)

DIGITS_SEPARATE = SeparateConfig(
    codecs=(Qualities(codec="jpeg", qualities=DIGITS_JPEG), *OTHER_CODECS),
    best=("jpeg",),
    uses=(32, 64),
    payload_bits=(80, 500),
    validation_images=297,
)

CIFAR_SEPARATE = SeparateConfig(
    codecs=(
        Qualities(codec="jpeg", qualities=CIFAR_JPEG),
        Qualities(codec="jpeg444", qualities=CIFAR_JPEG),
        *OTHER_CODECS,
    ),
    best=("jpeg", "webp", "avif"),
    uses=(256, 768, 1536),
    payload_bits=(80, 8300),
    validation_images=1000,
)

RANKS, BITS = (8, 16, 32, 64), (2, 3, 4, 6)  # of digital_semantic
DIGITS_SEMANTIC = DigitalSemanticConfig(uses=(16, 64), payload_bits=(8, 400), validation_images=297)

CIFAR_SEMANTIC = DigitalSemanticConfig(
    uses=(16, 64, 256), payload_bits=(8, 400), validation_images=2000
)
