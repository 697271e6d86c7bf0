"""Separate coding on the page: choices, block error tables and decoded images of a sweep."""

import base64
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.separate import SeparateConfig
from benchmarks.explore.separate import CHANNELS, separate_of
from benchmarks.recipes.digits import digits
from simulator.data.embedded import embedded
from simulator.engine.send import send_images
from simulator.training.weights import Weights
from tests.benchmarks.explore.test_channels import NODE, in_node
from tests.commands import WEIGHTS

K, LOW, HIGH = 64, -2.0, 18.0
DATA = embedded("digits")
IMAGES = DATA.test.images[:12]
CPU = torch.device("cpu")


def config() -> SeparateConfig:
    return next(own for own in digits().schemes if type(own) is SeparateConfig)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(digits(), DATA, WEIGHTS, CPU)


@pytest.fixture(scope="module")
def scheme(weights: Weights) -> DigitalScheme:
    return config().build(weights)


@pytest.fixture(scope="module")
def page(weights: Weights) -> dict[str, Any]:
    return separate_of(config(), weights, IMAGES, served=[16, K], snr_db=(LOW, HIGH))


def test_choices_match_a_sweep(page: dict[str, Any], scheme: DigitalScheme) -> None:
    assert list(page["at"]) == [str(K)]
    own = page["at"][str(K)]
    for place in (0, 1, 2, 6):  # AWGN, Rayleigh, Rician of 0 and 4
        for number, snr_db in enumerate(np.arange(LOW, HIGH + 0.1, 0.5)):
            (row,) = scheme.choices([(CHANNELS[place], float(snr_db), K)])
            told = own["pairs"][own["chosen"][place][number]]["told"]
            rate = f"rate {row['code_rate']:.4g}, {row['payload_bits']} bits"
            assert told == f"{row['codec']}, {row['modulation']}, {rate}"


def test_images_match_the_images_decoded_by_the_receiver(
    page: dict[str, Any], scheme: DigitalScheme
) -> None:
    """At 18 dB every image that fits is delivered, with the class and the pixels of a sweep."""
    own = page["at"][str(K)]
    pair = own["pairs"][own["chosen"][0][-1]]
    sent = send_images(scheme, IMAGES, channel=CHANNELS[0], snr_db=HIGH, k=K)
    assert [image is not None for image in pair["images"]] == sent.delivered.tolist()
    assert any(image is not None for image in pair["images"])
    for image, decided, original in zip(pair["images"], sent.classes, IMAGES, strict=True):
        if image is not None:
            assert image["class"] == int(decided)
            picture = base64.b64decode(own["pictures"][image["picture"]])
            pixels = np.frombuffer(picture, np.uint8).reshape(8, 8)
            assert np.abs(pixels - original[0].numpy().astype(float)).mean() < 40


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_page_block_error_rates_match_the_tables(page: dict[str, Any], tmp_path: Any) -> None:
    snrs = np.round(np.arange(-12.0, 25.0, 0.13), 2)
    pairs = page["at"][str(K)]["pairs"]
    script = "const found = pairs.map((pair) => snrs.map((at) => own.blockErrorRate(pair, at)));"
    given = {"pairs": pairs, "snrs": snrs.tolist()}
    found = in_node(tmp_path, script, module="digital.js", **given)
    tables = {
        (pipe.modulation, pipe.payload_bits): block_errors(pipe) for pipe in config().pipes(K)
    }
    for pair, rates in zip(pairs, found, strict=True):
        _, modulation, _, bits = pair["told"].split(", ")
        table = tables[modulation, int(bits.split()[0])]
        assert rates == pytest.approx(table(snrs).tolist(), rel=2e-3)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_block_loss_frequency_matches_the_table(page: dict[str, Any], tmp_path: Any) -> None:
    """Over 4,000 draws; unsupported images and channels give a reason instead."""
    script = """
    const at = (shown, kind, snrDb, seed) => own.separate(page, shown, { h: [1, 0] },
      { channel: { kind, factor: 4 }, snrDb, k: 64, seed });
    const why = [at(null, "awgn", 8, 0).why, at(0, "tdl", 8, 0).why];
    const found = { rates: [], arrived: [], why };
    for (const snr of [8, 9.5, 11]) {
      const every = Array.from({ length: 4000 }, (_, seed) => at(fits, "awgn", snr, seed));
      found.rates.push(every[0].rate);
      found.arrived.push(every.filter((one) => one.arrived).length / 4000);
    }
    """
    pairs = page["at"][str(K)]["pairs"]
    fits = next(i for i in range(len(IMAGES)) if all(own["images"][i] for own in pairs[1:]))
    found = in_node(tmp_path, script, module="digital.js", page=page, fits=fits)
    assert "only for test images" in found["why"][0]
    assert "needs one gain per image" in found["why"][1]
    for rate, arrived in zip(found["rates"], found["arrived"], strict=True):
        assert abs(1 - rate - arrived) < 4 * (rate * (1 - rate) / 4000) ** 0.5 + 1e-9
    assert max(found["rates"]) > 0.005


def test_missing_links_give_a_reason(weights: Weights) -> None:
    for own, served in ((None, [K]), (config(), [16])):
        found = separate_of(own, weights, IMAGES, served=served, snr_db=(LOW, HIGH))
        assert found == {"why": "not for this recipe and data", "at": {}}
