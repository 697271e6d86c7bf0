"""Ablations of a recipe: each one changes one thing and keeps steps, data and augmentation.

Trained by `semlink train RECIPE --variants NAME,...`, swept as the schemes `rkd_sc:NAME`.
"""

from dataclasses import replace

from models import CatConfig, CodecConfig, ConferenceConfig, MlpCodecConfig, UncodedConfig
from simulator.description.experiment import Experiment, Variant
from simulator.description.stages import CodecStage, LossWeights, StudentStage, TrainConfig

# Losses by the names of METHOD, sections 2.2 and 3
P1 = LossWeights(mse=1.0, ce=0.0, kl=0.0, temperature=4.0)


P2 = LossWeights(mse=1.0, ce=1.0, kl=0.0, temperature=4.0)


P3 = LossWeights(mse=1.0, ce=0.1, kl=0.9, temperature=4.0)


R2 = LossWeights(mse=1.0, ce=1.0, kl=0.5, temperature=4.0, consistency=0.5)


LABELS_ONLY = LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=4.0)


CONFERENCE_SNR_DB = (-5.0, -2.0, 0.0, 5.0, 10.0, 15.0, 20.0)


STUDENT_EPOCHS, CODEC_EPOCHS = 12, 10  # of every variant, unless the recipe has fewer


def ablations(recipe: Experiment) -> tuple[Variant, ...]:
    """All variants of a recipe whose codec is CAT, on a short schedule.

    `short` has a student of its own, and is what variants with students of their own are compared
    with; `brief` keeps the recipe's student, and is what all others are compared with. Each changes
    one thing. The conference version keeps its own schedule of SNRs.
    """
    brief = replace(
        recipe,
        student=replace(recipe.student, training=_at_most(recipe.student.training, STUDENT_EPOCHS)),
        codec=replace(recipe.codec, training=_at_most(recipe.codec.training, CODEC_EPOCHS)),
    )
    references = (
        Variant(name="short", student=brief.student, codec=brief.codec),
        Variant(name="brief", codec=brief.codec),
    )
    further = (student_variants, stage_variants, codec_variants, condition_variants)
    return (
        *references,
        no_teacher(recipe),
        wide(recipe),
        *(variant for variants in further for variant in variants(brief)),
    )


def no_teacher(recipe: Experiment) -> Variant:
    """Labels alone on the recipe's own schedule: what the teacher is worth in the end.

    Its student is the backbone of joint baselines.
    """
    return Variant(
        name="no_teacher",
        student=_taught(recipe, LABELS_ONLY),
        codec=replace(recipe.codec, loss=LABELS_ONLY),
    )


def wide(recipe: Experiment) -> Variant:
    """CAT of width 128 on the recipe's own schedule: what a small codec costs in the end."""
    model = replace(_cat(recipe.codec), width=128)
    return Variant(name="wide", codec=replace(recipe.codec, model=model))


def student_variants(recipe: Experiment) -> tuple[Variant, ...]:
    """Other lessons for the student, and no lesson at all; against `short`."""
    codec = recipe.codec
    untaught = _taught(recipe, LABELS_ONLY)
    both = recipe.student.training.epochs + codec.training.epochs
    scratch = replace(
        codec, student="scratch", student_rate=1.0, training=_on_images(recipe, epochs=both)
    )
    return (
        Variant(name="ce_ce", student=untaught, codec=replace(codec, loss=LABELS_ONLY)),
        Variant(name="kd_stage2", student=untaught, student_of="ce_ce", codec=codec),
        Variant(name="one_stage", codec=scratch),
        Variant(name="p1", student=_taught(recipe, P1), codec=codec),
        Variant(name="p2", student=_taught(recipe, P2), codec=codec),
        Variant(name="p3", student=_taught(recipe, P3), codec=codec),
    )


def stage_variants(recipe: Experiment) -> tuple[Variant, ...]:
    """Other lessons for the codec, fine-tuned students, no noise, no codec; against `brief`."""
    codec, noisy = recipe.codec, recipe.codec.conditions
    images = _on_images(recipe, epochs=codec.training.epochs)
    uncoded = UncodedConfig(feature_dim=codec.model.feature_dim, max_uses=codec.model.max_uses)
    noise_free = replace(noisy, noiseless=True)
    clean = replace(
        codec,
        model=uncoded,
        loss=LABELS_ONLY,
        conditions=replace(noise_free, uses=(uncoded.max_uses,)),
    )
    return (
        Variant(name="kd_stage1", codec=replace(codec, loss=LABELS_ONLY)),
        Variant(name="uncoded", codec=clean),
        Variant(name="noise_free", codec=replace(codec, conditions=noise_free)),
        Variant(name="r1", codec=replace(codec, loss=P2)),
        Variant(name="mse_always", codec=replace(codec, loss=replace(codec.loss, mse_bits=0.0))),
        Variant(name="r2", codec=replace(codec, loss=R2)),
        Variant(name="f1", codec=replace(codec, student="last", training=images)),
        Variant(name="f2", codec=replace(codec, student="all", training=images)),
    )


def codec_variants(recipe: Experiment) -> tuple[Variant, ...]:
    """Other channel codecs, and CAT for one k only; passes as in the recipe."""
    codec = recipe.codec
    cat = _cat(codec)
    lengths = codec.conditions.uses
    models: dict[str, CodecConfig] = {
        "no_snr": replace(cat, use_snr=False),
        "mlp": MlpCodecConfig(feature_dim=cat.feature_dim, max_uses=cat.max_uses, hidden=301),
        "no_prototypes": replace(cat, width=56, prototypes=0),
        "cat64": replace(cat, tokens=16, width=64, dense=False, condition_width=None, prototypes=0),
        "d32": replace(cat, width=32),
        "d96": replace(cat, width=96),
        "d128": replace(cat, width=128),
        "heads": replace(cat, lengths=lengths),
    }
    fixed = [
        Variant(name=f"k{k}", codec=replace(codec, conditions=replace(codec.conditions, uses=(k,))))
        for k in (16, 64, 256)
        if k in lengths
    ]
    return (
        *(Variant(name=name, codec=replace(codec, model=model)) for name, model in models.items()),
        *fixed,
    )


def condition_variants(recipe: Experiment) -> tuple[Variant, ...]:
    """Other conditions of training, and the conference version's codec and schedule."""
    codec, mixed = recipe.codec, recipe.codec.conditions
    full = codec.model.max_uses
    conference = ConferenceConfig(
        feature_dim=codec.model.feature_dim, max_uses=full, tokens=4, width=512, blocks=2
    )
    as_published = replace(
        codec,
        model=conference,
        conditions=replace(mixed, channels=("awgn",), uses=(full,), snr_list=CONFERENCE_SNR_DB),
        training=replace(codec.training, learning_rate=5e-4, precision="bf16"),
    )
    awgn, fixed = replace(mixed, channels=("awgn",)), replace(mixed, snr_db=(10.0, 10.0))
    return (
        Variant(name="awgn_only", codec=replace(codec, conditions=awgn)),
        Variant(name="snr10", codec=replace(codec, conditions=fixed)),
        Variant(name="conference", codec=as_published),
    )


def _cat(codec: CodecStage) -> CatConfig:
    if not isinstance(codec.model, CatConfig):
        raise TypeError(f"the recipe's codec must be CAT, got {codec.model}")
    return codec.model


def _taught(recipe: Experiment, loss: LossWeights) -> StudentStage:
    return replace(recipe.student, loss=loss)


def _on_images(recipe: Experiment, *, epochs: int) -> TrainConfig:
    """Stage 2 where the student learns along: in the student's precision and batches."""
    student = recipe.student.training
    return replace(
        recipe.codec.training,
        epochs=epochs,
        batch_size=student.batch_size,
        precision=student.precision,
    )


def _at_most(training: TrainConfig, epochs: int) -> TrainConfig:
    return replace(training, epochs=min(training.epochs, epochs))
