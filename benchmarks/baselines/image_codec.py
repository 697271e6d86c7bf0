"""Separate source and channel coding: an image codec, then a standard digital link.

Image -> JPEG scan data -> CRC -> 5G LDPC -> scrambling -> QAM -> channel -> LLR -> LDPC -> CRC ->
image -> classifier [METHOD, B6]. Where the CRC fails, or where not even the smallest file fits, the
image is lost: an outage.
"""

from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

import torch
from torch import Tensor

from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.jpeg_scan import JpegScanCodec, check_qualities
from channels.base import Channel
from channels.bit_pipe import BitPipe, payload_bits_for
from channels.streams import PointStreams
from channels.units import linear_to_db
from simulator.config import Classify, digest
from simulator.link import Received, Tensors


class SeparateScheme:
    """JPEG scan data over LDPC-coded QAM, one modulation and code rate for each k."""

    name = "separate"
    version = 1

    def __init__(
        self,
        *,
        codec: JpegScanCodec,
        pipes: dict[int, BitPipe],
        classify: Classify,
        bit_true: bool = False,
    ) -> None:
        self._codec = codec
        self._bit_true = bit_true
        self._pipes = dict(sorted(pipes.items()))
        self._classify = classify

    @property
    def channel_uses(self) -> str:
        """Where a modulation and a rate were chosen."""
        return "k in {" + ", ".join(str(k) for k in self._pipes) + "}"

    def serves(self, k: int) -> bool:
        """Where a modulation and a rate were chosen."""
        return k in self._pipes

    def settings(self, k: int) -> str:
        """Codec, what is charged and what is known beforehand, and the digital link."""
        pipe = self._pipes[k]
        return (
            "JPEG scan data (tables and headers known, quality index charged), "
            f"CRC{pipe.crc_bits}, 5G LDPC rate {pipe.code_rate:.2f}, "
            f"{pipe.modulation}"
        )

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """What every k sends of a batch, and the scores at the receiver if it arrives.

        Shapes: payload_K [B, payload_bits] uint8, all zeros where not even the smallest file fits;
                fits_K [B] bool; scores_K [B, num_classes], of no meaning where it does not fit.
        """
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
        scans = [self._codec.scans(image) for image in pixels]
        prepared: dict[str, Tensor] = {}
        for k, pipe in self._pipes.items():
            files = self._prepare_for(scans, pipe.payload_bits, images.device)
            prepared |= {f"{name}_{k}": values for name, values in files.items()}
        return prepared

    def _prepare_for(
        self, scans: list[list[bytes]], payload_bits: int, device: torch.device
    ) -> dict[str, Tensor]:
        packed = [self._codec.pack(image, payload_bits=payload_bits) for image in scans]
        nothing = torch.zeros(payload_bits, dtype=torch.uint8)
        payload = torch.stack([nothing if bits is None else bits for bits in packed]).to(device)
        fits = torch.tensor([bits is not None for bits in packed], device=device)
        scores, _ = self._receive(payload)
        return {"payload": payload, "fits": fits, "scores": scores}

    @torch.inference_mode()
    def encode(
        self,
        prepared: Tensors,
        *,
        channel: Channel,  # noqa: ARG002 - the link is fixed for each k
        snr_db: Tensor,  # noqa: ARG002 - whatever the SNR
        k: int,
    ) -> Tensors:
        """This k's payloads, and what they are worth."""
        return {name: prepared[f"{name}_{k}"] for name in ("payload", "fits", "scores")}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Payloads through the digital link, or by its block error rate where that is enough."""
        if not self._bit_true:
            arrived = self._by_table(channel=channel, snr_db=snr_db, k=k, streams=streams)
            if arrived is not None:
                return Received(encoded["scores"], encoded["fits"] & arrived)
        return self._decoded(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)

    def _by_table(
        self, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Tensor | None:
        """Which blocks arrive [B], by the SNR they meet; None if it changes within a block.

        Gains are the ones that other schemes meet. An error that the CRC would miss is taken for
        one that it sees.
        """
        device = snr_db.device
        ones = torch.ones((len(snr_db), k), dtype=torch.complex64, device=device)
        generator = streams("channel", device=device)
        before = generator.get_state()
        h = channel(ones, snr_db=snr_db, generator=generator).h
        if not bool((h == h[:, :1]).all()):
            generator.set_state(before)
            return None
        met = snr_db[:, 0] + linear_to_db(h[:, 0].abs().square())
        rate = torch.from_numpy(block_errors(self._pipes[k])(met.cpu().double().numpy()))
        drawn = torch.rand(len(rate), generator=streams("decoding"), dtype=torch.float64)
        return (drawn >= rate).to(device)

    def _decoded(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Every block decoded; only images that arrive otherwise are classified again."""
        payload, fits, scores = (encoded[name] for name in ("payload", "fits", "scores"))
        device = payload.device
        arrived = self._pipes[k](
            payload,
            channel=channel,
            snr_db=snr_db,
            channel_generator=streams("channel", device=device),
            scrambling_generator=streams("scrambling", device=device),
        )
        delivered = fits & arrived.crc_ok
        wrong = delivered & (arrived.payload != payload).any(dim=1)  # the CRC missed the errors
        if bool(wrong.any()):
            scores, delivered = scores.clone(), delivered.clone()
            scores[wrong], delivered[wrong] = self._receive(arrived.payload[wrong])
        return Received(scores, delivered)

    def _receive(self, payload: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [B, num_classes] of the images in payloads, and whether they are images [B]."""
        decoded = [self._codec.decode(bits) for bits in payload.cpu()]
        blank = torch.zeros(self._codec.image_shape, dtype=torch.uint8)
        pixels = torch.stack([blank if image is None else image for image in decoded])
        readable = torch.tensor([image is not None for image in decoded], device=payload.device)
        return self._classify(pixels.to(payload.device).float() / 255), readable


@dataclass(frozen=True, kw_only=True)
class SeparateConfig:
    """What the separate scheme chooses.

    Raises: ValueError if the qualities are not 16 ascending integers in 1..100, or if a link
            carries no payload.
    """

    qualities: tuple[int, ...]  # JPEG qualities that the 4-bit index names
    link: dict[int, tuple[int, float]]  # k to (bits per QAM symbol, LDPC code rate)
    bit_true: bool = False  # True: every block is decoded; False: block error rates from a table

    def __post_init__(self) -> None:
        check_qualities(self.qualities)

    @property
    def name(self) -> str:
        """The scheme's name."""
        return SeparateScheme.name

    @property
    def pipes(self) -> dict[int, BitPipe]:
        """The digital link of every k."""
        return {
            k: BitPipe(
                payload_bits=payload_bits_for(
                    channel_uses=k, bits_per_symbol=bits_per_symbol, code_rate=code_rate
                ),
                channel_uses=k,
                bits_per_symbol=bits_per_symbol,
            )
            for k, (bits_per_symbol, code_rate) in self.link.items()
        }

    def needs(self) -> dict[str, str]:
        """Who compresses, who codes, and the block error rates; these are measured if need be."""
        tables = (
            {}
            if self.bit_true
            else {f"k = {k}": digest(asdict(block_errors(pipe))) for k, pipe in self.pipes.items()}
        )
        packages = ("pillow", "sionna-no-rt")
        return {**{name: version(name) for name in packages}, **tables}

    def decoding_all(self) -> "SeparateConfig":
        """With every block decoded."""
        return replace(self, bit_true=True)

    def build(
        self,
        *,
        classify: Classify,
        num_classes: int,  # noqa: ARG002 - other schemes need it
        image_shape: tuple[int, int, int],
    ) -> SeparateScheme:
        """The scheme for a classifier and an image size."""
        codec = JpegScanCodec(image_shape=image_shape, qualities=self.qualities)
        return SeparateScheme(
            codec=codec, pipes=self.pipes, classify=classify, bit_true=self.bit_true
        )
