"""Handwritten digits: the demo, embedded and trained in minutes."""

from dataclasses import replace

from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.recipes.digital import BITS, DIGITS_SEMANTIC, DIGITS_SEPARATE, RANKS
from benchmarks.recipes.joint import FADING_MIX, SNR_DB, image_baseline, joint_baselines
from benchmarks.recipes.variants import no_teacher
from models import CatConfig, FeatureQuantiserConfig, ResidualCnnConfig
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
