"""Semantic communication from Python: load a link, send images, sweep, compare, plot.

    import semlink

    link = semlink.load("digits")
    test = link.data.test
    sent = semlink.send(link["rkd_sc"], test.images[:10], channel="rayleigh", snr_db=5, k=16)
    print(sent.classes, test.labels[:10])

    grid = semlink.Grid(snr_db=(-10, -5, 0, 5, 10), channel_uses=(16,), channels=("awgn",))
    results = semlink.sweep(link, ["rkd_sc", "separate", "label_code"], grid, images=200)
    print(results.table)

SNR is Es/N0 in dB per complex channel use, averaged over fading; k is the number of complex channel
uses per image. Importing this module takes no time: torch and Sionna follow when they are needed.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from channels.base import Channel
    from channels.own import Transmit
    from simulator.data.dataset import Dataset
    from simulator.engine import grid as engine_grid
    from simulator.engine.outcomes import UnitStore
    from simulator.engine.send import Sent
    from simulator.scheme import Scheme
    from simulator.schemes.experiment import Experiment
    from simulator.schemes.own import Network
    from simulator.training.weights import Weights

__all__ = [
    "Error",
    "Grid",
    "Link",
    "Results",
    "doctor",
    "load",
    "load_data",
    "own_channel",
    "own_scheme",
    "recipe",
    "send",
    "sweep",
    "train",
]

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


class Error(ValueError):
    """What is wrong with an argument, in one line: what must hold, what came, the way out."""


def _naming_arguments(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """A function whose errors name arguments, where those of the command line name options."""

    @functools.wraps(function)
    def called(*arguments: Arguments.args, **named: Arguments.kwargs) -> Value:
        from simulator.errors import UserError

        try:
            return function(*arguments, **named)
        except UserError as error:
            text = re.sub(r"--([a-z][a-z-]*)", lambda m: m[1].replace("-", "_"), str(error))
            raise Error(text.replace("RECIPE", "recipe")) from None

    return called


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where to sweep; what is None is as the recipe has it.

    `channels` are names ("awgn", "rician:4") or channels; `realizations` are the channel draws per
    image and point.

    >>> semlink.Grid(snr_db=(-10, 0, 10), channel_uses=(16, 64), channels=("awgn", "rayleigh"))
    """

    channels: "Sequence[str | Channel] | None" = None
    snr_db: Sequence[float] | None = None
    channel_uses: Sequence[int] | None = None
    realizations: int | None = None
    seed: int = 0

    @_naming_arguments
    def of(self, recipe: "Experiment") -> "engine_grid.Grid":
        """As the engine has it, by the rules of the command line. Raises: Error."""
        from simulator import parse
        from simulator.resolve import grid_of

        snr_db, uses, draws = map(_listed, (self.snr_db, self.channel_uses, self.realizations))
        return grid_of(
            recipe.sweep,
            channels=None if self.channels is None else tuple(map(_channel, self.channels)),
            snr_db=None if snr_db is None else parse.parse_snr_db(snr_db),
            channel_uses=None if uses is None else parse.parse_channel_uses(uses),
            realizations=None if draws is None else parse.parse_realizations(draws),
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True)
class Link:
    """A recipe, its data and its trained weights: `link["rkd_sc"]` is a scheme ready to send.

    Any name of `semlink sweep --schemes` works, labels too: `link["separate:genie"]`.

    >>> link = semlink.load("digits")
    >>> link.schemes
    >>> link["label_code"].settings(16)
    """

    recipe: "Experiment"
    data: "Dataset"
    weights: "Weights"

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes that are trained."""
        from simulator.schemes.experiment import asked_schemes

        return tuple(asked_schemes(self.recipe, self.weights)[0])

    def __getitem__(self, name: str) -> "Scheme":
        """The scheme of this name. Raises: Error."""
        return _built(self, name)


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows of a sweep, and what is made of them.

    `table` has a row per point: scheme, channel, snr_db, channel_uses, accuracy with the 95 %
    intervals over images (ci_low, ci_high) and over channel draws (mc_low, mc_high), delivered, ...

    >>> results = semlink.Results.read("results/reference/digits")
    >>> results.table.query("scheme == 'rkd_sc'")
    """

    table: "pd.DataFrame"
    run: Mapping[str, Any]  # what the figures say of the sweep: the data, the recipe
    store: "UnitStore | Path"  # what every image earned; a folder holds it in files

    @classmethod
    def read(cls, folder: str | Path) -> "Results":
        """A finished sweep: what `out` was, or `--out`. Raises: Error."""
        return _read(Path(folder))

    def compare(self, b: str, a: str | None = None) -> "pd.DataFrame":
        """Accuracy of `a`, or of every other scheme, minus that of `b`, image by image.

        Columns: difference with its 95 % interval, McNemar's p-value, and Holm's adjustment of it.
        Raises: Error if the sweep lacks one of them.
        """
        return _compared(self, a, b)

    def plot(self, folder: str | Path) -> list[Path]:
        """Draw every figure of the sweep into a folder; returns the files."""
        from simulator.resolve import draw

        return draw(self.table, dict(self.run), Path(folder))


@_naming_arguments
def recipe(name: str) -> "Experiment":
    """A recipe by its name: networks, training, schemes, default grid. Raises: Error.

    >>> semlink.recipe("digits").scheme_names
    """
    from simulator.resolve import recipe_named

    return recipe_named(name)


@_naming_arguments
def load_data(folder: str | Path) -> "Dataset":
    """Your own images: parquet files as on the Hugging Face hub, or a folder per class.

    The splits `train`, `validation` and `test` hold uint8 images [N, C, H, W] and labels [N].
    Raises: Error naming the file that cannot be read.

    >>> semlink.load_data("my_images").test.images.shape
    """
    from simulator.data.dataset import load_dataset

    return load_dataset(Path(folder))


@_naming_arguments
def load(
    recipe: str = "digits",
    *,
    data: str | Path | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
    bit_true: bool = False,
) -> Link:
    """Recipe, data and trained weights, which are checked against both.

    Without `weights`, your own finished training in results/runs is taken, else the committed one.
    `data` is a folder of images, for recipes that bring none. With `bit_true` digital schemes
    decode every block, as `semlink sweep --bit-true`; else they draw from tables of error rates.
    Raises: Error.

    >>> link = semlink.load("digits", bit_true=True)
    """
    from simulator.resolve import dataset_of, device_named, recipe_named, weights_of

    experiment = recipe_named(recipe)
    experiment = experiment.decoding_all() if bit_true else experiment
    dataset = dataset_of(experiment, None if data is None else Path(data))
    folder = None if weights is None else Path(weights)
    trained = weights_of(experiment, dataset, folder, device_named(device))
    return Link(recipe=trained.experiment, data=dataset, weights=trained.weights)


@_naming_arguments
def send(
    scheme: "Scheme",
    images: "Tensor | np.ndarray[Any, Any]",
    *,
    channel: "str | Channel" = "awgn",
    snr_db: float = 10.0,
    k: int = 16,
    seed: int = 0,
    realization: int = 0,
) -> "Sent":
    """Send images once, and give back all there is to look at.

    `images` are uint8 [N, C, H, W]. The result has the symbols x, y and gains h [N, k], the noise
    power [N, 1], the equalised symbols, features or rebuilt images where the scheme makes them,
    scores [N, num_classes], decided `classes`, and which images were `delivered`; digital schemes
    add what was chosen, and with `load(..., bit_true=True)` the bits and modulated symbols. Image i
    meets the draws that a sweep of this seed gives to its i-th test image in this realisation.
    Raises: Error for images of another shape or type, or a k or channel that is not served.

    >>> link = semlink.load("digits")
    >>> sent = semlink.send(link["rkd_sc"], link.data.test.images[:4], channel="rayleigh", k=16)
    >>> sent.classes, sent.h.abs()
    """
    import torch

    from simulator.engine.send import send_images

    pixels = torch.as_tensor(images)
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or not len(pixels):
        raise Error(
            f"images must be uint8 [N, C, H, W] with values 0..255, got {pixels.dtype} "
            f"{list(pixels.shape)}"
        )
    link = _channel(channel)
    return send_images(
        *(scheme, pixels),
        channel=link,
        snr_db=float(snr_db),
        k=k,
        seed=seed,
        realization=realization,
    )


@_naming_arguments
def sweep(
    link: Link,
    schemes: "Sequence[str | Scheme]" = ("all",),
    grid: Grid | None = None,
    *,
    images: int | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
) -> Results:
    """Accuracy of schemes over a grid, on the first `images` test images or all.

    Schemes are names or objects. With `out` the sweep is journalled there as by `semlink sweep`,
    may be stopped and resumed, and uses `workers` processes; without, it stays in memory.
    Raises: Error.

    >>> link = semlink.load("digits")
    >>> grid = semlink.Grid(snr_db=(0, 10), channel_uses=(16,))
    >>> semlink.sweep(link, ["rkd_sc", "label_code"], grid, images=100).table
    """
    from simulator.engine.evaluate import Setting
    from simulator.engine.folder import sweep_folder, sweep_in_memory
    from simulator.engine.job import Sweep
    from simulator.resolve import first_images

    asked = (grid or Grid()).of(link.recipe)
    plan, left_out = Sweep.of(
        *(link.weights, link.recipe, schemes, asked),
        test=first_images(link.data.test, images),
        setting=Setting(asked.seed, link.weights.device),
    )
    if out is None:
        return Results(**sweep_in_memory(plan)._asdict())
    _check_named(schemes, asked.channels)
    with sweep_folder(plan, Path(out), fresh=fresh) as place:
        results = place.compute(workers=workers)
        table, run = place.write(results, left_out=left_out)
    return Results(table=table, run=run, store=Path(out))


@_naming_arguments
def train(
    recipe: str,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    stage: str | None = None,
    seed: int = 0,
    minutes: float | None = None,
    device: str = "cpu",
) -> Path:
    """Train a recipe as `semlink train`, resuming what is there; returns the folder of the weights.

    Raises: Error.

    >>> semlink.train("images", data="my_images", out="results/runs/mine", stage="stage2")
    """
    from simulator.commands.train import TrainRequest
    from simulator.commands.train import train as run

    request = TrainRequest(
        recipe=recipe,
        out=None if out is None else Path(out),
        data=None if data is None else Path(data),
        stage=stage,
        seed=seed,
        minutes=minutes,
        device=device,
    )
    run(request)
    return request.folder / "weights"


@_naming_arguments
def doctor(channels: "Sequence[str | Channel] | None" = None) -> "pd.DataFrame":
    """Every channel, or these, measured against closed form: a row per quantity with a verdict.

    >>> semlink.doctor(["awgn", "rayleigh"])
    """
    import torch

    from simulator.measures.doctor import check_channels

    asked = None if channels is None else tuple(map(_channel, channels))
    return check_channels(torch.device("cpu"), asked)


def own_channel(name: str, transmit: "Transmit") -> "Channel":
    """A channel of your own: `transmit(x, snr_db, generator)` gives (y, h, noise_power).

    Shapes: x, y, h [B, k] complex, snr_db and noise_power [B, 1]; y = h x + w with E|h|^2 = 1 and
    E|w|^2 = noise_power. Draw from `generator` alone. Raises: Error for a name that is taken.

    >>> def impulsive(x, snr_db, generator):
    ...     power = 10 ** (-snr_db / 10)
    ...     w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    ...     strong = torch.rand(x.shape, generator=generator) < 0.1
    ...     w = w * torch.where(strong, 5.5**0.5, 0.5**0.5)
    ...     return x + torch.complex(w[0], w[1]), torch.ones_like(x), power
    >>> channel = semlink.own_channel("impulsive", impulsive)
    """
    from channels.own import OwnChannel

    try:
        return OwnChannel(name, transmit)
    except ValueError as error:
        raise Error(str(error)) from None


@_naming_arguments
def own_scheme(name: str, encoder: "Network", decoder: "Network", *, k: int) -> "Scheme":
    """A scheme of your own, of two modules or functions, for k channel uses.

    `encoder`: images [B, C, H, W] in [0, 1] -> [B, 2k], scaled to unit power; `decoder`: the MMSE
    estimate of these [B, 2k] -> scores [B, num_classes]. Modules compute in eval mode, and are left
    in the mode they were in; call `eval()` yourself on those inside a function. What needs the SNR
    or the gains is a `simulator.scheme.Scheme`. Raises: Error for a name that is taken.

    >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32))
    >>> scheme = semlink.own_scheme("mine", encoder, torch.nn.Linear(32, 10), k=16)
    >>> grid = semlink.Grid(channel_uses=(16,), snr_db=(0, 10))
    >>> semlink.sweep(semlink.load("digits"), ["rkd_sc", scheme], grid, images=100).table
    """
    from simulator.schemes.own import OwnScheme

    return OwnScheme(name, encoder, decoder, k)


def _listed(values: Sequence[float] | float | None) -> str | None:
    """Numbers as the command line has them."""
    if values is None:
        return None
    return ",".join(map(str, values)) if isinstance(values, Iterable) else str(values)


def _channel(asked: "str | Channel") -> "Channel":
    """A channel by its name, or as it is."""
    from channels.names import channel_from_name

    try:
        return channel_from_name(asked) if isinstance(asked, str) else asked
    except ValueError as error:
        raise Error(str(error)) from None


@_naming_arguments
def _built(link: Link, name: str) -> "Scheme":
    from simulator.schemes.experiment import build_scheme

    return build_scheme(name, link.recipe, link.weights).scheme


@_naming_arguments
def _read(folder: Path) -> Results:
    from simulator.storage.folders import read_results

    table, run = read_results(folder)
    return Results(table=table, run=run, store=folder)


@_naming_arguments
def _compared(results: Results, a: str | None, b: str) -> "pd.DataFrame":
    from simulator.engine.outcomes import stored_units
    from simulator.measures.compare import compare_units

    table, classes = results.table, int(results.run["data"]["classes"])
    found = results.store
    if isinstance(found, Path):
        found = stored_units(found, table, str(results.run.get("journal")))
    return compare_units(table, found, a, b, num_classes=classes)[0]


def _check_named(schemes: "Sequence[str | Scheme]", channels: "Sequence[Channel]") -> None:
    """Raises: Error where a journal could not tell what the numbers depend on."""
    from channels.own import OwnChannel

    own = [one for one in (*schemes, *channels) if not isinstance(one, str)]
    if any(isinstance(one, OwnChannel) or one in schemes for one in own):
        raise Error(
            "with out, schemes and channels must be names: a journal cannot tell whether an object "
            "of yours has changed; leave out `out`"
        )
