"""The separate scheme: what arrives, what is lost, and what an undetected error does."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.image_codec import SeparateConfig, SeparateScheme
from benchmarks.baselines.jpeg_scan import JpegScanCodec
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.bit_pipe import BitPipe, BitPipeOutput
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from simulator.link import Received, Tensors

QUALITIES = (1, 3, 5, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75, 95)
BATCH = 40


def classify(images: Tensor) -> Tensor:
    """Ten fixed random projections of the pixels."""
    weights = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))
    return images.flatten(1) @ weights


@pytest.fixture(scope="module")
def scheme() -> SeparateScheme:
    config = SeparateConfig(qualities=QUALITIES, link={64: (4, 0.5), 48: (4, 0.5)}, bit_true=True)
    assert config.name == "separate"
    return config.build(classify=classify, num_classes=10, image_shape=(1, 8, 8))


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Digits; the second is noise, which does not fit at any quality."""
    digits = torch.from_numpy(load_digits().images[:BATCH].astype(np.float32) / 16)[:, None]
    digits[1] = (torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    return digits


class Files(NamedTuple):
    """What one k sends."""

    payload: Tensor
    fits: Tensor
    scores: Tensor


@pytest.fixture(scope="module")
def prepared(scheme: SeparateScheme, images: Tensor) -> dict[int, Files]:
    return by_uses(scheme.prepare(images), 48, 64)


def by_uses(flat: Tensors, *uses: int) -> dict[int, Files]:
    return {k: Files(*(flat[f"{name}_{k}"] for name in Files._fields)) for k in uses}


def send(
    scheme: SeparateScheme, prepared: dict[int, Files], *, snr_db: float, k: int = 64
) -> Received:
    flat = {f"{name}_{k}": values for name, values in prepared[k]._asdict().items()}
    point: dict[str, Any] = {
        "channel": AwgnChannel(),
        "snr_db": torch.full((BATCH, 1), snr_db),
        "k": k,
    }
    streams = PointStreams(Streams(seed=7), snr_db, k)
    return scheme.transmit(scheme.encode(flat, **point), **point, streams=streams)


def patch_pipe(monkeypatch: pytest.MonkeyPatch, payload: Tensor) -> None:
    """A pipe that delivers these payloads and vouches for them."""

    def deliver(_pipe: BitPipe, sent: Tensor, **_: object) -> BitPipeOutput:
        return BitPipeOutput(payload, torch.ones(len(sent), dtype=torch.bool))

    monkeypatch.setattr(BitPipe, "__call__", deliver)


def test_prepared_scores_are_those_of_the_decoded_file(
    scheme: SeparateScheme, images: Tensor, prepared: dict[int, Files]
) -> None:
    codec = JpegScanCodec(image_shape=(1, 8, 8), qualities=QUALITIES)
    for k, files in prepared.items():
        room = files.payload.shape[1]
        assert room == {64: 112, 48: 80}[k]
        for i, image in enumerate(images):
            payload = codec.pack(codec.scans((image * 255).round().byte()), payload_bits=room)
            assert bool(files.fits[i]) == (payload is not None)
            if payload is None:
                assert files.payload[i].sum() == 0
                continue
            assert torch.equal(files.payload[i], payload)
            decoded = codec.decode(payload)
            assert decoded is not None
            expected = classify(decoded[None].float() / 255)[0]
            torch.testing.assert_close(files.scores[i], expected, rtol=1e-5, atol=1e-5)
    assert not prepared[64].fits[1]
    assert int(prepared[64].fits.sum()) == BATCH - 1
    assert int(prepared[48].fits.sum()) < int(prepared[64].fits.sum())


@pytest.mark.parametrize("k", [48, 64])
def test_at_30_db_all_that_fits_arrives_unharmed(
    scheme: SeparateScheme, prepared: dict[int, Files], k: int
) -> None:
    received = send(scheme, prepared, snr_db=30.0, k=k)
    assert torch.equal(received.delivered, prepared[k].fits)
    assert torch.equal(received.scores, prepared[k].scores)


def test_at_minus_20_db_everything_is_an_outage(
    scheme: SeparateScheme, prepared: dict[int, Files]
) -> None:
    assert not send(scheme, prepared, snr_db=-20.0).delivered.any()


def test_undetected_errors_are_really_decoded(
    scheme: SeparateScheme,
    prepared: dict[int, Files],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = prepared[64]
    other = files.payload.clone()
    other[[0, 5]] = files.payload[[7, 9]]
    other[1] = files.payload[7]  # did not fit: whatever arrives, it was not sent
    before = files.scores.clone()
    patch_pipe(monkeypatch, other)
    received = send(scheme, prepared, snr_db=0.0)
    assert torch.equal(received.delivered, files.fits)
    torch.testing.assert_close(received.scores[[0, 5]], files.scores[[7, 9]])
    assert not torch.allclose(files.scores[0], files.scores[7])
    untouched = [2, 3, 4, *range(6, BATCH)]
    assert torch.equal(received.scores[untouched], files.scores[untouched])
    assert torch.equal(files.scores, before)  # what was prepared serves the next point too


def test_undetected_errors_that_are_no_image_are_outages(
    scheme: SeparateScheme,
    prepared: dict[int, Files],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codec = JpegScanCodec(image_shape=(1, 8, 8), qualities=QUALITIES)
    noise = torch.randint(
        0, 2, (200, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(6)
    )
    broken = next(bits for bits in noise if codec.decode(bits) is None)
    payload = prepared[64].payload.clone()
    payload[3] = broken
    patch_pipe(monkeypatch, payload)
    received = send(scheme, prepared, snr_db=0.0)
    assert not received.delivered[3]
    assert int(received.delivered.sum()) == BATCH - 2


def test_colour_images_pass_too() -> None:
    config = SeparateConfig(qualities=QUALITIES, link={256: (4, 0.5)}, bit_true=True)
    generator = torch.Generator().manual_seed(8)
    pictures = torch.rand(BATCH, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(pictures, 32, mode="bilinear")
    colour = config.build(
        classify=lambda batch: batch.mean(dim=(2, 3)), num_classes=3, image_shape=(3, 32, 32)
    )
    prepared = by_uses(colour.prepare(pictures), 256)
    assert bool(prepared[256].fits.any())
    received = send(colour, prepared, snr_db=30.0, k=256)
    assert torch.equal(received.delivered, prepared[256].fits)
    close = (received.scores - pictures.mean(dim=(2, 3))).abs().amax(dim=1) < 0.1
    assert bool(close[received.delivered].all())


def test_what_the_scheme_says_of_itself(scheme: SeparateScheme) -> None:
    assert scheme.name == "separate"
    assert scheme.channel_uses == "k in {48, 64}"
    assert [k for k in (16, 48, 63, 64) if scheme.serves(k)] == [48, 64]
    assert scheme.settings(64) == (
        "JPEG scan data (tables and headers known, quality index charged), "
        "CRC16, 5G LDPC rate 0.50, 16-QAM"
    )


def test_wrong_configurations_are_refused() -> None:
    with pytest.raises(ValueError, match="16 ascending integers"):
        SeparateConfig(qualities=(1, 2, 3), link={64: (4, 0.5)})
    tiny = SeparateConfig(qualities=QUALITIES, link={2: (2, 0.5)})
    with pytest.raises(ValueError):
        tiny.build(classify=classify, num_classes=10, image_shape=(1, 8, 8))


def delivered(config: SeparateConfig, images: Tensor, channel: Channel, snr_db: float) -> Tensor:
    """Which images arrive over k = 64 uses."""
    built = config.build(classify=classify, num_classes=10, image_shape=(1, 8, 8))
    point: dict[str, Any] = {
        "channel": channel,
        "snr_db": torch.full((len(images), 1), snr_db),
        "k": 64,
    }
    encoded = built.encode(built.prepare(images), **point)
    return built.transmit(
        encoded, **point, streams=PointStreams(Streams(seed=7), "point")
    ).delivered


def test_table_and_decoding_meet_the_same_gains_and_agree(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Rayleigh fading the gain decides most outages, so they are the same ones."""
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    for constant, value in (("LEAST_BLOCKS", 2000), ("MOST_BLOCKS", 2000)):
        monkeypatch.setattr(f"benchmarks.baselines.block_errors.{constant}", value)
    block_errors.cache_clear()
    config = SeparateConfig(qualities=QUALITIES, link={64: (4, 0.5)})
    many, rayleigh = images.repeat(25, 1, 1, 1), RayleighChannel(coherence=None)
    table, decoded = (
        delivered(own, many, rayleigh, 10.0).double() for own in (config, config.decoding_all())
    )
    assert 0.3 < float(table.mean()) < 0.8
    assert float((table != decoded).double().mean()) < 0.1
    assert abs(float(table.mean() - decoded.mean())) < 0.04
    block_errors.cache_clear()


def test_a_gain_that_changes_within_a_block_is_decoded(images: Tensor) -> None:
    config, fast = (
        SeparateConfig(qualities=QUALITIES, link={64: (4, 0.5)}),
        RayleighChannel(coherence=8),
    )
    ours, decoded = (delivered(own, images, fast, 12.0) for own in (config, config.decoding_all()))
    assert torch.equal(ours, decoded)
