"""The conventional baselines of a recipe, and the options from which they choose."""

from dataclasses import replace

from benchmarks.baselines.analog_pixels import AnalogPixelsConfig
from benchmarks.baselines.decoded import DecodedStage
from benchmarks.baselines.digital_semantic import DigitalSemanticConfig, QuantiserStage
from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.baselines.separate import Qualities, SeparateConfig
from models import FeatureQuantiserConfig, VectorQuantiserConfig
from simulator.description.stages import TrainConfig
from simulator.schemes.contract import SchemeConfig

# Qualities from which the separate schemes choose, closest together near the largest payloads
DIGITS_JPEG = (1, 3, 5, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75)
CIFAR_JPEG = (1, 3, 5, 7, 10, 13, 17, 22, 28, 36, 46, 57, 70, 82, 90, 95)
OTHER_CODECS = tuple(
    Qualities(codec=codec, qualities=qualities)
    for codec, qualities in (
        ("webp", (0, 2, 4, 7, 10, 14, 18, 23, 29, 36, 45, 56, 68, 80, 90, 95)),
        ("avif", (0, 4, 8, 12, 16, 20, 25, 30, 35, 41, 47, 54, 62, 72, 82, 92)),
        ("heic", (0, 4, 8, 12, 15, 18, 21, 24, 27, 31, 35, 40, 47, 56, 68, 82)),
        ("jxl", (0, 5, 10, 15, 20, 25, 30, 36, 42, 48, 55, 63, 71, 79, 87, 94)),
    )
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
DIGITS_SEMANTIC = DigitalSemanticConfig(uses=(16, 64), payload_bits=(8, 400), validation_images=297)
CIFAR_SEMANTIC = DigitalSemanticConfig(
    uses=(16, 64, 256), payload_bits=(8, 400), validation_images=2000
)


def conventional_baselines(
    separate: SeparateConfig,
    semantic: DigitalSemanticConfig,
    *,
    feature_dim: int,
    heads: TrainConfig,
    readers: TrainConfig,
    views: int,
    words: tuple[int, ...] = (),
) -> tuple[SchemeConfig, ...]:
    """Image files, their capacity bound, quantised features, the label code and analog pixels.

    `heads` is the training of the heads behind the quantiser, `readers` the fine-tuning of the
    classifiers of decoded images, on `views` views of each image. `words` are the numbers of bits
    of feature words; without them there are no sources of a few bits.
    """
    decoded = DecodedStage(damage=separate.damage, training=readers, views=views, clean_share=0.25)
    model = FeatureQuantiserConfig(
        feature_dim=feature_dim, ranks=(8, 16, 32, 64), bits=(2, 3, 4, 6)
    )
    separate = replace(separate, retraining=decoded)
    short = VectorQuantiserConfig(feature_dim=feature_dim, bits=words) if words else None
    semantic = replace(
        semantic, quantiser=QuantiserStage(model=model, training=heads), few_bits=short
    )
    return (separate, separate.bound, semantic, LabelCodeConfig(), AnalogPixelsConfig())
