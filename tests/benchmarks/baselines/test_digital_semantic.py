"""Quantised features over a digital link: payloads, link adaptation and outages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.digital_semantic import (
    DigitalSemanticConfig,
    FeatureCoder,
    FeatureSource,
)
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from models import FeatureQuantiser, FeatureQuantiserConfig
from simulator.data.dataset import Split
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.scheme import Received
from tests.benchmarks.baselines.projections import pixels, student

BATCH, K = 40, 16
RAYLEIGH = RayleighChannel(coherence=None)
CONFIG = DigitalSemanticConfig(uses=(K,), payload_bits=(8, 40), validation_images=60)


@pytest.fixture(scope="module")
def quantiser() -> FeatureQuantiser:
    """A quantiser fitted to the projections of digits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = FeatureQuantiserConfig(feature_dim=12, ranks=(4, 8), bits=(2, 4))
        model, head = config.build(num_classes=10), nn.Linear(12, 10)
    model.fit([student(pixels(600, 1000).float() / 255)], head)
    return model.requires_grad_(False)


@pytest.fixture
def coder(quantiser: FeatureQuantiser) -> FeatureCoder:
    """Projections and their quantiser."""
    return FeatureCoder(student, quantiser, key="projections")


def labels_of(coder: FeatureCoder, images: Tensor) -> Tensor:
    """Labels decided by the head with the most components and bits."""
    quantiser = coder.quantiser
    components = quantiser.components(student(images.float() / 255))
    return quantiser.scores(quantiser.levels(components, 4), 4).argmax(dim=1)


def built(coder: FeatureCoder, config: DigitalSemanticConfig = CONFIG) -> DigitalScheme:
    """The scheme, with other digits as validation images."""
    images = pixels(200, 60)
    split = Split(images=images, labels=labels_of(coder, images))
    data = replace(embedded("digits"), validation=split)
    return config.scheme_of(coder, data, torch.device("cpu"))


def send(scheme: DigitalScheme, channel: Channel, snr_db: float, *, copies: int = 1) -> Received:
    images = pixels(0, BATCH)
    count = copies * BATCH
    place: dict[str, Any] = {"channel": channel, "snr_db": torch.full((count, 1), snr_db), "k": K}
    prepared = scheme.prepare(images.float() / 255)
    many = {name: torch.cat([values] * copies) for name, values in prepared.items()}
    encoded = scheme.encode(many, **place)
    return scheme.transmit(encoded, **place, streams=PointStreams(Streams(seed=7), snr_db))


@pytest.mark.parametrize(("rank", "bits_each"), [(4, 2), (8, 4)])
def test_payload_has_the_offered_size_and_gives_the_offered_answer(
    coder: FeatureCoder, rank: int, bits_each: int
) -> None:
    source = FeatureSource(coder=coder, rank=rank, bits_each=bits_each)
    images = pixels(0, 12)
    offer = source.offer(images)
    assert (offer.sizes >= 1).all()
    assert (offer.sizes <= rank * bits_each + 20).all()
    assert int(offer.sizes.float().mean()) <= rank * bits_each
    for row, image in enumerate(images):
        bits = source.bits(image, 0)
        assert len(bits) == offer.sizes[row, 0]
        payload = torch.nn.functional.pad(bits, (0, 90 - len(bits)))[None]
        answers, readable = source.answers(payload)
        assert readable.tolist() == [True]
        assert answers[0] == offer.answers[row, 0]


def test_payload_is_padded_with_zeros(coder: FeatureCoder) -> None:
    scheme = built(coder, CONFIG.decoding_all())
    place: dict[str, Any] = {
        "channel": AwgnChannel(),
        "snr_db": torch.full((BATCH, 1), 30.0),
        "k": K,
    }
    (row,) = scheme.choices([(AwgnChannel(), 30.0, K)])
    prepared = scheme.prepare(pixels(0, BATCH).float() / 255)
    encoded = scheme.encode(prepared, **place)
    sizes = prepared[f"sizes_{row['codec']}"][:, 0]
    assert torch.equal(encoded["fits"], sizes <= row["payload_bits"])
    for size, payload in zip(sizes.tolist(), encoded["payload"], strict=True):
        assert not payload[size:].any()


def test_bf16_and_fp32_sweeps_send_the_same(
    coder: FeatureCoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sweep starts with an empty cache, so neither reuses results of the other."""
    found = []
    for bf16 in (False, True):
        monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / str(bf16)))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            assert (student(pixels(0, 1) / 255).dtype == torch.bfloat16) is bf16
            scheme = built(coder, CONFIG.decoding_all())
            received = send(scheme, AwgnChannel(), 30.0)
            prepared = scheme.prepare(pixels(0, BATCH).float() / 255)
        found.append([*prepared.values(), *received[:2], *received.seen.values()])
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_offers_do_not_depend_on_the_batch(coder: FeatureCoder) -> None:
    source = FeatureSource(coder=coder, rank=8, bits_each=4)
    images = pixels(40, 10)
    together, order = source.offer(images), torch.arange(9, -1, -1)
    reversed_ = source.offer(images[order])
    for whole, other in zip(together, reversed_, strict=True):
        assert torch.equal(whole[order], other)
    for row in (0, 7):
        alone = source.offer(images[row : row + 1])
        for whole, one in zip(together, alone, strict=True):
            assert torch.equal(whole[row : row + 1], one)


def test_images_are_delivered_at_60_db_and_lost_at_minus_30_db(coder: FeatureCoder) -> None:
    for label in ("", "genie", "bound", "bound:genie", "bound:finite"):
        scheme = built(coder, CONFIG.labelled(label) if label else CONFIG)
        assert int(send(scheme, AwgnChannel(), 60.0).delivered.sum()) >= BATCH - 2
        assert not send(scheme, AwgnChannel(), -30.0).delivered.any()


def test_expected_accuracy_rises_with_snr_and_stays_below_the_bound(
    coder: FeatureCoder,
) -> None:
    grid = [float(snr) for snr in range(-6, 25, 3)]
    ours, bound = built(coder), built(coder, CONFIG.labelled("bound"))
    for channel in (AwgnChannel(), RAYLEIGH):
        points = [(channel, snr_db, K) for snr_db in grid]
        mine, best = ours.choices(points), bound.choices(points)
        for low, high in zip(mine, best, strict=True):
            assert low["validation_accuracy"] <= high["validation_accuracy"] + 1e-9
        for rows in (mine, best):
            promised = [row["validation_accuracy"] for row in rows]
            assert promised == sorted(promised)
            assert promised[-1] > promised[0] + 0.3


@pytest.mark.parametrize("label", ["", "genie"])
def test_credit_exceeds_the_bound_at_most_by_chance(coder: FeatureCoder, label: str) -> None:
    """Same gains for both; both choose on validation images, so only chance exceeds the bound."""
    bound = f"bound:{label}" if label else "bound"
    labels = labels_of(coder, pixels(0, BATCH)).repeat(25)
    credit = []
    for name in (label, bound):
        scheme = built(coder, CONFIG.labelled(name) if name else CONFIG)
        received = send(scheme, RAYLEIGH, 8.0, copies=25)
        right = received.delivered & (received.scores.argmax(dim=1) == labels)
        credit.append(right.double() + 0.1 * (~received.delivered).double())
    difference = (credit[0] - credit[1]).view(25, BATCH).mean(dim=0)  # of every image
    assert float(difference.mean()) < 3 * float(difference.std()) / BATCH**0.5 + 1e-9
    assert float(credit[1].mean()) > 0.2


def test_table_and_decoding_agree(coder: FeatureCoder) -> None:
    table, decoded = (
        send(built(coder, config), RAYLEIGH, 10.0, copies=10)
        for config in (CONFIG, CONFIG.decoding_all())
    )
    assert 0.2 < float(table.delivered.double().mean()) < 0.95
    assert float((table.delivered != decoded.delivered).double().mean()) < 0.1
    both = table.delivered & decoded.delivered
    other = (table.scores[both] != decoded.scores[both]).any(dim=1)
    assert float(other.double().mean()) < 0.03  # some errors of a polar link are undetected


def test_random_bits_give_valid_answers_or_outages(coder: FeatureCoder) -> None:
    source = FeatureSource(coder=coder, rank=8, bits_each=4)
    noise = torch.from_numpy(np.random.default_rng(5).integers(0, 2, (60, 40)).astype(np.uint8))
    answers, readable = source.answers(noise)
    assert answers.shape == readable.shape == (60,)
    assert bool(readable.any())
    assert ((answers >= 0) & (answers < 10)).all()


def test_scheme_names_channel_uses_and_settings(coder: FeatureCoder) -> None:
    scheme, bound = built(coder), built(coder, CONFIG.labelled("bound:finite"))
    assert (scheme.name, bound.name) == ("digital_semantic", "digital_semantic:bound:finite")
    assert [k for k in (4, K, 64) if scheme.serves(k)] == [K]
    assert bound.serves(4)
    assert scheme.settings(K) == (
        "4 to 8 principal components of 2 to 4 bits, arithmetic coding (tables known, no header), "
        "5G polar codes (CRC of 6 or 11 bits) or CRC, 5G LDPC, QPSK to 256-QAM, chosen by the "
        "average SNR on validation images"
    )
    assert "normal approximation" in bound.settings(K)
    other = FeatureCoder(student, coder.quantiser, key="other weights")
    assert built(other).choices_key != scheme.choices_key


@pytest.mark.parametrize("label", ["jpeg", "genie:genie", "bound:", "teacher"])
def test_unknown_labels_raise_errors(label: str) -> None:
    with pytest.raises(UserError, match="must have any of genie, bound, finite"):
        CONFIG.labelled(label)


def test_incompatible_labels_raise_errors() -> None:
    with pytest.raises(UserError, match="must be a bound to be finite"):
        CONFIG.labelled("finite")
    with pytest.raises(UserError, match="drop --bit-true"):
        CONFIG.decoding_all().labelled("genie")
    assert CONFIG.decoding_all().labelled("bound:genie").bit_true


def test_components_of_an_image_are_computed_once(quantiser: FeatureQuantiser) -> None:
    calls: list[int] = []

    def counted(images: Tensor) -> Tensor:
        calls.append(len(images))
        return student(images)

    own, images = FeatureCoder(counted, quantiser, key="any"), pixels(0, 2)
    first = own.components(images[0])
    assert torch.equal(own.components(images[0].clone()), first)
    assert not torch.equal(own.components(images[1]), first)
    assert calls == [1, 1]
