"""Named experiments: functions that return a whole description.

A recipe says what to compute. Where to compute it (`--device`, `--out`) and which part of the grid
(`--snr-db`, `--channel-uses`, ...) is the command line's business.
"""

from dataclasses import replace

from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.digital_settings import (
    BITS,
    CIFAR_SEMANTIC,
    CIFAR_SEPARATE,
    DIGITS_SEMANTIC,
    DIGITS_SEPARATE,
    RANKS,
)
from benchmarks.joint_baselines import image_baseline, joint_baselines
from benchmarks.variants import ablations, no_teacher
from models import (
    CatConfig,
    FeatureQuantiserConfig,
    PooledCnnConfig,
    ResidualCnnConfig,
    WideResNetConfig,
)
from simulator.config import Experiment, SweepConfig
from simulator.stages import (
    AugmentConfig,
    CodecStage,
    DecodedStage,
    LinkConditions,
    LossWeights,
    QuantiserStage,
    StudentStage,
    TeacherStage,
    TrainConfig,
)

SNR_DB = tuple(float(snr) for snr in range(-10, 21, 2))
DISTILLED = ("deep_jscc", "adjscc")  # baselines that are put behind our student too
FADING_MIX = ("awgn", "rayleigh")  # channels of every training, in equal shares


def digits() -> Experiment:
    """Handwritten digits, 8x8 grey: trained in a minute, and every effect shows."""
    student = ResidualCnnConfig(widths=(12, 24, 40), blocks=1, feature_dim=64)
    sgd = TrainConfig(
        epochs=60,
        least_steps=0,
        batch_size=64,
        optimiser="sgd",
        learning_rate=0.05,
        weight_decay=5e-4,
        warmup=0.1,
        clip=5.0,
        precision="fp32",
    )
    adamw = replace(sgd, optimiser="adamw", learning_rate=2e-3, weight_decay=0.01, clip=1.0)
    recipe = Experiment(
        name="digits",
        embedded_data=True,
        augment=AugmentConfig(crop_padding=1, flip=False),
        views=16,
        teacher=TeacherStage(
            model=ResidualCnnConfig(widths=(32, 64, 128), blocks=1, feature_dim=64),
            training=replace(sgd, epochs=40),
            label_smoothing=0.1,
        ),
        student=StudentStage(
            model=student,
            training=sgd,
            loss=LossWeights(mse=1.0, ce=1.0, kl=0.0, temperature=4.0),
            head=replace(adamw, epochs=20),
        ),
        codec=CodecStage(
            model=CatConfig(
                feature_dim=64,
                max_uses=64,
                tokens=8,
                width=32,
                blocks=2,
                heads=4,
                mlp_ratio=2,
                use_snr=True,
            ),
            training=replace(adamw, epochs=200, batch_size=128),
            loss=LossWeights(mse=1.0, ce=1.0, kl=0.0, temperature=4.0),
            conditions=LinkConditions(
                channels=FADING_MIX,
                snr_db=(-12.0, 26.0),
                uses=(4, 8, 16, 32, 64),
                full_share=0.25,
            ),
        ),
        quantiser=QuantiserStage(
            model=FeatureQuantiserConfig(feature_dim=64, ranks=RANKS, bits=BITS),
            training=replace(adamw, epochs=20),
        ),
        decoded=DecodedStage(
            damage=DIGITS_SEPARATE.damage,
            training=replace(sgd, epochs=20, learning_rate=0.01),
            views=8,
            clean_share=0.25,
        ),
        baselines=(
            DIGITS_SEPARATE,
            DIGITS_SEPARATE.bound,
            DIGITS_SEMANTIC,
            LabelCodeConfig(),
        ),
        sweep=SweepConfig(
            channels=FADING_MIX, snr_db=SNR_DB, channel_uses=(4, 16, 64), realizations=3
        ),
    )
    joint = joint_baselines(recipe, hidden=64, uses=(16, 64), variant="no_teacher")
    image_jscc = image_baseline(recipe, epochs=100, batch_size=64, uses=(64,))
    variants = (no_teacher(recipe),)
    return replace(recipe, joint=joint, image_jscc=image_jscc, variants=variants)


def cifar100() -> Experiment:
    """CIFAR-100 on two cores: offline teacher, hand-made student, CAT; needs --data."""
    student = PooledCnnConfig(stem=24, widths=(64, 160, 224), projected_dim=256)
    sgd = TrainConfig(
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
    adamw = replace(
        sgd,
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=0.01,
        batch_size=256,
        clip=1.0,
        precision="fp32",
    )
    wide = TeacherStage(
        model=PooledCnnConfig(stem=24, widths=(128, 384, 384), projected_dim=None),
        training=replace(sgd, epochs=16),
        label_smoothing=0.1,
    )
    recipe = Experiment(
        name="cifar100",
        embedded_data=False,
        augment=AugmentConfig(crop_padding=4, flip=True),
        views=12,
        teacher=TeacherStage(
            model=ResidualCnnConfig(widths=(32, 96, 192, 384), blocks=2, feature_dim=256),
            training=sgd,
            label_smoothing=0.1,
        ),
        more_teachers=(wide,),
        mirrored=True,
        student=StudentStage(
            model=student,
            training=replace(sgd, epochs=48),
            loss=LossWeights(mse=1.0, ce=0.1, kl=0.9, temperature=2.0),
            head=replace(adamw, epochs=10),
            head_from="student",
        ),
        codec=CodecStage(
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
            training=replace(adamw, epochs=60, learning_rate=2e-3),
            loss=LossWeights(mse=1.0, ce=1.0, kl=1.0, temperature=2.0, mse_bits=256.0),
            conditions=LinkConditions(
                channels=FADING_MIX,
                snr_db=(-12.0, 26.0),
                uses=(8, 16, 32, 64, 128, 256),
                full_share=0.25,
            ),
        ),
        quantiser=QuantiserStage(
            model=FeatureQuantiserConfig(feature_dim=256, ranks=RANKS, bits=BITS),
            training=replace(adamw, epochs=10),
        ),
        decoded=DecodedStage(
            damage=CIFAR_SEPARATE.damage,
            training=replace(sgd, epochs=6, learning_rate=0.01),
            views=3,
            clean_share=0.25,
        ),
        baselines=(
            CIFAR_SEPARATE,
            CIFAR_SEPARATE.bound,
            CIFAR_SEMANTIC,
            LabelCodeConfig(),
        ),
        sweep=SweepConfig(
            channels=FADING_MIX, snr_db=SNR_DB, channel_uses=(16, 64, 256), realizations=2
        ),
    )
    joint = joint_baselines(
        recipe, hidden=256, uses=(16, 64, 256), variant="no_teacher", distilled=DISTILLED
    )
    image_jscc = image_baseline(recipe, epochs=50, batch_size=32, uses=(64, 256, 512))
    return replace(recipe, joint=joint, image_jscc=image_jscc, variants=ablations(recipe))


def cifar100_gpu() -> Experiment:
    """CIFAR-100 with a WRN-28-10 as offline teacher and long stages, for one modern GPU."""
    recipe = cifar100()
    student, codec = recipe.student, recipe.codec
    long = replace(student.training, epochs=100)
    recipe = replace(
        recipe,
        name="cifar100_gpu",
        teacher=replace(
            recipe.teacher,
            model=WideResNetConfig(depth=28, widen=10),
            training=replace(recipe.teacher.training, epochs=60),
        ),
        student=replace(student, training=long),
        codec=replace(codec, training=replace(codec.training, epochs=100)),
        more_teachers=(),
        mirrored=False,
        variants=(),
    )
    joint = joint_baselines(recipe, hidden=256, uses=(16, 64, 256), variant=None)
    image_jscc = image_baseline(recipe, epochs=200, batch_size=64, uses=(64, 256, 512))
    return replace(recipe, joint=joint, image_jscc=image_jscc)


def images() -> Experiment:
    """Your own images: as CIFAR-100, with more epochs where there are few; needs --data."""
    recipe = cifar100()
    student, codec = recipe.student, recipe.codec
    quantiser, decoded = recipe.quantiser, recipe.decoded
    assert quantiser is not None
    assert decoded is not None
    strong = recipe.more_teachers[0]
    teacher = replace(strong, training=replace(strong.training, least_steps=1000))
    recipe = replace(
        recipe,
        name="images",
        teacher=teacher,
        more_teachers=(),
        student=replace(
            student,
            training=replace(student.training, least_steps=1000),
            head=replace(student.head, least_steps=500),
        ),
        codec=replace(codec, training=replace(codec.training, least_steps=1500)),
        quantiser=replace(quantiser, training=replace(quantiser.training, least_steps=500)),
        decoded=replace(decoded, training=replace(decoded.training, least_steps=500)),
    )
    joint = joint_baselines(
        recipe, hidden=256, uses=(16, 64, 256), variant="no_teacher", distilled=DISTILLED
    )
    image_jscc = image_baseline(recipe, epochs=50, batch_size=32, uses=(64, 256, 512))
    return replace(recipe, joint=joint, image_jscc=image_jscc, variants=(no_teacher(recipe),))


RECIPES = (digits, cifar100, cifar100_gpu, images)
