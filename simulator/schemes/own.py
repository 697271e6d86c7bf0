"""A scheme from the user's own encoder and decoder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from channels.base import Channel
from channels.equalize import mmse
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from simulator.errors import UserError, shown
from simulator.names import SCHEMES
from simulator.scheme import Received, Scheme, Tensors, all_delivered, in_pieces

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, repr=False)
class OwnScheme(Scheme):
    """Images to 2k real values, two per channel use, and back to class scores.

    `encoder` takes images [B, C, H, W] in [0, 1] and returns [B, 2k]; the symbols of every image
    are scaled to unit power. `decoder` takes the MMSE estimate of these values [B, 2k] and returns
    scores [B, num_classes]. With `classify` it returns images [B, C, H, W] in [0, 1] instead, whose
    scores `classify` returns. Networks that need more than that (the SNR, the gains) require a
    subclass of `Scheme`. Modules run in eval mode; afterwards their own mode is restored.
    Raises: UserError if the name is taken, or if a network fails or returns a wrong shape or
    numbers that are not finite.
    """

    name: str
    encoder: Network
    decoder: Network
    k: int
    classify: Network | None = None

    def __post_init__(self) -> None:
        """Check the name."""
        check_own_name(self.name)

    @property
    def channel_uses(self) -> str:
        """The only k, in words."""
        return f"k = {self.k}"

    def serves(self, k: int) -> bool:
        """Whether this is the only k."""
        return k == self.k

    def settings(self, k: int) -> str:
        """What holds for any encoder and decoder."""
        return "own encoder and decoder, gain and noise power known, no header"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The encoded values [B, 2k]; they do not depend on the channel."""
        values = in_pieces(partial(self._answer, "encoder", self.encoder), images)
        if values.shape != (len(images), 2 * self.k):
            raise UserError(
                f"encoder of {self.name} must give [B, 2k] = {[len(images), 2 * self.k]}, got "
                f"{list(values.shape)}"
            )
        silent = (values == 0).all(dim=1, keepdim=True)  # cannot have unit power: replaced by ones
        if bool(silent.all()):
            raise UserError(f"encoder of {self.name} must distinguish images, but gives only zeros")
        return {"values": torch.where(silent, 1.0, values.float())}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """Symbols [B, k] of unit power."""
        return {"x": to_symbols(prepared["values"])}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the symbols, decode and classify."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        decoded = self._answer("decoder", self.decoder, from_symbols(mmse(received)))
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

    def _answer(self, part: str, network: Network, given: Tensor) -> Tensor:
        """A network's output. Raises: UserError if it fails, or returns no finite real numbers."""
        try:
            with evaluating(network):
                answer = network(given)
        except Exception as error:
            raise UserError(
                f"{part} of {self.name} must take {list(given.shape)}, but raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(answer, Tensor) or answer.is_complex() or not answer.dim():
            got = shown(answer) if isinstance(answer, Tensor) else type(answer).__name__
            raise UserError(f"{part} of {self.name} must give a tensor of real numbers, got {got}")
        if not bool(torch.isfinite(answer).all()):
            raise UserError(
                f"{part} of {self.name} must give finite numbers, also for the black images "
                "that pad the last block, got nan or inf"
            )
        return answer


def check_own_name(name: str) -> None:
    """Check that a name cannot be taken for another scheme's. Raises: UserError if it can."""
    kind = name.strip().lower().partition(":")[0]
    if not kind or kind in (*SCHEMES, "all") or "," in name:
        raise UserError(
            "name of an own scheme must have no comma, and its part before a colon must not be "
            f"that of a built-in scheme ({', '.join(SCHEMES)}), got {name!r}; choose another"
        )


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """Put a module, or the module of a method, in eval mode; afterwards restore its mode."""
    owner = getattr(network, "__self__", network)
    modules = list(owner.modules()) if isinstance(owner, nn.Module) else []
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
