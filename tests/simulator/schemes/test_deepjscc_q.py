"""DeepJSCC-Q: names, and encoder-decoder pairs for images with a modulator."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.digits import digits
from benchmarks.recipes.joint import modulated
from channels.awgn import AwgnChannel
from channels.digital.qam import qam_points
from models import DeepJsccQImage
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.deepjscc_q import DeepJsccQImageSchemeConfig
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.schemes.image import ImageJsccConfig, ImageJsccScheme
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.weights import Weights
from tests.simulator.schemes.test_image import copy_weights

CPU = torch.device("cpu")


def config() -> DeepJsccQImageSchemeConfig:
    """Pairs for the digits with a modulator, trained for three epochs at k = 16."""
    plain = digits().one(ImageJsccConfig)
    training = replace(plain.training, epochs=3, batch_size=64)
    return replace(modulated(plain), training=training, uses=(16,))


def recipe() -> Experiment:
    """The recipe `digits` with these pairs in addition to the others."""
    return replace(digits(), schemes=(*digits().schemes, config()))


def test_names_of_schemes_and_parts_distinguish_constellations() -> None:
    other = replace(config(), modulator=replace(config().modulator, bits_per_symbol=4))
    assert [own.name for own in (config(), other)] == [
        *("deep_jscc_q_image", "deep_jscc_q_image:16qam")
    ]
    names = [own.pair_part(digits(), 16).name for own in (config(), other)]
    assert names == ["deep_jscc_q_image_k16", "deep_jscc_q_image_16qam_k16"]
    assert cifar100().scheme("deep_jscc_q_image:teacher").name == "deep_jscc_q_image:teacher"
    with pytest.raises(UserError, match="as in deep_jscc_q_image:teacher, got 'retrained'$"):
        cifar100().scheme("deep_jscc_q_image:retrained")


def test_description_depends_on_the_modulator() -> None:
    other = replace(config(), modulator=replace(config().modulator, uniformity=0.0))
    one, two = (own.pair_part(digits(), 16).description for own in (config(), other))
    assert one != two


def test_trained_pairs_send_constellation_points_at_unit_power(tmp_path: Path) -> None:
    copy_weights(tmp_path, "student", "head")
    data = embedded("digits")
    run = TrainingRun(recipe=recipe(), dataset=data, folder=tmp_path, seed=0, device=CPU)
    config().train(Session(run), "baselines")
    weights = Weights(recipe(), data, tmp_path / "weights", CPU)
    sent = build_scheme("deep_jscc_q_image", recipe(), weights).scheme
    assert isinstance(sent, ImageJsccScheme)
    assert sent.settings(16) == (
        "one model for k = 16, points of 64-QAM, unit power on average over images, trained at "
        "10 dB, no header, image classified by the student"
    )
    pair = sent.models[16]
    assert isinstance(pair, DeepJsccQImage)
    assert float(pair.modulator.power) != 1.0
    images = data.test.images[:200].float() / 255
    snr_db = torch.full((len(images), 1), 10.0)
    x = sent.encode(sent.prepare(images), channel=AwgnChannel(), snr_db=snr_db, k=16)["x"]
    assert float(x.abs().square().mean()) == pytest.approx(1.0, abs=0.1)
    points = qam_points(6, CPU) / pair.modulator.power.sqrt()
    assert float((x.unsqueeze(2) - points).abs().amin(dim=2).max()) < 1e-5
