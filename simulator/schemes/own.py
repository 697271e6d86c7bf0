"""A scheme from the user's own encoder and decoder."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from channels.base import Channel
from channels.equalize import mmse, receive_snr_db
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from simulator.errors import UserError, shown
from simulator.names import SCHEMES
from simulator.scheme import Received, Scheme, Tensors, all_delivered, in_pieces, one_of

Network = Callable[..., Tensor]


class Pair(NamedTuple):
    """The two ends of a scheme for one k."""

    encoder: Network
    decoder: Network


@dataclass(frozen=True, repr=False, kw_only=True)
class OwnScheme(Scheme):
    """Images to 2k real values, two per channel use, and back to class scores.

    An encoder takes images [B, C, H, W] in [0, 1] and returns [B, 2k]; the symbols of every image
    are scaled to unit power. A decoder takes the MMSE estimate of these values [B, 2k] and returns
    scores [B, num_classes]. With `classify` it returns images [B, C, H, W] in [0, 1] instead, whose
    scores `classify` returns. With `uses_snr` encoders also get the average SNR and decoders the
    receive SNR, both in dB [B, 1]. Networks that need more than that (the gains) require a subclass
    of `Scheme`. Modules run in eval mode; afterwards their own mode is restored.
    Raises: UserError if the name is taken, or if a network fails or returns a wrong shape or
    numbers that are not finite.
    """

    name: str
    pairs: Mapping[int, Pair]  # by k
    classify: Network | None = None
    uses_snr: bool = False
    described: str = ""  # its settings; empty: what holds for any encoder and decoder

    def __post_init__(self) -> None:
        """Check the name; compute where the encoders are."""
        check_own_name(self.name)
        encoders = [module_of(pair.encoder) for pair in self.pairs.values()]
        weights = (own for module in encoders if module for own in weights_of(module))
        device = next((own.device for own in weights), torch.device("cpu"))
        object.__setattr__(self, "device", device)

    @property
    def networks(self) -> list[Network]:
        """All networks and functions."""
        ends = [end for pair in self.pairs.values() for end in pair]
        return ends if self.classify is None else [*ends, self.classify]

    @property
    def channel_uses(self) -> str:
        """All k, in words."""
        return one_of(self.pairs)

    def serves(self, k: int) -> bool:
        """Whether there is a pair for k."""
        return k in self.pairs

    def settings(self, k: int) -> str:
        """The description that was given, or what holds for any encoder and decoder."""
        known = "average SNR, gain and noise power" if self.uses_snr else "gain and noise power"
        return self.described or f"own encoder and decoder, {known} known, no header"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The images, or for every k the encoded values [B, 2k] if these need no SNR."""
        if self.uses_snr:
            return {"images": images}
        return {f"values_{k}": self._encoded(k, images) for k in self.pairs}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """Symbols [B, k] of unit power."""
        if self.uses_snr:
            return {"x": to_symbols(self._encoded(k, prepared["images"], snr_db))}
        return {"x": to_symbols(prepared[f"values_{k}"])}

    def _encoded(self, k: int, images: Tensor, *snr_db: Tensor) -> Tensor:
        """The encoded values [B, 2k] of images."""

        def encode(piece: Tensor) -> Tensor:
            known = [own[: len(piece)] for own in snr_db]  # equal in all rows
            return self._answer("encoder", self.pairs[k].encoder, piece, *known)

        values = in_pieces(encode, images)
        if values.shape != (len(images), 2 * k):
            raise UserError(
                f"encoder of {self.name} must give [B, 2k] = {[len(images), 2 * k]} for k = {k}, "
                f"got {list(values.shape)}"
            )
        silent = (values == 0).all(dim=1, keepdim=True)  # cannot have unit power: replaced by ones
        if bool(silent.all()):
            raise UserError(f"encoder of {self.name} must distinguish images, but gives only zeros")
        return torch.where(silent, 1.0, values.float())

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the symbols, decode and classify."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        known = [receive_snr_db(received)] if self.uses_snr else []
        estimate = from_symbols(mmse(received))
        decoded = self._answer("decoder", self.pairs[k].decoder, estimate, *known)
        if self.classify is None:
            return Received(self._scores("decoder", decoded, len(x)), all_delivered(x))
        if decoded.dim() != 4 or len(decoded) != len(x):
            raise UserError(
                f"decoder of {self.name} must give images [B, C, H, W] = [{len(x)}, ...], got "
                f"{list(decoded.shape)}"
            )
        images = decoded.float().clamp(0, 1)
        found = in_pieces(partial(self._answer, "classify", self.classify), images)
        scores = self._scores("classify", found, len(x))
        return Received(scores, all_delivered(x), {"images": images})

    def _scores(self, part: str, found: Tensor, number: int) -> Tensor:
        """The scores of `number` images. Raises: UserError if they have another shape."""
        if found.dim() != 2 or len(found) != number:
            raise UserError(
                f"{part} of {self.name} must give scores [B, num_classes] = [{number}, ...], got "
                f"{list(found.shape)}"
            )
        return found

    def _answer(self, part: str, network: Network, *given: Tensor) -> Tensor:
        """A network's output. Raises: UserError if it fails, or returns no finite real numbers."""
        try:
            with evaluating(network):
                answer = network(*given)
        except Exception as error:
            shapes = " and ".join(str(list(own.shape)) for own in given)
            raise UserError(
                f"{part} of {self.name} must take {shapes}, but raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(answer, Tensor) or not _holds_numbers(answer):
            got = shown(answer) if isinstance(answer, Tensor) else type(answer).__name__
            raise UserError(f"{part} of {self.name} must give a tensor of real numbers, got {got}")
        if not bool(torch.isfinite(answer).all()):
            raise UserError(
                f"{part} of {self.name} must give finite numbers, also for the black images "
                "that pad the last block, got nan or inf"
            )
        return answer


def _holds_numbers(answer: Tensor) -> bool:
    """Whether a tensor is real, and neither of booleans nor a single number."""
    return bool(answer.dim()) and not answer.is_complex() and answer.dtype != torch.bool


def weights_of(network: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers of a module."""
    yield from network.parameters()
    yield from network.buffers()


def check_own_name(name: str) -> None:
    """Check that a name cannot be taken for another scheme's. Raises: UserError if it can."""
    kind = name.strip().lower().partition(":")[0]
    if not kind or kind in (*SCHEMES, "all") or set(",/\\") & set(name) or not name.isprintable():
        raise UserError(
            "name of an own scheme must have no comma, slash or control character, and its part "
            f"before a colon must not be that of a built-in scheme ({', '.join(SCHEMES)}), got "
            f"{name!r}; choose another"
        )


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """Put a module, or the module of a method, in eval mode; afterwards restore its mode."""
    owner = module_of(network)
    modules = [] if owner is None else list(owner.modules())
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def networks_of(scheme: Scheme) -> list[nn.Module]:
    """The modules that a scheme is or holds: as attributes, or in lists, tuples or mappings.

    A method of a module stands for the module.
    """
    return [
        module
        for value in (scheme, *getattr(scheme, "__dict__", {}).values())
        for own in _members(value)
        for module in [module_of(own)]
        if module is not None
    ]


def module_of(network: object) -> nn.Module | None:
    """The module that a network is, or whose method it is; None for other functions."""
    owner = getattr(network, "__self__", network)
    return owner if isinstance(owner, nn.Module) else None


def _members(value: object) -> Iterator[object]:
    """A value itself, or the members of a list, tuple or mapping, and so on."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for own in value:
            yield from _members(own)
    else:
        yield value


def weights_hash(scheme: Scheme) -> str:
    """SHA-256 of the weights and buffers of all `networks_of` a scheme.

    It is empty if there are none, or if an `OwnScheme` has functions, whose weights are not known.
    """
    networks, found = networks_of(scheme), hashlib.sha256()
    if isinstance(scheme, OwnScheme) and None in map(module_of, scheme.networks):
        return ""
    for network in networks:
        for name, value in network.state_dict().items():
            if isinstance(value, Tensor):
                found.update(f"{name} {list(value.shape)} {value.dtype}".encode())
                found.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest() if networks else ""
