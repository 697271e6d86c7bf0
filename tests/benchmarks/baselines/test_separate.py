"""Separate coding and its bound: delivered images, outages and undetected errors."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.baselines.adaptation import CodedLink, Link, distribution, grid_place
from benchmarks.baselines.block_errors import BlockErrors, block_errors
from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.separate import CapacityConfig, Qualities, SeparateConfig
from benchmarks.recipes.digits import digits
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.digital.bit_pipe import BitPipe, BitPipeOutput
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from channels.theory import capacity_bits
from simulator.data.dataset import Split
from simulator.data.embedded import embedded
from simulator.device import cpu_threads
from simulator.engine.grid import Grid, plan
from simulator.errors import UserError
from simulator.left_out import LeftOut
from simulator.scheme import Classifier, Received
from simulator.training.weights import Weights
from tests.commands import WEIGHTS

QUALITIES = (1, 5, 12, 25, 50, 95)
BATCH, K = 40, 64
RAYLEIGH = RayleighChannel(coherence=None)
CONFIG = SeparateConfig(
    codecs=(
        Qualities(codec="jpeg", qualities=QUALITIES),
        Qualities(codec="webp", qualities=(0, 9)),
    ),
    best=("jpeg",),
    uses=(K,),
    payload_bits=(100, 200),
    validation_images=60,
)


def classify(images: Tensor) -> Tensor:
    """Ten fixed random projections of the pixels."""
    weights = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))
    return images.flatten(1) @ weights


@pytest.fixture(scope="module", autouse=True)
def _quick_tables(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Coarse block error tables for the few links of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMLINK_CACHE", str(tmp_path_factory.mktemp("cache")))
        for constant, value in (("BITS", 1), ("FEWEST_BLOCKS", 400), ("STEP_DB", 1.0)):
            patch.setattr(f"benchmarks.baselines.block_errors.{constant}", value)
        block_errors.cache_clear()
        yield
    block_errors.cache_clear()


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Digits, one of them replaced by noise, which takes far more bits."""
    digits = torch.from_numpy(load_digits().images[:BATCH].astype(np.float32) / 16)[:, None]
    digits[1] = (torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    return digits


STUDENT = Classifier(classify, "projections")
OPPOSITE = Classifier(lambda images: -classify(images), "retrained student")


def built(
    config: SeparateConfig, classifier: Classifier = STUDENT, *, validation: bool = True
) -> DigitalScheme:
    """The scheme; validation images are other digits, labelled with the student's decisions."""
    pixels = torch.from_numpy(load_digits().images[200:260] * 255 / 16).round().byte()[:, None]
    split = Split(images=pixels, labels=classify(pixels.float() / 255).argmax(dim=1))
    data = replace(embedded("digits"), validation=split if validation else None)
    return config.scheme_of(classifier, data, torch.device("cpu"))


def point(channel: Channel, snr_db: float, count: int = BATCH) -> dict[str, Any]:
    return {"channel": channel, "snr_db": torch.full((count, 1), snr_db), "k": K}


def send(
    scheme: DigitalScheme, images: Tensor, channel: Channel, snr_db: float, *, copies: int = 1
) -> Received:
    place = point(channel, snr_db, copies * len(images))
    prepared = scheme.prepare(images)
    many = {name: torch.cat([values] * copies) for name, values in prepared.items()}
    encoded = scheme.encode(many, **place)
    return scheme.transmit(encoded, **place, streams=PointStreams(Streams(seed=7), snr_db))


def test_images_are_delivered_at_60_db_and_lost_at_minus_20_db(images: Tensor) -> None:
    for config in (CONFIG, CONFIG.decoding_all(), CONFIG.labelled("genie")):
        scheme = built(config)
        assert int(send(scheme, images, AwgnChannel(), 60.0).delivered.sum()) >= BATCH - 1
        assert not send(scheme, images, AwgnChannel(), -20.0).delivered.any()
    bound = built(CONFIG.bound)
    assert int(send(bound, images, AwgnChannel(), 60.0).delivered.sum()) >= BATCH - 1
    assert not send(bound, images, AwgnChannel(), -20.0).delivered.any()


def test_images_that_do_not_fit_are_never_delivered(images: Tensor) -> None:
    place = point(AwgnChannel(), 60.0)
    for scheme in (built(CONFIG), built(CONFIG.decoding_all()), built(CONFIG.bound)):
        encoded = dict(scheme.encode(scheme.prepare(images), **place))
        encoded["fits"] = encoded["fits"] & (torch.arange(BATCH) != 3)
        streams = PointStreams(Streams(seed=7), 60.0)
        delivered = scheme.transmit(encoded, **place, streams=streams).delivered
        assert torch.equal(delivered, encoded["fits"])


def test_cached_answers_of_a_bf16_sweep_are_computed_in_fp32(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    seen = set()

    def asked(batch: Tensor) -> Tensor:
        scores = classify(batch)
        seen.add(scores.dtype)
        return scores

    scheme = built(CONFIG, Classifier(asked, "projections"))
    with torch.autocast("cpu", torch.bfloat16):
        assert classify(images).dtype == torch.bfloat16
        scheme.prepare(images)
    assert seen == {torch.float32}


def test_expected_accuracy_rises_with_snr_and_stays_below_the_bound() -> None:
    grid = [float(snr) for snr in range(-4, 31, 2)]
    for label in ("", "webp"):
        ours, bound = (
            built(config.labelled(label) if label else config) for config in (CONFIG, CONFIG.bound)
        )
        for channel in (AwgnChannel(), RAYLEIGH):
            points = [(channel, snr_db, K) for snr_db in grid]
            mine, best = ours.choices(points), bound.choices(points)
            assert [row["snr_db"] for row in mine] == grid
            for low, high in zip(mine, best, strict=True):
                assert low["validation_accuracy"] <= high["validation_accuracy"] + 1e-9
            for rows in (mine, best):
                promised = [row["validation_accuracy"] for row in rows]
                assert promised == sorted(promised)


@pytest.mark.parametrize("label", ["", "genie"])
def test_credit_exceeds_the_bound_at_most_by_chance(label: str, images: Tensor) -> None:
    """Same gains for both; both choose on validation images, so only chance exceeds the bound."""
    ours, bound = (
        built(config.labelled(label) if label else config) for config in (CONFIG, CONFIG.bound)
    )
    labels = classify(images).argmax(dim=1).repeat(25)
    for snr_db in (8.0, 16.0):
        credit = []
        for scheme in (ours, bound):
            received = send(scheme, images, RAYLEIGH, snr_db, copies=25)
            right = received.delivered & (received.scores.argmax(dim=1) == labels)
            credit.append(right.double() + 0.1 * (~received.delivered).double())
        difference = (credit[0] - credit[1]).view(25, BATCH).mean(dim=0)  # of every image
        spread = float(difference.std()) / BATCH**0.5
        assert float(difference.mean()) < 3 * spread + 1e-9


def test_table_error_matches_resampled_tables() -> None:
    """The expected accuracy on validation images follows from the rates; resampling changes it."""
    rng = np.random.default_rng(3)
    plain, genie = built(CONFIG), built(CONFIG.labelled("genie"))
    tables: dict[Link, BlockErrors] = {
        CodedLink(pipe): block_errors(pipe) for pipe in CONFIG.pipes(K)
    }
    told = {
        name: own.table_error(RAYLEIGH, 14.0, K) for name, own in (("", plain), ("genie", genie))
    }
    one = plain._choice(RAYLEIGH, 14.0, K)  # fixed: chosen with the original tables
    met = distribution(RAYLEIGH, snr_db=14.0, uses=K)[None]
    by_met = genie.adaptation(K).for_each_snr
    chosen = [by_met[place] for place in grid_place(met)]
    found: dict[str, list[float]] = {"": [], "genie": []}
    for _ in range(300):
        drawn = {
            link: replace(own, errors=tuple(rng.binomial(own.blocks, own.rates)))
            for link, own in tables.items()
        }
        found[""].append(one.at_stake * drawn[one.link](met).mean())
        rates = {own.link: drawn[own.link](met) for own in set(chosen)}
        found["genie"].append(
            np.mean([own.at_stake * rates[own.link][row] for row, own in enumerate(chosen)])
        )
    for name, values in found.items():
        assert np.std(values) == pytest.approx(told[name], rel=4 * (0.5 / 300) ** 0.5)


def test_table_error_is_zero_without_tables() -> None:
    block = RayleighChannel(coherence=8)
    assert built(CONFIG).table_error(AwgnChannel(), 8.0, K) > 0
    assert built(CONFIG).table_error(block, 8.0, K) == 0  # decoded
    assert built(replace(CONFIG, bit_true=True)).table_error(AwgnChannel(), 8.0, K) == 0
    assert built(CONFIG.bound).table_error(AwgnChannel(), 8.0, K) == 0


def test_outage_probability_of_the_bound_matches_theory(images: Tensor) -> None:
    snr_db, copies = 10.0, 4000
    scheme = built(CONFIG.bound)
    (row,) = scheme.choices([(RAYLEIGH, snr_db, K)])
    power = (2 ** (row["payload_bits"] / K) - 1) / 10 ** (snr_db / 10)
    received = send(scheme, images[2:3], RAYLEIGH, snr_db, copies=copies)
    delivered = float(received.delivered.double().mean())
    expected = math.exp(-power)
    assert abs(delivered - expected) < 4 * (expected * (1 - expected) / copies) ** 0.5


def test_bound_respects_capacity_and_its_genie_delivers_no_less(images: Tensor) -> None:
    scheme = built(CONFIG.bound)
    for snr_db in (0.0, 3.0, 6.0):
        (row,) = scheme.choices([(AwgnChannel(), snr_db, K)])
        assert row["payload_bits"] <= K * capacity_bits(snr_db) or row["validation_delivered"] == 0
    fixed, genie = (
        send(built(config), images, RAYLEIGH, 10.0, copies=25).delivered.double().mean()
        for config in (CONFIG.bound, CONFIG.bound.labelled("genie"))
    )
    assert genie >= fixed


def test_table_and_decoding_agree_on_the_same_gains(images: Tensor) -> None:
    """With Rayleigh fading the gain decides most outages, so both lose the same images."""
    table, decoded = (
        send(built(config), images, RAYLEIGH, 14.0, copies=25).delivered.double()
        for config in (CONFIG, CONFIG.decoding_all())
    )
    assert 0.3 < float(table.mean()) < 0.95
    assert float((table != decoded).double().mean()) < 0.1
    assert abs(float(table.mean() - decoded.mean())) < 0.05


def test_rebuilt_images_agree_between_table_and_decoding(images: Tensor) -> None:
    """Losses from tables and bit-true decoding give the same images; lost images are black."""
    seen = []
    for config in (CONFIG, CONFIG.decoding_all()):
        scheme, link = built(config), point(RAYLEIGH, 14.0)
        received, prepared = send(scheme, images, RAYLEIGH, 14.0), scheme.prepare(images)
        seen.append((scheme.rebuilt_images(prepared, received, **link), received.delivered))
    (drawn, first), (decoded, second) = seen
    assert drawn is not None
    assert decoded is not None
    both, lost = first & second, ~first
    assert both.any()
    assert lost.any()
    assert torch.equal(drawn[both], decoded[both])
    assert (drawn[lost] == 0).all()
    assert (drawn[both] - images[both]).abs().mean() < 0.2


def test_blocks_with_varying_gains_are_decoded(images: Tensor) -> None:
    fast = RayleighChannel(coherence=8)
    ours, decoded = (
        send(built(config), images, fast, 16.0).delivered
        for config in (CONFIG, CONFIG.decoding_all())
    )
    assert torch.equal(ours, decoded)
    assert bool(ours.any())
    genie = built(CONFIG.labelled("genie"))
    asked = Grid(
        channels=(fast, RAYLEIGH), snr_db=(16.0,), channel_uses=(K,), realizations=1, seed=0
    )
    points, left_out = plan([genie], asked)  # reported before anything is computed
    assert {point.channel for point in points} == {RAYLEIGH.name}
    assert left_out == [LeftOut(genie.name, "needs one gain per image", K, (fast.name,))]
    with pytest.raises(ValueError, match="needs one gain per image"):
        send(genie, images, fast, 16.0)
    assert send(built(CONFIG.bound), images, fast, 16.0).delivered.any()  # nothing to decode


def test_undetected_errors_give_the_answer_of_the_received_payload(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that delivers other payloads with a valid CRC; one of them is not an image."""
    scheme, place = built(CONFIG.decoding_all()), point(AwgnChannel(), 30.0)
    found = scheme.encode(scheme.prepare(images), **place)
    encoded = {name: values.clone() for name, values in found.items()}
    other = encoded["payload"].clone()
    other[[0, 5]] = encoded["payload"][[7, 9]]
    other[3] = 0
    encoded["fits"][1] = False  # lost whatever is received: it was not sent
    other[1] = other[7]

    def deliver(_pipe: BitPipe, sent: Tensor, **_: object) -> BitPipeOutput:
        return BitPipeOutput(other, torch.ones(len(sent), dtype=torch.bool))

    monkeypatch.setattr(BitPipe, "__call__", deliver)
    before = encoded["answers"].clone()
    received = scheme.transmit(encoded, **place, streams=PointStreams(Streams(seed=7), "point"))
    lost = torch.nonzero(~received.delivered)[:, 0].tolist()
    assert lost == [row for row in range(BATCH) if row == 3 or not encoded["fits"][row]]
    expected = before.clone()
    expected[[0, 5]] = before[[7, 9]]
    kept = received.delivered
    assert torch.equal(received.scores.argmax(dim=1)[kept], expected[kept])
    assert torch.equal(encoded["answers"], before)  # prepared values are reused at the next point


def test_scheme_names_channel_uses_and_settings() -> None:
    scheme, bound = built(CONFIG), built(CONFIG.bound.labelled("webp_file:finite"))
    assert (scheme.name, bound.name) == ("separate", "capacity_bound:webp_file:finite")
    assert scheme.channel_uses == "k in {64}"
    assert [k for k in (16, 63, 64) if scheme.serves(k)] == [64]
    without_links = built(replace(CONFIG, uses=(8, K)))
    assert without_links.channel_uses == "k in {64}"
    assert not without_links.serves(8)
    assert scheme.settings(K) == (
        "JPEG file, headers known (all bytes that files share; quality index charged), classified "
        "by the student, CRC, 5G LDPC, QPSK to 256-QAM, chosen by the average SNR on validation "
        "images"
    )
    assert bound.settings(16).startswith("WebP file, headers charged, classified by the student")
    assert "normal approximation" in bound.settings(16)
    both = built(CONFIG.labelled("teacher:retrained"))
    assert "classified by the teacher retrained on decoded images" in both.settings(K)
    assert built(CONFIG).choices_key == scheme.choices_key
    assert built(CONFIG.labelled("webp")).choices_key != scheme.choices_key
    rows = built(CONFIG.labelled("genie")).choices([(RAYLEIGH, 0.0, K), (RAYLEIGH, 2.0, K)])
    assert len(rows) >= 3
    assert {row["channel"] for row in rows} == {"met by the image"}


def test_retrained_classifier_replaces_the_student(images: Tensor) -> None:
    """Here its scores are negated, while the validation labels are the student's decisions."""
    usual, retrained = built(CONFIG), built(CONFIG.labelled("retrained"), OPPOSITE)
    assert usual.choices_key != retrained.choices_key
    one, two = (scheme.prepare(images)["answers_jpeg"] for scheme in (usual, retrained))
    assert float((one != two).double().mean()) > 0.9
    assert torch.equal(one, built(CONFIG).prepare(images)["answers_jpeg"])


def test_validation_images_are_classified_in_one_thread() -> None:
    threads: list[int] = []

    def asked(images: Tensor) -> Tensor:
        threads.append(torch.get_num_threads())
        return classify(images)

    with cpu_threads(2):
        built(CONFIG, Classifier(asked, "counted"))  # a new key: nothing is cached
        assert torch.get_num_threads() == 2
    assert set(threads) == {1}


def test_no_k_is_served_without_validation_images() -> None:
    scheme = built(CONFIG, validation=False)
    assert not scheme.serves(K)
    assert scheme.channel_uses.startswith("no k without validation images")
    assert scheme.choices_key == ""


@pytest.mark.parametrize("label", ["gif", "jpeg:webp", "genie:genie", "finite", "jpeg:", "file"])
def test_unknown_labels_raise_errors(label: str) -> None:
    with pytest.raises(UserError, match="must have one codec at most, of jpeg, jpeg_file, webp"):
        CONFIG.labelled(label)


def test_missing_weights_and_incompatible_options_raise_errors() -> None:
    assert isinstance(CONFIG.bound.labelled("files:genie:finite"), CapacityConfig)
    weights = Weights(digits(), embedded("digits"), WEIGHTS, torch.device("cpu"))
    for label, told in (
        ("teacher", "weights of the teachers, but they are missing; run semlink train digits"),
        ("teacher:retrained", "--stage"),
    ):
        with pytest.raises(UserError, match=told):
            digits().scheme(f"separate:{label}").build(weights)
    with pytest.raises(UserError, match="drop --bit-true"):
        CONFIG.decoding_all().labelled("genie")
    with pytest.raises(ValueError, match="codec must be one of jpeg, jpeg444, webp"):
        Qualities(codec="bpg", qualities=(1, 2))
