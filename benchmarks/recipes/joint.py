"""The joint source-channel coding baselines of a recipe: equal backbones, passes and channels.

Trained by `semlink train RECIPE --stage baselines`, swept by their names.
"""

from dataclasses import replace

from models import (
    AdjsccConfig,
    DeepJsccConfig,
    DeepJsccQConfig,
    DtJsccConfig,
    ModulatorConfig,
    VlVfeConfig,
)
from simulator.description.stages import LossWeights, StudentStage, TrainConfig
from simulator.schemes.codec import CodecStage
from simulator.schemes.deepjscc_q import (
    USUAL_BITS,
    DeepJsccQImageSchemeConfig,
    DeepJsccQSchemeConfig,
    labelled_name,
)
from simulator.schemes.dt_jscc import DtJsccSchemeConfig
from simulator.schemes.image import ImageJsccConfig, RebuiltStage
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.schemes.vl_vfe import VlVfeSchemeConfig

SNR_DB = tuple(float(snr) for snr in range(-10, 21, 2))  # of every recipe's sweep
FADING_MIX = ("awgn", "rayleigh")  # channels of every training, in equal shares
MULTIPATH_MIX = (*FADING_MIX, "tdl:A:300ns+lmmse:8", "tdl:C:300ns:120kmh+lmmse:8")
DISCRETE_USES = (16,)  # DT-JSCC is published for 16 symbols only
# scheme -> bits per symbol and training SNR in dB, as in the conference version
CONSTELLATIONS = {"dt_jscc": (4, 8.0), "dt_jscc:64qam": (6, 6.0)}
MODULATORS = tuple(  # of DeepJSCC-Q: 16-, 64- and 256-QAM
    ModulatorConfig(bits_per_symbol=bits, hardness=(5.0, 100.0), uniformity=0.05)
    for bits in (4, 6, 8)
)
TRAIN_SNR_DB = 10.0  # of deep JSCC


def joint_baselines(
    student: StudentStage,
    codec: CodecStage,
    *,
    uses: tuple[int, ...],
    backbone: RkdScConfig | None,
    distilled: tuple[str, ...] = (),
    losses: LossWeights | None = None,
    fewer: tuple[int, ...] = (),
) -> tuple[JointSchemeConfig, ...]:
    """All of them, with MLPs as wide as the features, trained on the channels of our codec.

    `backbone` is the ablation whose student, trained from labels only, is the frozen backbone; the
    codecs then have as many passes as ours. With None, every model trains its backbone as well,
    with as many passes as student and codec have together.

    Schemes named in `distilled` are also trained behind our distilled student, with `losses` (None:
    labels only). With those of our codec, only the codecs differ. With `losses` they are trained
    twice: with as many passes as ours for each k and, under the label "total", with the passes
    divided by the number of k for which our codec is trained.

    Deep JSCC, with and without a modulator, also serves the k in `fewer`.
    """
    body, hidden = student.model, codec.model.feature_dim
    plain = JointSchemeConfig(
        called="deep_jscc",
        model=DeepJsccConfig(body=body, hidden=hidden),
        training=codec.training if backbone else _end_to_end(student, codec),
        channels=codec.conditions.channels,
        snr_db=TRAIN_SNR_DB,
        uses=uses,
        backbone="frozen" if backbone else "scratch",
        backbone_of=backbone.variant if backbone else "",
        backbone_stage=backbone.student if backbone else None,
    )
    adaptive = replace(
        plain,
        called="adjscc",
        model=AdjsccConfig(body=body, hidden=hidden, attention=hidden // 4),
        snr_db=codec.conditions.snr_db,
    )
    model = VlVfeConfig(body=body, hidden=hidden, threshold=1e-2, sparsity=9e-3)
    changed = {"called": "vl_vfe", "model": model, "snr_db": codec.conditions.snr_db}
    variable = VlVfeSchemeConfig(**vars(plain) | changed)
    free = replace(plain, uses=(*fewer, *uses))
    modulated = (_modulated(free, modulator) for modulator in MODULATORS)
    made = (
        free,
        *modulated,
        adaptive,
        *(_discrete(plain, name) for name in CONSTELLATIONS),
        variable,
    )
    ours = tuple(_behind_ours(own, losses) for own in made if own.name in distilled)
    divided = (_divided(own, len(codec.conditions.uses)) for own in ours if losses)
    return (*made, *ours, *divided)


def _behind_ours(scheme: JointSchemeConfig, losses: LossWeights | None) -> JointSchemeConfig:
    """The scheme with the recipe's own student as its backbone."""
    called = f"{scheme.name}:distilled"
    return replace(scheme, called=called, backbone_of="", backbone_stage=None, losses=losses)


def _divided(scheme: JointSchemeConfig, shares: int) -> JointSchemeConfig:
    """The scheme with its passes divided by `shares`, the number of k of our codec."""
    return replace(scheme, called=f"{scheme.name}:total", shares=shares)


def _modulated(free: JointSchemeConfig, modulator: ModulatorConfig) -> DeepJsccQSchemeConfig:
    """DeepJSCC-Q with one constellation."""
    own = free.model
    model = DeepJsccQConfig(body=own.body, hidden=own.hidden, modulator=modulator)
    changed = {"called": labelled_name("deep_jscc_q", modulator), "model": model}
    return DeepJsccQSchemeConfig(**vars(free) | changed)


def _discrete(plain: JointSchemeConfig, name: str) -> DtJsccSchemeConfig:
    """DT-JSCC with one constellation."""
    bits, snr_db = CONSTELLATIONS[name]
    model = DtJsccConfig(
        body=plain.model.body,
        hidden=plain.model.hidden,
        bits_per_symbol=bits,
        word=plain.model.hidden // 4,
        robustness=1e-3,
        temperature=0.5,
    )
    changed = {"called": name, "model": model, "snr_db": snr_db, "uses": DISCRETE_USES}
    return DtJsccSchemeConfig(**vars(plain) | changed)


def image_baseline(
    student: StudentStage,
    codec: CodecStage,
    readers: TrainConfig,
    *,
    epochs: int,
    batch_size: int,
    uses: tuple[int, ...],
) -> ImageJsccConfig:
    """Deep JSCC of images, trained at the SNR of deep JSCC by AdamW in the student's precision.

    `readers` is the fine-tuning of classifiers on rebuilt images.
    """
    return ImageJsccConfig(
        training=replace(
            codec.training,
            epochs=epochs,
            learning_rate=2e-3,
            weight_decay=0.0,
            batch_size=batch_size,
            precision=student.training.precision,
        ),
        channels=codec.conditions.channels,
        snr_db=TRAIN_SNR_DB,
        uses=uses,
        retraining=RebuiltStage(training=readers, snr_db=codec.conditions.snr_db),
    )


def modulated(pairs: ImageJsccConfig) -> DeepJsccQImageSchemeConfig:
    """The same encoders and decoders, with the modulator of the usual constellation."""
    usual = next(own for own in MODULATORS if own.bits_per_symbol == USUAL_BITS)
    return DeepJsccQImageSchemeConfig(**vars(pairs) | {"retraining": None, "modulator": usual})


def _end_to_end(student: StudentStage, codec: CodecStage) -> TrainConfig:
    """The student's training, with the passes of the codec added."""
    return replace(
        student.training,
        epochs=student.training.epochs + codec.training.epochs,
        least_steps=student.training.least_steps + codec.training.least_steps,
    )
