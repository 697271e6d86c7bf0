"""CIFAR-100, on two cores and on one GPU, and your own images; all need --data."""

from dataclasses import replace

from benchmarks.recipes.digital import CIFAR_SEMANTIC, CIFAR_SEPARATE, conventional_baselines
from benchmarks.recipes.joint import (
    FADING_MIX,
    SNR_DB,
    image_baseline,
    joint_baselines,
    modulated,
)
from benchmarks.recipes.variants import ablations, no_teacher
from models import (
    CatConfig,
    EfficientNetConfig,
    PooledCnnConfig,
    ResidualCnnConfig,
    WideResNetConfig,
)
from simulator.description import stages
from simulator.schemes.codec import CodecStage, LinkConditions
from simulator.schemes.contract import SchemeConfig
from simulator.schemes.experiment import Experiment, SweepConfig
from simulator.schemes.rkd_sc import RkdScConfig

SGD = stages.TrainConfig(
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
WIDE_TEACHER = stages.TeacherStage(
    model=PooledCnnConfig(stem=24, widths=(128, 384, 384), projected_dim=None),
    training=replace(SGD, epochs=16),
    label_smoothing=0.1,
)
PRETRAINED_TEACHER = stages.TeacherStage(
    model=EfficientNetConfig(side=160, frozen=15),
    training=replace(SGD, epochs=10, learning_rate=0.02),
    label_smoothing=0.1,
)
PLAIN_STUDENT = stages.StudentStage(
    model=PooledCnnConfig(stem=24, widths=(64, 160, 224), projected_dim=256),
    training=replace(SGD, epochs=48),
    loss=stages.LossWeights(mse=1.0, ce=0.1, kl=0.9, temperature=2.0),
    head=replace(ADAMW, epochs=10),
    head_from="student",
)
STUDENT = replace(
    PLAIN_STUDENT,
    training=replace(SGD, epochs=120),
    loss=replace(PLAIN_STUDENT.loss, kl=9.0, standardised=True),
    small_share=0.5,
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
    loss=stages.LossWeights(mse=1.0, ce=1.0, kl=1.0, temperature=2.0, mse_bits=256.0),
    conditions=LinkConditions(
        channels=FADING_MIX, snr_db=(-12.0, 26.0), uses=(8, 16, 32, 64, 128, 256), full_share=0.25
    ),
)
HEADS = replace(ADAMW, epochs=10)  # training of the quantiser's heads
READERS = replace(SGD, epochs=6, learning_rate=0.01)  # fine-tuning on decoded or rebuilt images
WORDS = tuple(range(1, 9))  # bits of feature words of digital_semantic
USES = (16, 64, 256)  # of the joint baselines and of the sweep
IMAGE_USES = (64, 256, 512)


def cifar100() -> Experiment:
    """CIFAR-100 on two cores: three offline teachers, hand-made student, CAT.

    One of the teachers was pretrained on ImageNet. Baselines behind our student are trained with
    the losses of our codec, in two variants: with as many passes as our codec for each k, or in
    total. Those from labels only have a backbone that sees new views in every epoch.
    """
    untaught = no_teacher(STUDENT, CODEC)
    augment = stages.AugmentConfig(crop_padding=4, flip=True)
    return Experiment(
        name="cifar100",
        embedded_data=None,
        augment=augment,
        stronger=replace(augment, operations=2),
        stronger_every=2,
        views=12,
        teacher=stages.TeacherStage(
            model=ResidualCnnConfig(widths=(32, 96, 192, 384), blocks=2, feature_dim=256),
            training=SGD,
            label_smoothing=0.1,
        ),
        more_teachers=(WIDE_TEACHER, PRETRAINED_TEACHER),
        mirrored=True,
        student=STUDENT,
        schemes=(
            *_schemes(STUDENT, CODEC, backbone=untaught, words=WORDS),
            *ablations(STUDENT, CODEC, untaught=untaught),
        ),
        sweep=SweepConfig(channels=FADING_MIX, snr_db=SNR_DB, channel_uses=USES, realizations=2),
    )


def two_teachers() -> Experiment:
    """CIFAR-100 with the two teachers that know no other images, and plain scores for the student.

    It is the setting of the studies of architectures.
    """
    return replace(
        cifar100(),
        more_teachers=(WIDE_TEACHER,),
        student=PLAIN_STUDENT,
        stronger=None,
        stronger_every=1,
    )


def cifar100_gpu() -> Experiment:
    """CIFAR-100 with a WRN-28-10 as offline teacher and long stages, for one modern GPU."""
    recipe = cifar100()
    student = replace(STUDENT, training=replace(STUDENT.training, epochs=240))
    codec = replace(CODEC, training=replace(CODEC.training, epochs=100))
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
        stronger=None,
        stronger_every=1,
        student=student,
        schemes=_schemes(student, codec, backbone=None, epochs=200, batch_size=64),
    )


def images() -> Experiment:
    """Your own images: as CIFAR-100, with more epochs if there are few images."""
    student = replace(
        PLAIN_STUDENT,
        training=_at_least(PLAIN_STUDENT.training, 1000),
        head=_at_least(PLAIN_STUDENT.head, 500),
    )
    codec = replace(CODEC, training=_at_least(CODEC.training, 1500))
    heads, readers = _at_least(HEADS, 500), _at_least(READERS, 500)
    untaught = no_teacher(student, codec)
    return replace(
        cifar100(),
        name="images",
        warm_below=10_000,
        teacher=replace(WIDE_TEACHER, training=_at_least(WIDE_TEACHER.training, 1000)),
        more_teachers=(),
        stronger=None,
        stronger_every=1,
        student=student,
        schemes=(
            *_schemes(student, codec, backbone=untaught, heads=heads, readers=readers),
            untaught,
        ),
    )


def _schemes(
    student: stages.StudentStage,
    codec: CodecStage,
    *,
    backbone: RkdScConfig | None,
    epochs: int = 50,
    batch_size: int = 32,
    heads: stages.TrainConfig = HEADS,
    readers: stages.TrainConfig = READERS,
    words: tuple[int, ...] = (),
) -> tuple[SchemeConfig, ...]:
    """All schemes but ablations; `epochs` and `batch_size` are those of deep JSCC of images.

    With a `backbone`, deep JSCC and ADJSCC are also trained behind our student, with the losses of
    our codec.
    """
    distilled = ("deep_jscc", "adjscc") if backbone else ()
    pairs = image_baseline(
        student, codec, readers, epochs=epochs, batch_size=batch_size, uses=IMAGE_USES
    )
    return (
        RkdScConfig(codec=codec),
        *joint_baselines(
            student,
            codec,
            uses=USES,
            backbone=backbone,
            distilled=distilled,
            losses=codec.loss,
        ),
        pairs,
        modulated(pairs),
        *conventional_baselines(
            *(CIFAR_SEPARATE, CIFAR_SEMANTIC),
            feature_dim=256,
            heads=heads,
            readers=readers,
            views=3,
            words=words,
        ),
    )


def _at_least(training: stages.TrainConfig, steps: int) -> stages.TrainConfig:
    return replace(training, least_steps=steps)
