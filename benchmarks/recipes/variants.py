"""Ablations of a recipe. Each changes one thing, or one loss; codecs also the width for equal size.

Data and augmentation are kept; the number of epochs is that of `short` or `brief`.

Trained by `semlink train RECIPE --variants NAME,...`, swept as the schemes `rkd_sc:NAME`.
"""

from dataclasses import replace

from benchmarks.recipes.joint import MULTIPATH_MIX
from models import CatConfig, CodecConfig, ConferenceConfig, MlpCodecConfig, UncodedConfig
from simulator.description.stages import LossWeights, StudentStage, TrainConfig
from simulator.schemes.codec import CodecStage
from simulator.schemes.rkd_sc import RkdScConfig

P1 = LossWeights(mse=1.0, ce=0.0, kl=0.0, temperature=4.0)
P2 = LossWeights(mse=1.0, ce=1.0, kl=0.0, temperature=4.0)
P3 = LossWeights(mse=1.0, ce=0.1, kl=0.9, temperature=4.0)
R2 = LossWeights(mse=1.0, ce=1.0, kl=0.5, temperature=4.0, consistency=0.5)
LABELS_ONLY = LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=4.0)
SMOOTHING = 0.1  # of labels, as for teachers
CONFERENCE_SNR_DB = (-5.0, -2.0, 0.0, 5.0, 10.0, 15.0, 20.0)
STUDENT_EPOCHS, CODEC_EPOCHS = 12, 10  # of every variant, unless the recipe has fewer


def ablations(
    student: StudentStage, codec: CodecStage, *, untaught: RkdScConfig
) -> tuple[RkdScConfig, ...]:
    """All ablations of a recipe whose codec is CAT, on a short schedule (not `no_teacher`).

    `short` trains its own student, and is the reference of ablations that train theirs; `brief`
    keeps the recipe's student, and is the reference of all others. Each ablation changes one thing.
    The conference version keeps its own schedule of SNRs. `untaught` is `no_teacher`.
    """
    short = replace(student, training=_at_most(student.training, STUDENT_EPOCHS))
    brief = replace(codec, training=_at_most(codec.training, CODEC_EPOCHS))
    stages = _stages(short, brief) | _codecs(brief) | _conditions(brief)
    return (
        RkdScConfig(variant="short", student=short, codec=brief),
        RkdScConfig(variant="brief", codec=brief),
        untaught,
        *_students(short, brief),
        *(RkdScConfig(variant=name, codec=stage) for name, stage in stages.items()),
    )


def no_teacher(student: StudentStage, codec: CodecStage) -> RkdScConfig:
    """Training from labels only, on the recipe's schedule, to measure the benefit of the teacher.

    Its student is the backbone of joint baselines. It learns from fresh views with label smoothing,
    as teachers do, not from the shared views: these are few, because the teachers' outputs are
    computed for each of them.
    """
    alone = replace(student, loss=LABELS_ONLY, fresh_views=True, label_smoothing=SMOOTHING)
    return RkdScConfig(variant="no_teacher", student=alone, codec=replace(codec, loss=LABELS_ONLY))


def _students(student: StudentStage, codec: CodecStage) -> tuple[RkdScConfig, ...]:
    """Other losses for the student, and training without stage 1; the reference is `short`."""
    untaught = replace(student, loss=LABELS_ONLY)
    both = student.training.epochs + codec.training.epochs
    scratch = replace(
        codec, student="scratch", student_rate=1.0, training=_on_images(student, codec, epochs=both)
    )
    losses = {"p1": P1, "p2": P2, "p3": P3}
    taught = {name: replace(student, loss=loss) for name, loss in losses.items()}
    return (
        RkdScConfig(variant="ce_ce", student=untaught, codec=replace(codec, loss=LABELS_ONLY)),
        RkdScConfig(variant="kd_stage2", student=untaught, student_of="ce_ce", codec=codec),
        RkdScConfig(variant="one_stage", codec=scratch),
        *(RkdScConfig(variant=name, student=own, codec=codec) for name, own in taught.items()),
    )


def _stages(student: StudentStage, codec: CodecStage) -> dict[str, CodecStage]:
    """Other losses of the codec, fine-tuned students, no noise, no codec; reference: `brief`."""
    images = _on_images(student, codec, epochs=codec.training.epochs)
    uncoded = UncodedConfig(feature_dim=codec.model.feature_dim, max_uses=codec.model.max_uses)
    noise_free = replace(codec.conditions, noiseless=True)
    return {
        "kd_stage1": replace(codec, loss=LABELS_ONLY),
        "uncoded": replace(
            codec,
            model=uncoded,
            loss=LABELS_ONLY,
            conditions=replace(noise_free, uses=(uncoded.max_uses,)),
        ),
        "noise_free": replace(codec, conditions=noise_free),
        "r1": replace(codec, loss=P2),
        "mse_always": replace(codec, loss=replace(codec.loss, mse_bits=0.0)),
        "r2": replace(codec, loss=R2),
        "f1": replace(codec, student="last", training=images),
        "f2": replace(codec, student="all", training=images),
    }


def _codecs(codec: CodecStage) -> dict[str, CodecStage]:
    """Other channel codecs, and CAT for one k only; the reference is `brief`."""
    cat, lengths = _cat(codec), codec.conditions.uses
    models: dict[str, CodecConfig] = {
        "no_snr": replace(cat, use_snr=False),
        "mlp": MlpCodecConfig(feature_dim=cat.feature_dim, max_uses=cat.max_uses, hidden=301),
        "no_attention": replace(cat, width=48, attention=False),
        "no_blocks": replace(cat, width=56, blocks=0, attention=False),
        "no_prototypes": replace(cat, width=56, prototypes=0),
        "cat64": replace(cat, tokens=16, width=64, dense=False, condition_width=None, prototypes=0),
        **{f"d{width}": replace(cat, width=width) for width in (32, 96, 128)},
        "heads": replace(cat, lengths=lengths),
    }
    fixed = {
        f"k{k}": replace(codec, conditions=replace(codec.conditions, uses=(k,)))
        for k in (16, 64, 256)
        if k in lengths
    }
    return {name: replace(codec, model=own) for name, own in models.items()} | fixed


def _conditions(codec: CodecStage) -> dict[str, CodecStage]:
    """Other training conditions, and the conference version's codec and schedule.

    `reliable` is `multipath` with a decoder that has the reliability of every symbol as input.
    """
    mixed, full = codec.conditions, codec.model.max_uses
    multipath = replace(codec, conditions=replace(mixed, channels=MULTIPATH_MIX))
    conference = ConferenceConfig(
        feature_dim=codec.model.feature_dim, max_uses=full, tokens=4, width=512, blocks=2
    )
    return {
        "awgn_only": replace(codec, conditions=replace(mixed, channels=("awgn",))),
        "snr10": replace(codec, conditions=replace(mixed, snr_db=(10.0, 10.0))),
        "multipath": multipath,
        "reliable": replace(multipath, model=replace(_cat(codec), reliability=True)),
        "conference": replace(
            codec,
            model=conference,
            conditions=replace(mixed, channels=("awgn",), uses=(full,), snr_list=CONFERENCE_SNR_DB),
            training=replace(codec.training, learning_rate=5e-4, precision="bf16"),
        ),
    }


def _cat(codec: CodecStage) -> CatConfig:
    if not isinstance(codec.model, CatConfig):
        raise TypeError(f"the recipe's codec must be CAT, got {codec.model}")
    return codec.model


def _on_images(student: StudentStage, codec: CodecStage, *, epochs: int) -> TrainConfig:
    """Stage 2 with the student trained too: in the student's precision and batch size."""
    return replace(
        codec.training,
        epochs=epochs,
        batch_size=student.training.batch_size,
        precision=student.training.precision,
    )


def _at_most(training: TrainConfig, epochs: int) -> TrainConfig:
    return replace(training, epochs=min(training.epochs, epochs))
