"""The joint source-channel coding baselines of a recipe: equal backbones, passes and channels.

Trained by `semlink train RECIPE --stage baselines`, swept by their names [METHOD, B2 to B5].
"""

from dataclasses import replace

from models import AdjsccConfig, DeepJsccConfig, DtJsccConfig, JointConfig, VlVfeConfig
from simulator.description.experiment import Experiment
from simulator.description.stages import ImageJsccStage, JointStage, RebuiltStage, TrainConfig

DISCRETE_USES = (16,)  # DT-JSCC is published for 16 symbols alone


# constellation -> bits per symbol and SNR of the training, as the conference version sets them
CONSTELLATIONS = {"dt_jscc": (4, 8.0), "dt_jscc:64qam": (6, 6.0)}


TRAIN_SNR_DB = 10.0  # of deep JSCC


def joint_baselines(
    recipe: Experiment,
    *,
    hidden: int,
    uses: tuple[int, ...],
    variant: str | None,
    distilled: tuple[str, ...] = (),
) -> tuple[JointStage, ...]:
    """All of them, with MLPs of one hidden width, trained on the channels that ours is trained on.

    `variant` names the ablation whose student, taught by labels alone, is the frozen backbone; the
    codecs then have the passes of ours. Those named in `distilled` are put behind our own student
    too, which teachers have taught, so that codecs can be compared alone. With None every model
    learns a backbone of its own, with as many passes as student and codec have together.
    """
    body = recipe.student.model
    models: dict[str, JointConfig] = {
        "deep_jscc": DeepJsccConfig(body=body, hidden=hidden),
        "adjscc": AdjsccConfig(body=body, hidden=hidden, attention=hidden // 4),
    }
    for name, (bits, _) in CONSTELLATIONS.items():
        models[name] = DtJsccConfig(
            body=body,
            hidden=hidden,
            bits_per_symbol=bits,
            word=hidden // 4,
            robustness=1e-3,
            temperature=0.5,
        )
    models["vl_vfe"] = VlVfeConfig(body=body, hidden=hidden, threshold=1e-2, sparsity=9e-3)
    every_snr = recipe.codec.conditions.snr_db
    snr_db: dict[str, float | tuple[float, float]] = {
        "deep_jscc": TRAIN_SNR_DB,
        "adjscc": every_snr,
        "vl_vfe": every_snr,
        **{name: trained_at for name, (_, trained_at) in CONSTELLATIONS.items()},
    }
    made = tuple(
        JointStage(
            name=name,
            model=model,
            training=recipe.codec.training if variant else _end_to_end(recipe),
            channels=recipe.codec.conditions.channels,
            snr_db=snr_db[name],
            uses=DISCRETE_USES if name in CONSTELLATIONS else uses,
            backbone="frozen" if variant else "scratch",
            backbone_of=variant or "",
        )
        for name, model in models.items()
    )
    taught = (stage for stage in made if stage.name in distilled)
    return made + tuple(
        replace(stage, name=f"{stage.name}:distilled", backbone_of="") for stage in taught
    )


def image_baseline(
    recipe: Experiment, *, epochs: int, batch_size: int, uses: tuple[int, ...]
) -> ImageJsccStage:
    """Deep JSCC of images at the SNR of deep JSCC, with AdamW in the student's precision [B1].

    Who reads what arrives is retrained as long as who reads decoded images.
    """
    codec, snr_db = recipe.codec.training, recipe.codec.conditions.snr_db
    retraining = None
    if recipe.decoded is not None:
        retraining = RebuiltStage(training=recipe.decoded.training, snr_db=snr_db)
    return ImageJsccStage(
        training=replace(
            codec,
            epochs=epochs,
            learning_rate=2e-3,
            weight_decay=0.0,
            batch_size=batch_size,
            precision=recipe.student.training.precision,
        ),
        channels=recipe.codec.conditions.channels,
        snr_db=TRAIN_SNR_DB,
        uses=uses,
        retraining=retraining,
    )


def _end_to_end(recipe: Experiment) -> TrainConfig:
    """As the student is trained, with the passes of the codec on top."""
    student, codec = recipe.student.training, recipe.codec.training
    return replace(
        student,
        epochs=student.epochs + codec.epochs,
        least_steps=student.least_steps + codec.least_steps,
    )


SNR_DB = tuple(float(snr) for snr in range(-10, 21, 2))


FADING_MIX = ("awgn", "rayleigh")  # channels of every training, in equal shares
