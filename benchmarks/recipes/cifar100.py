"""CIFAR-100, on two cores and on one GPU."""

from dataclasses import replace

from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.recipes.digital import BITS, CIFAR_SEMANTIC, CIFAR_SEPARATE, RANKS
from benchmarks.recipes.joint import FADING_MIX, SNR_DB, image_baseline, joint_baselines
from benchmarks.recipes.variants import ablations
from models import (
    CatConfig,
    FeatureQuantiserConfig,
    PooledCnnConfig,
    ResidualCnnConfig,
    WideResNetConfig,
)
from simulator.description.experiment import Experiment, SweepConfig
from simulator.description.stages import (
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

DISTILLED = ("deep_jscc", "adjscc")  # baselines that are put behind our student too


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
