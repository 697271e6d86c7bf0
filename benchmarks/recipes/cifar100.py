"""CIFAR-100, on two cores and on one GPU; needs --data."""

from dataclasses import replace

from benchmarks.baselines.analog_pixels import AnalogPixelsConfig
from benchmarks.baselines.decoded import DecodedStage
from benchmarks.baselines.digital_semantic import QuantiserStage
from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.recipes.digital import BITS, CIFAR_SEMANTIC, CIFAR_SEPARATE, RANKS
from benchmarks.recipes.joint import FADING_MIX, SNR_DB, image_baseline, joint_baselines
from benchmarks.recipes.variants import ablations, no_teacher
from models import (
    CatConfig,
    FeatureQuantiserConfig,
    PooledCnnConfig,
    ResidualCnnConfig,
    WideResNetConfig,
)
from simulator.description.stages import (
    AugmentConfig,
    LossWeights,
    StudentStage,
    TeacherStage,
    TrainConfig,
)
from simulator.schemes.codec import CodecStage, LinkConditions
from simulator.schemes.contract import SchemeConfig
from simulator.schemes.experiment import Experiment, SweepConfig
from simulator.schemes.rkd_sc import RkdScConfig

SGD = TrainConfig(
    epochs=24,
    least_steps=0,
    batch_size=128,
    optimiser="sgd",
    learning_rate=0.1,
    weight_decay=5e-4,
    warmup=0.2,
    clip=5.0,
    precision="bf16",
)
ADAMW = replace(
    SGD,
    optimiser="adamw",
    learning_rate=1e-3,
    weight_decay=0.01,
    batch_size=256,
    clip=1.0,
    precision="fp32",
)
WIDE_TEACHER = TeacherStage(
    model=PooledCnnConfig(stem=24, widths=(128, 384, 384), projected_dim=None),
    training=replace(SGD, epochs=16),
    label_smoothing=0.1,
)
STUDENT = StudentStage(
    model=PooledCnnConfig(stem=24, widths=(64, 160, 224), projected_dim=256),
    training=replace(SGD, epochs=48),
    loss=LossWeights(mse=1.0, ce=0.1, kl=0.9, temperature=2.0),
    head=replace(ADAMW, epochs=10),
    head_from="student",
)
CODEC = CodecStage(
    model=CatConfig(
        feature_dim=256,
        max_uses=256,
        tokens=4,
        width=44,
        blocks=2,
        heads=4,
        mlp_ratio=2,
        use_snr=True,
        dense=True,
        condition_width=16,
        prototypes=128,
    ),
    training=replace(ADAMW, epochs=60, learning_rate=2e-3),
    loss=LossWeights(mse=1.0, ce=1.0, kl=1.0, temperature=2.0, mse_bits=256.0),
    conditions=LinkConditions(
        channels=FADING_MIX,
        snr_db=(-12.0, 26.0),
        uses=(8, 16, 32, 64, 128, 256),
        full_share=0.25,
    ),
)
HEADS = replace(ADAMW, epochs=10)  # training of the quantiser's heads
READERS = replace(SGD, epochs=6, learning_rate=0.01)  # of classifiers of decoded or rebuilt images
USES = (16, 64, 256)  # of the joint baselines and of the sweep
IMAGE_USES = (64, 256, 512)
DISTILLED = ("deep_jscc", "adjscc")  # baselines that are put behind our student too


def cifar100() -> Experiment:
    """CIFAR-100 on two cores: offline teachers, hand-made student, CAT."""
    untaught = no_teacher(STUDENT, CODEC)
    image = image_baseline(
        STUDENT, CODEC, retraining=READERS, epochs=50, batch_size=32, uses=IMAGE_USES
    )
    joint = joint_baselines(
        STUDENT, CODEC, hidden=256, uses=USES, backbone=untaught, distilled=DISTILLED
    )
    return Experiment(
        name="cifar100",
        embedded_data=None,
        augment=AugmentConfig(crop_padding=4, flip=True),
        views=12,
        teacher=TeacherStage(
            model=ResidualCnnConfig(widths=(32, 96, 192, 384), blocks=2, feature_dim=256),
            training=SGD,
            label_smoothing=0.1,
        ),
        more_teachers=(WIDE_TEACHER,),
        mirrored=True,
        student=STUDENT,
        schemes=(
            RkdScConfig(codec=CODEC),
            *joint,
            image,
            *digital_baselines(heads=HEADS, readers=READERS),
            *ablations(STUDENT, CODEC),
        ),
        sweep=SweepConfig(channels=FADING_MIX, snr_db=SNR_DB, channel_uses=USES, realizations=2),
    )


def cifar100_gpu() -> Experiment:
    """CIFAR-100 with a WRN-28-10 as offline teacher and long stages, for one modern GPU."""
    recipe = cifar100()
    student = replace(STUDENT, training=replace(STUDENT.training, epochs=100))
    codec = replace(CODEC, training=replace(CODEC.training, epochs=100))
    image = image_baseline(
        student, codec, retraining=READERS, epochs=200, batch_size=64, uses=IMAGE_USES
    )
    return replace(
        recipe,
        name="cifar100_gpu",
        teacher=replace(
            recipe.teacher,
            model=WideResNetConfig(depth=28, widen=10),
            training=replace(SGD, epochs=60),
        ),
        more_teachers=(),
        mirrored=False,
        student=student,
        schemes=(
            RkdScConfig(codec=codec),
            *joint_baselines(student, codec, hidden=256, uses=USES, backbone=None),
            image,
            *digital_baselines(heads=HEADS, readers=READERS),
        ),
    )


def digital_baselines(*, heads: TrainConfig, readers: TrainConfig) -> tuple[SchemeConfig, ...]:
    """Files, their bound, quantised features, labels, pixels, for images of 32x32 and more."""
    separate = replace(
        CIFAR_SEPARATE,
        retraining=DecodedStage(
            damage=CIFAR_SEPARATE.damage, training=readers, views=3, clean_share=0.25
        ),
    )
    semantic = replace(
        CIFAR_SEMANTIC,
        quantiser=QuantiserStage(
            model=FeatureQuantiserConfig(feature_dim=256, ranks=RANKS, bits=BITS),
            training=heads,
        ),
    )
    return (separate, separate.bound, semantic, LabelCodeConfig(), AnalogPixelsConfig())
