"""Handwritten digits, 8x8 grey: the demo, embedded and trained in minutes."""

from dataclasses import replace

from benchmarks.recipes.digital import DIGITS_SEMANTIC, DIGITS_SEPARATE, conventional_baselines
from benchmarks.recipes.joint import FADING_MIX, SNR_DB, image_baseline, joint_baselines
from benchmarks.recipes.variants import no_teacher
from models import CatConfig, ResidualCnnConfig
from simulator.description import stages
from simulator.schemes.codec import CodecStage, LinkConditions
from simulator.schemes.experiment import Experiment, SweepConfig
from simulator.schemes.rkd_sc import RkdScConfig

SGD = stages.TrainConfig(
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
ADAMW = replace(SGD, optimiser="adamw", learning_rate=2e-3, weight_decay=0.01, clip=1.0)
LOSS = stages.LossWeights(mse=1.0, ce=1.0, kl=0.0, temperature=4.0)
STUDENT = stages.StudentStage(
    model=ResidualCnnConfig(widths=(12, 24, 40), blocks=1, feature_dim=64),
    training=SGD,
    loss=LOSS,
    head=replace(ADAMW, epochs=20),
)
CODEC = CodecStage(
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
    training=replace(ADAMW, epochs=200, batch_size=128),
    loss=LOSS,
    conditions=LinkConditions(
        channels=FADING_MIX, snr_db=(-12.0, 26.0), uses=(4, 8, 16, 32, 64), full_share=0.25
    ),
)


def digits() -> Experiment:
    """Handwritten digits, 8x8 grey: trained in minutes, and every effect shows."""
    readers, heads = replace(SGD, epochs=20, learning_rate=0.01), replace(ADAMW, epochs=20)
    untaught = no_teacher(STUDENT, CODEC)
    return Experiment(
        name="digits",
        embedded_data="digits",
        augment=stages.AugmentConfig(crop_padding=1, flip=False),
        views=16,
        teacher=stages.TeacherStage(
            model=ResidualCnnConfig(widths=(32, 64, 128), blocks=1, feature_dim=64),
            training=replace(SGD, epochs=40),
            label_smoothing=0.1,
        ),
        student=STUDENT,
        schemes=(
            RkdScConfig(codec=CODEC),
            *joint_baselines(
                STUDENT,
                CODEC,
                uses=(16, 64),
                backbone=untaught,
                distilled=("adjscc",),
                losses=LOSS,
                fewer=(4,),
            ),
            image_baseline(STUDENT, CODEC, readers, epochs=400, batch_size=64, uses=(64,)),
            *conventional_baselines(
                DIGITS_SEPARATE,
                DIGITS_SEMANTIC,
                feature_dim=64,
                heads=heads,
                readers=readers,
                views=8,
                words=(1, 2, 3, 4, 5, 6),
            ),
            untaught,
        ),
        sweep=SweepConfig(
            channels=FADING_MIX, snr_db=SNR_DB, channel_uses=(4, 16, 64), realizations=3
        ),
    )
