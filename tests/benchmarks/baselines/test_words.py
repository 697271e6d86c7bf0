"""Sources of a few bits: payloads and answers, from tables and from decoding."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.digital_semantic import DigitalSemanticConfig, FeatureCoder
from benchmarks.baselines.words import NumberSource, number_sources
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.digital.small_block import SmallBlockPipe
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from models import FeatureQuantiserConfig, VectorQuantiserConfig
from simulator.data.dataset import Split
from simulator.data.embedded import embedded
from simulator.scheme import Received
from tests.benchmarks.baselines.projections import pixels, student

K, BATCH = 16, 60
SHORT = VectorQuantiserConfig(feature_dim=12, bits=(2, 5))
CONFIG = DigitalSemanticConfig(uses=(K,), payload_bits=(8, 40), validation_images=60)
WITH_WORDS = replace(CONFIG, few_bits=SHORT)


@pytest.fixture(scope="module")
def coder() -> FeatureCoder:
    """Projections and a quantiser of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = FeatureQuantiserConfig(feature_dim=12, ranks=(4,), bits=(2,))
        quantiser, head = config.build(num_classes=10), nn.Linear(12, 10)
    quantiser.fit([student(pixels(600, 1000).float() / 255)], head)
    return FeatureCoder(student, quantiser.requires_grad_(False), key="projections of words")


@pytest.fixture(scope="module")
def sources(coder: FeatureCoder) -> list[NumberSource]:
    """Words of 2 and 5 bits, and the class decided by a head fitted to the projections."""
    features = student(pixels(600, 1000).float() / 255)
    words = SHORT.build()
    words.fit(features, seed=lambda bits: bits)
    targets = nn.functional.one_hot(torch.from_numpy(load_digits().target[600:1600])).float()
    known = torch.cat([features, torch.ones(1000, 1)], dim=1)
    solved = torch.linalg.lstsq(known, targets).solution
    head = nn.Linear(12, 10).requires_grad_(False)
    head.weight.copy_(solved[:12].T)
    head.bias.copy_(solved[12])
    return number_sources(coder.features, words, head, identity={"of": "projections"})


def built(
    coder: FeatureCoder, sources: list[NumberSource], config: DigitalSemanticConfig = WITH_WORDS
) -> DigitalScheme:
    """The scheme, with other digits as validation images."""
    labels = torch.from_numpy(load_digits().target[200:260]).long()
    data = replace(embedded("digits"), validation=Split(images=pixels(200, 60), labels=labels))
    return config.scheme_of(coder, data, torch.device("cpu"), short=sources)


def send(scheme: DigitalScheme, channel: Channel, snr_db: float, *, copies: int = 1) -> Received:
    count = copies * BATCH
    place: dict[str, Any] = {"channel": channel, "snr_db": torch.full((count, 1), snr_db), "k": K}
    prepared = scheme.prepare(pixels(0, BATCH).float() / 255)
    many = {name: torch.cat([values] * copies) for name, values in prepared.items()}
    encoded = scheme.encode(many, **place)
    return scheme.transmit(encoded, **place, streams=PointStreams(Streams(seed=7), snr_db))


def test_payload_has_the_offered_size_and_gives_the_offered_answer(
    sources: list[NumberSource],
) -> None:
    images = pixels(0, 20)
    assert [(own.name, own.length) for own in sources] == [
        ("words_2", 2),
        ("words_5", 5),
        ("class", 4),
    ]
    for source in sources:
        offer = source.offer(images)
        assert (offer.sizes == source.length).all()
        payload = torch.stack([source.bits(image, 0) for image in images])
        assert payload.shape == (20, source.length)
        longer = nn.functional.pad(payload, (0, 3))
        answers, readable = source.answers(longer)
        assert bool(readable.all())
        assert torch.equal(answers, offer.answers[:, 0].long())


def test_numbers_beyond_the_classes_are_outages(sources: list[NumberSource]) -> None:
    numbers = torch.arange(16)[:, None] >> torch.arange(4) & 1
    answers, readable = sources[-1].answers(numbers.to(torch.uint8))
    assert readable.tolist() == [True] * 10 + [False] * 6
    assert answers[:10].tolist() == list(range(10))


def test_links_start_at_one_bit_only_with_words() -> None:
    with_words, without = WITH_WORDS.pipes(K), CONFIG.pipes(K)
    assert [pipe.payload_bits for pipe in with_words][:3] == [1, 2, 3]
    assert [pipe for pipe in with_words if not isinstance(pipe, SmallBlockPipe)] == list(without)
    assert WITH_WORDS.labelled("bound").pipes(K) == ()


@pytest.mark.parametrize("channel", [AwgnChannel(), RayleighChannel(coherence=None)])
def test_tables_and_decoding_agree(
    coder: FeatureCoder, sources: list[NumberSource], channel: Channel
) -> None:
    """Wrong words give answers too: nearly all images are delivered, so accuracies are compared."""
    labels = torch.from_numpy(load_digits().target[:BATCH]).long().repeat(20)
    shares = []
    for config in (WITH_WORDS, WITH_WORDS.decoding_all()):
        received = send(built(coder, sources, config), channel, -5.0, copies=20)
        right = received.delivered & (received.scores.argmax(dim=1) == labels)
        shares.append((float(right.double().mean()), float(received.delivered.double().mean())))
    assert shares[0][1] > 0.8
    for table, decoded in zip(*shares, strict=True):
        assert abs(table - decoded) < 4 * (0.5 / (20 * BATCH)) ** 0.5


def test_genie_with_short_payloads_is_at_least_as_accurate(
    coder: FeatureCoder, sources: list[NumberSource]
) -> None:
    """Both meet the same gains and noise; all copies of an image count as one sample."""
    labels = torch.from_numpy(load_digits().target[:BATCH]).long().repeat(10)
    right = []
    for label in ("", "genie"):
        config = WITH_WORDS.labelled(label) if label else WITH_WORDS
        scheme = built(coder, sources, config)
        received = send(scheme, RayleighChannel(coherence=None), -3.0, copies=10)
        right.append((received.scores.argmax(dim=1) == labels).double().view(10, BATCH).mean(dim=0))
    gained = right[1] - right[0]
    assert float(gained.mean()) > -3 * float(gained.std()) / BATCH**0.5
    assert float(right[1].mean()) > 0.2


def test_short_payloads_raise_accuracy_and_stay_below_the_bound(
    coder: FeatureCoder, sources: list[NumberSource]
) -> None:
    points = [(AwgnChannel(), snr_db, K) for snr_db in (-12.0, -8.0, -4.0, 0.0, 4.0)]
    chosen = built(coder, sources).choices(points)
    plain = built(coder, [], CONFIG).choices(points)
    bound = built(coder, sources, WITH_WORDS.labelled("bound")).choices(points)
    assert chosen[2]["validation_accuracy"] > plain[2]["validation_accuracy"] + 0.3
    assert min(row["payload_bits"] for row in bound) < 8
    for own, best in zip(chosen, bound, strict=True):
        assert own["validation_accuracy"] <= best["validation_accuracy"] + 1e-9


def test_settings_describe_words_and_codes(
    coder: FeatureCoder, sources: list[NumberSource]
) -> None:
    told = built(coder, sources).settings(K)
    assert told.startswith("the class, words of features of 2 to 5 bits, or 4 to 4 principal")
    assert "5G small block codes (no CRC), 5G polar codes (CRC of 6 or 11 bits) or CRC, 5G" in told
