"""Semantic communication from Python: load a link, send images, sweep, compare, plot.

For example::

    import semlink

    link = semlink.load("digits")
    test = link.data.test
    sent = semlink.send(link["rkd_sc"], test.images[:10], channel="rayleigh", snr_db=5, k=16)
    print(sent.classes, test.labels[:10])
    grid = semlink.Grid(snr_db=(-10, 0, 10), channel_uses=16, channels="awgn")
    print(semlink.sweep(link, "rkd_sc,label_code", grid, images=200))

SNR is Es/N0 in dB per complex channel use, averaged over fading; k is the number of complex channel
uses per image. Torch and Sionna are imported when they are needed.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

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
        from simulator.arguments import in_python
        from simulator.errors import UserError

        try:
            return function(*arguments, **named)
        except UserError as error:
            raise Error(in_python(str(error))) from None

    return called


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where to sweep; what is None is as the recipe has it.

    `channels` are names ("awgn", "rician:4") or channels; `realizations` are the channel draws per
    image and point. Texts as on the command line serve too: `snr_db="-10:20:2"`.

    >>> semlink.Grid(snr_db=(-10, 0, 10), channel_uses=(16, 64), channels=("awgn", "rayleigh"))
    """

    channels: "Channel | str | Sequence[str | Channel] | None" = None
    snr_db: Sequence[float] | float | str | None = None
    channel_uses: Sequence[int] | int | str | None = None
    realizations: Mapping[str, int] | int | str | None = None
    seed: int = 0

    @_naming_arguments
    def of(self, recipe: "Experiment") -> "engine_grid.Grid":
        """As the engine has it, by the rules of the command line. Raises: Error."""
        from simulator import parse
        from simulator.arguments import channels_of, read
        from simulator.resolve import grid_of

        return grid_of(
            recipe.sweep,
            channels=channels_of(self.channels),
            snr_db=read("snr_db", self.snr_db, parse.parse_snr_db),
            channel_uses=read("channel_uses", self.channel_uses, parse.parse_channel_uses),
            realizations=read("realizations", self.realizations, parse.parse_realizations),
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
        from simulator.schemes.experiment import trained_schemes

        return tuple(trained_schemes(self.recipe, self.weights)[0])

    @_naming_arguments
    def __getitem__(self, name: str) -> "Scheme":
        """The scheme of this name. Raises: Error."""
        from simulator.schemes.experiment import build_scheme

        return build_scheme(name, self.recipe, self.weights).scheme

    def __repr__(self) -> str:
        from simulator.measures.doctor import in_one_line

        return f"<Link: recipe {self.recipe.name}; {in_one_line(self.data)}>"


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows of a sweep, and what is made of them.

    `table` has a row per point: scheme, channel, snr_db, channel_uses, accuracy with the 95 %
    intervals over images (ci_low, ci_high) and over channel draws (mc_low, mc_high), delivered, ...
    Printed, the results are the accuracies in percent, a line per scheme and a column per SNR.

    >>> results = semlink.Results.read("results/reference/digits")
    >>> print(results)
    >>> results.table.query("scheme == 'rkd_sc'")
    """

    table: "pd.DataFrame"
    run: Mapping[str, Any]  # what the figures say of the sweep: the data, the recipe
    store: "UnitStore | Path"  # what every image earned; a folder holds it in files

    @staticmethod
    @_naming_arguments
    def read(folder: str | Path) -> "Results":
        """A finished sweep: what `out` was, or `--out`. Raises: Error."""
        from simulator.storage.folders import read_results

        table, run = read_results(Path(folder))
        return Results(table=table, run=run, store=Path(folder))

    @_naming_arguments
    def compare(self, b: str, a: str | None = None) -> "pd.DataFrame":
        """Accuracy of `a`, or of every other scheme, minus that of `b`, image by image.

        Columns: difference with its 95 % interval, McNemar's p-value, and Holm's adjustment of it.
        Printed, it is the table of `semlink compare`, in points. Raises: Error.
        """
        from simulator.engine.outcomes import stored_units
        from simulator.measures.compare import compare_units

        found = self.store
        if isinstance(found, Path):
            found = stored_units(found, self.table, str(self.run.get("journal")))
        classes = int(self.run["data"]["classes"])
        return compare_units(self.table, found, a, b, num_classes=classes)[0]

    @_naming_arguments
    def plot(
        self,
        folder: str | Path,
        *,
        schemes: str | Sequence[str] | None = None,
        channels: str | Sequence[str] | None = None,
        channel_uses: Sequence[int] | int | str | None = None,
        axis: Literal["accuracy", "error"] = "accuracy",
        width: Literal["auto", "column", "text"] = "auto",
    ) -> list[Path]:
        """Draw the figures of the sweep into a folder, as `semlink plot`; returns the files.

        `axis="error"` draws error rates on a logarithmic axis; the width "column" is 3.5 inches
        with a figure per channel, "text" 7.16 inches. Raises: Error.

        >>> results = semlink.Results.read("results/reference/digits")
        >>> results.plot("figures", schemes="rkd_sc,label_code", channel_uses=16, width="column")
        """
        from simulator import parse
        from simulator.arguments import read, texts
        from simulator.resolve import draw

        return draw(
            self.table,
            dict(self.run),
            Path(folder),
            schemes=texts(schemes),
            channels=texts(channels),
            channel_uses=read("channel_uses", channel_uses, parse.parse_channel_uses),
            axis=axis,
            width=width,
        )

    def __repr__(self) -> str:
        from simulator.measures.shown import results_text

        return results_text(self.table)


@_naming_arguments
def recipe(name: str) -> "Experiment":
    """A recipe by its name: networks, training, schemes, default grid. Raises: Error.

    >>> semlink.recipe("digits").scheme_names
    """
    from simulator.resolve import recipe_named

    return recipe_named(name)


@_naming_arguments
def load_data(folder: str | Path, *, resize: int | None = None) -> "Dataset":
    """Your own images: parquet files as on the Hugging Face hub, or a folder per class.

    `resize=32` rescales the centre square of every image to 32x32 pixels. The splits `train`,
    `validation` and `test` hold uint8 images [N, C, H, W] and labels [N]. Raises: Error.

    >>> semlink.load_data("my_images").test.images.shape
    """
    from simulator.data.dataset import load_dataset

    return load_dataset(Path(folder), resize=resize)


@_naming_arguments
def load(
    recipe: str = "digits",
    *,
    data: str | Path | None = None,
    resize: int | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
    bit_true: bool = False,
) -> Link:
    """Recipe, data and trained weights, which are checked against both.

    Without `weights`, your own finished training in results/runs is taken, else the committed one;
    if there is none, schemes of your own can be swept and sent all the same. `data` is a folder of
    images, for recipes that bring none; `resize` is as in `load_data`. With `bit_true` digital
    schemes decode every block; else they draw from tables of error rates. Raises: Error.

    >>> link = semlink.load("digits", bit_true=True)
    """
    from simulator.resolve import dataset_of, device_named, recipe_named, weights_of

    experiment = recipe_named(recipe)
    experiment = experiment.decoding_all() if bit_true else experiment
    dataset = dataset_of(experiment, None if data is None else Path(data), resize)
    asked = None if weights is None else Path(weights)
    trained = weights_of(experiment, dataset, asked, device_named(device), must=False)
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
    Raises: Error.

    >>> link = semlink.load("digits")
    >>> sent = semlink.send(link["rkd_sc"], link.data.test.images[:4], channel="rayleigh", k=16)
    >>> sent.classes, sent.h.abs()
    """
    from simulator.arguments import channel_of, pixels_of
    from simulator.engine.send import send_images

    return send_images(
        *(scheme, pixels_of(images)),
        channel=channel_of(channel),
        snr_db=float(snr_db),
        k=k,
        seed=seed,
        realization=realization,
    )


@_naming_arguments
def sweep(
    link: Link,
    schemes: "Scheme | str | Sequence[str | Scheme]" = "all",
    grid: Grid | None = None,
    *,
    images: int | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
) -> Results:
    """Accuracy of schemes over a grid, on the first `images` test images or all.

    Schemes are names ("rkd_sc,label_code" or a list) or objects. With `out` the sweep is journalled
    there as by `semlink sweep`, may be stopped and resumed, and uses `workers` processes; without,
    it stays in memory, as schemes and channels of your own must. Raises: Error.

    >>> link = semlink.load("digits")
    >>> grid = semlink.Grid(snr_db=(0, 10), channel_uses=(16,))
    >>> semlink.sweep(link, ["rkd_sc", "label_code"], grid, images=100)
    """
    from simulator.arguments import check_named, texts
    from simulator.engine.evaluate import Setting
    from simulator.engine.folder import sweep_folder, sweep_in_memory
    from simulator.engine.job import Sweep
    from simulator.resolve import first_images

    asked, named = (grid or Grid()).of(link.recipe), texts(schemes) or ()
    plan, left_out = Sweep.of(
        *(link.weights, link.recipe, named, asked),
        test=first_images(link.data.test, images),
        setting=Setting(asked.seed, link.weights.device),
    )
    if out is None:
        return Results(**sweep_in_memory(plan)._asdict())
    check_named(named, asked.channels)
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
    resize: int | None = None,
    stage: str | None = None,
    schemes: str | Sequence[str] | None = None,
    variants: str | Sequence[str] | None = None,
    seed: int = 0,
    from_scratch: bool = False,
    fresh: bool = False,
    minutes: float | None = None,
    device: str = "cpu",
) -> Path:
    """Train as `semlink train` with these options; returns the folder of weights. Raises: Error.

    >>> semlink.train("images", data="my_images", out="results/runs/mine", stage="stage2")
    """
    from simulator.arguments import texts
    from simulator.commands import train as command

    request = command.TrainRequest(
        recipe=recipe,
        out=None if out is None else Path(out),
        data=None if data is None else Path(data),
        resize=resize,
        stage=stage,
        schemes=texts(schemes),
        variants=texts(variants) or (),
        seed=seed,
        from_scratch=from_scratch,
        fresh=fresh,
        minutes=minutes,
        device=device,
    )
    command.train(request)
    return request.folder / "weights"


@_naming_arguments
def doctor(channels: "Channel | str | Sequence[str | Channel] | None" = None) -> "pd.DataFrame":
    """Every channel, or these, measured at 6 dB against closed form: a row per quantity.

    >>> semlink.doctor(["awgn", "rayleigh"])
    """
    import torch

    from simulator.arguments import channels_of
    from simulator.measures.doctor import check_channels

    return check_channels(torch.device("cpu"), channels_of(channels))


def own_channel(name: str, transmit: "Transmit") -> "Channel":
    """A channel of your own: `transmit(x, snr_db, generator)` gives (y, h, noise_power).

    Shapes: x, y, h [B, k] complex, snr_db and noise_power [B, 1]; y = h x + w with E|h|^2 = 1 and
    E|w|^2 = noise_power. Draw from `generator` alone. Its sweeps stay in memory.

    >>> def impulsive(x, snr_db, generator):
    ...     power = 10 ** (-snr_db / 10)
    ...     w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    ...     strong = torch.rand(x.shape, generator=generator) < 0.1
    ...     w = w * torch.where(strong, 5.5**0.5, 0.5**0.5)
    ...     return x + torch.complex(w[0], w[1]), torch.ones_like(x), power
    >>> channel = semlink.own_channel("impulsive", impulsive)
    """
    from channels.own import OwnChannel

    return OwnChannel(name, transmit)


def own_scheme(name: str, encoder: "Network", decoder: "Network", *, k: int) -> "Scheme":
    """A scheme of your own, of two modules or functions, for k channel uses.

    `encoder`: images [B, C, H, W] in [0, 1] -> [B, 2k], scaled to unit power; `decoder`: the MMSE
    estimate of these [B, 2k] -> scores [B, num_classes]. What needs the SNR or the gains is a
    `simulator.scheme.Scheme`. Its sweeps stay in memory: no file says what an object was.

    >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32))
    >>> scheme = semlink.own_scheme("mine", encoder, torch.nn.Linear(32, 10), k=16)
    >>> semlink.sweep(semlink.load("digits"), scheme, semlink.Grid(channel_uses=16), images=50)
    """
    from simulator.schemes.own import OwnScheme

    return OwnScheme(name, encoder, decoder, k)
