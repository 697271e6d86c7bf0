"""Description of a transmission in its meta file: recipe, scheme, weights, format of the frame.

The fields are in semlink's own namespace: `semlink:scheme`, for instance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from channels.radio.frame import Frame
from simulator.errors import UserError
from simulator.radio.ends import Link

SPACE: Final = "semlink:"
IMAGE: Final = f"{SPACE}image"
CLASS: Final = f"{SPACE}class"
NUMBER: Final = (int, float)
MOST_DB: Final = 100.0


@dataclass(frozen=True, kw_only=True)
class Transmission:
    """The link and the frame of a recording, and the weights that its receiver needs."""

    recipe: str
    scheme: str
    data: str  # key of the data set
    weights: Mapping[str, str]  # part -> SHA-256 of its file, for all parts of the scheme
    channel_uses: int  # k
    snr_db: float  # average Es/N0 that both ends assume
    seed: int  # of the scrambling
    images: int
    subcarriers: int
    spacing_khz: float
    amplitude: float  # of a unit-power symbol on a subcarrier, in the transmitted file

    @property
    def frame(self) -> Frame:
        """The format of the frame. Raises: ValueError if a field is out of range."""
        return Frame(
            images=self.images,
            uses=self.channel_uses,
            subcarriers=self.subcarriers,
            spacing_khz=self.spacing_khz,
        )

    @property
    def link(self) -> Link:
        """Settings of the link that both ends know."""
        return Link(k=self.channel_uses, snr_db=self.snr_db, seed=self.seed)

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the meta file: those of this class, and sizes of the frame."""
        frame = self.frame
        follows = {
            "pilots": frame.pilots,
            "preamble_samples": frame.preamble_samples,
            "ofdm_symbols": frame.rows,
            "overhead": round(frame.overhead, 6),
        }
        return {SPACE + name: value for name, value in {**asdict(self), **follows}.items()}

    def annotations(self, classes: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        """Annotations of the preamble and of each image's OFDM symbols, with its class if given."""
        yield {
            "core:sample_start": 0,
            "core:sample_count": self.frame.preamble_samples,
            "core:label": "preamble",
        }
        for image in range(self.images):
            start, count = self.frame.samples_of(image)
            named = {} if classes is None else {CLASS: classes[image]}
            yield {
                "core:sample_start": start,
                "core:sample_count": count,
                "core:label": f"image {image}",
                IMAGE: image,
                **named,
            }


KINDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("recipe", "scheme", "data"), str),
    **dict.fromkeys(("channel_uses", "seed", "images", "subcarriers"), int),
    **dict.fromkeys(("snr_db", "spacing_khz", "amplitude"), NUMBER),
    "weights": dict,
}


def transmission_of(
    path: Path, told: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]
) -> Transmission:
    """The transmission described by these global fields and annotations of the meta file `path`.

    Raises: UserError naming a field that is missing or wrong, or missing annotations.
    """
    values: dict[str, Any] = {own.name: told.get(SPACE + own.name) for own in fields(Transmission)}
    for name, value in values.items():
        if value is None:
            raise UserError(
                f"{path} must have {SPACE}{name}, but has none; add --sent and the file that "
                "semlink iq write made"
            )
        if isinstance(value, bool) or not isinstance(value, KINDS[name]):
            raise UserError(f"{SPACE}{name} of {path} is damaged, got {value!r}")
    found = Transmission(**values)
    if not (0 < found.amplitude <= 1 and abs(found.snr_db) <= MOST_DB and found.seed >= 0):
        raise UserError(
            f"{path} must have an amplitude in (0, 1], an SNR within {MOST_DB:g} dB and a seed of "
            f"at least 0, got {found.amplitude:g}, {found.snr_db:g} and {found.seed}"
        )
    try:
        count = found.frame.images
    except ValueError as error:
        raise UserError(f"{path} must describe a frame, but: {error}") from None
    if [own[IMAGE] for own in annotations if IMAGE in own] != list(range(count)):
        raise UserError(
            f"{path} must have an annotation for each of its {count} images, in order, but does not"
        )
    return found
