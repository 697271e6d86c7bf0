"""Requests: equal whether click builds them from a command line or a script does."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from simulator.__main__ import COMMANDS, cli
from simulator.commands.adapt import AdaptRequest
from simulator.commands.doctor import DoctorRequest
from simulator.commands.finished import CompareRequest, PlotRequest, SeedsRequest
from simulator.commands.link import LinkRequest
from simulator.commands.options import argument, command, flag, option, run
from simulator.commands.search import SearchRequest
from simulator.commands.submit import SubmitRequest
from simulator.commands.sweep import SweepRequest
from simulator.commands.table import TableRequest
from simulator.commands.train import TrainRequest
from simulator.errors import UserError
from simulator.names import RECIPES
from simulator.parse import Realizations
from tests.commands import Command, refused


def by_click(request: type[Any], *arguments: str) -> Any:
    """The request that click builds from a command line."""
    made: list[Any] = []

    @command(request)
    def keep(filled: Any) -> None:
        """Keep it."""
        made.append(filled)

    keep.click.main(list(arguments), standalone_mode=False)
    (found,) = made
    return found


@pytest.mark.parametrize("kind", [SweepRequest, TrainRequest, SearchRequest, SubmitRequest])
def test_out_must_not_lie_among_the_images(kind: type[Any], tmp_path: Path) -> None:
    recipe = {"submission": None} if kind is SubmitRequest else {"recipe": "images"}
    with pytest.raises(UserError, match="--out must not lie within --data .*, got .*x"):
        kind(**recipe, data=tmp_path, out=tmp_path / "x")
    kind(**recipe, data=tmp_path / "data", out=tmp_path / "x")


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (["digits"], SweepRequest(recipe="digits")),
        (["digits"], TrainRequest(recipe="digits")),
        (["digits"], SearchRequest(recipe="digits")),
        (["digits"], AdaptRequest(recipe="digits")),
        (["digits"], TableRequest(recipe="digits")),
        (["there"], PlotRequest(folder=Path("there"))),
        (["there", "--b", "adjscc"], CompareRequest(folder=Path("there"), b="adjscc")),
        (["one", "two"], SeedsRequest(folders=(Path("one"), Path("two")))),
        ([], DoctorRequest()),
        ([], LinkRequest()),
    ],
)
def test_request_without_options_has_the_default_values(
    arguments: list[str], request_: object
) -> None:
    assert by_click(type(request_), *arguments) == request_


def test_sweep_options_fill_the_request() -> None:
    line = (
        "digits --channels rician:4,awgn --snr-db -10:10:10 --channel-uses 64,16 "
        "--schemes rkd_sc,separate:webp --images 20 --realizations 2,awgn=5 --mc 0.5 "
        "--max-realizations 40 --seed 3 --precision bf16 --compile --student a.json --bit-true "
        "--workers 2 --cluster local --fresh --data images --weights w --device cuda --out here"
    )
    assert by_click(SweepRequest, *line.split()) == SweepRequest(
        recipe="digits",
        channels=("rician:4", "awgn"),
        snr_db=(-10.0, 0.0, 10.0),
        channel_uses=(16, 64),
        schemes=("rkd_sc", "separate:webp"),
        images=20,
        realizations=Realizations(2, {"awgn": 5}),
        mc=0.5,
        max_realizations=40,
        seed=3,
        precision="bf16",
        compiled=True,
        student=Path("a.json"),
        bit_true=True,
        workers=2,
        cluster="local",
        fresh=True,
        data=Path("images"),
        weights=Path("w"),
        device="cuda",
        out=Path("here"),
    )


def test_train_options_fill_the_request() -> None:
    line = (
        "digits --data images --stage head --variants p1,p2 --schemes adjscc --seed 1 "
        "--teacher-seed 2 --teacher vit --student a.json --minutes 1.5 --fresh --device cuda "
        "--out here"
    )
    assert by_click(TrainRequest, *line.split()) == TrainRequest(
        recipe="digits",
        data=Path("images"),
        stage="head",
        variants=("p1", "p2"),
        schemes=("adjscc",),
        seed=1,
        teacher_seed=2,
        teacher="vit",
        student=Path("a.json"),
        minutes=1.5,
        fresh=True,
        device="cuda",
        out=Path("here"),
    )


def test_parse_error_names_the_option() -> None:
    with pytest.raises(UserError, match="^--snr-db must be"):
        by_click(SweepRequest, "digits", "--snr-db", "abc")
    with pytest.raises(UserError, match="^--ebn0-db must be"):
        by_click(LinkRequest, "--ebn0-db", "abc")


WRONG: list[tuple[type[Any], str, str]] = [
    (SweepRequest, "--images=-3", "--images must be a whole number of at least 1, got '-3'"),
    (SweepRequest, "--device=gpu", "--device must be cpu or cuda, got 'gpu'"),
    (SweepRequest, "--mc=-1", "--mc must be a half-width between 0 and 100 points, got -1"),
    (SweepRequest, "--mc=few", "--mc must be a half-width between 0 and 100 points, got few"),
    (TrainRequest, "--epochs=0", "--epochs must be a whole number from 1 to 1000000, got 0"),
    (TrainRequest, "--lr=nan", "--lr must be a number above 0, got nan"),
    (TrainRequest, "--minutes=0", "--minutes must be above 0, got 0"),
    (SearchRequest, "--epochs=0", "--epochs must be a whole number from 1 to 10000, got 0"),
    (AdaptRequest, "--retention=1.5", "--retention must be above 0 and at most 1, got 1.5"),
]


@pytest.mark.parametrize(("kind", "wrong", "told"), WRONG)
def test_values_are_validated_before_a_command_starts(
    kind: type[Any], wrong: str, told: str
) -> None:
    with pytest.raises(UserError) as raised:
        by_click(kind, "digits", wrong)
    assert str(raised.value) == told


def test_valid_numbers_keep_their_values() -> None:
    line = ["digits", "--images", "7", "--device", "CUDA:1", "--mc", "0.5"]
    asked = by_click(SweepRequest, *line)
    assert (asked.images, asked.device, asked.mc) == (7, "cuda:1", 0.5)
    asked = by_click(TrainRequest, *["digits", "--epochs", "2", "--lr", "1e-3", "--minutes", "2"])
    assert (asked.epochs, asked.lr, asked.minutes) == (2, 0.001, 2.0)
    assert by_click(LinkRequest, "--modulation", "16").modulation == 16


def test_help_shows_a_default_range_as_written() -> None:
    told = cli.commands["link"].get_help(click.Context(cli.commands["link"]))
    assert "[default: 0:10:1]" in " ".join(told.split())


def test_help_text_is_built_only_when_shown(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def slow() -> str:
        asked.append("help")
        return "Made now."

    @dataclass(frozen=True, kw_only=True)
    class Request:
        name: str = argument()
        many: int = option("-m", "--many", default=3, type=int, help=slow)
        loud: bool = flag(help="Be loud.")

    assert by_click(Request, "a", "-m", "4", "--loud") == Request(name="a", many=4, loud=True)
    assert not asked

    @command(Request)
    def shown(filled: Request) -> None:
        """Of {recipes}."""

    shown.click.main(["--help"], standalone_mode=False)
    told = capsys.readouterr().out
    assert asked
    assert "Made now.  [default: 3]" in told
    assert f"Of {', '.join(RECIPES)}." in " ".join(told.split())


def test_unencodable_characters_are_replaced_in_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr("sys.argv", ["tell"])
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, encoding="cp1252"))
    run(click.Command("tell", callback=lambda: click.echo("table: Ω/a.csv")), "tell")
    assert printed.getvalue().split() == [b"table:", b"?/a.csv"]


REQUIRED = [
    (own.click, parameter)
    for own in COMMANDS
    for parameter in own.click.params
    if parameter.required
]


@pytest.mark.parametrize(
    ("own", "left_out"), REQUIRED, ids=[f"{own.name}-{left.name}" for own, left in REQUIRED]
)
def test_missing_required_parameters_raise_an_error(
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
    own: click.Command,
    left_out: click.Parameter,
) -> None:
    values = {"recipe": "digits", "accuracy": "60"}
    given = [
        [*parameter.opts[:1], value] if isinstance(parameter, click.Option) else [value]
        for parameter in own.params
        if parameter.required and parameter is not left_out
        for value in [values.get(str(parameter.name), "there")]
    ]
    assert semlink(own.name, *(word for words in given for word in words)) == 2
    assert "Missing" in (told := refused(capsys))
    assert str(left_out.name).upper() in told.upper()


def test_only_accuracy_and_b_are_required_options() -> None:
    options = {
        parameter.opts[0] for _, parameter in REQUIRED if isinstance(parameter, click.Option)
    }
    assert options == {"--accuracy", "--b"}


def test_no_help_has_an_unfilled_placeholder() -> None:
    for own in (cli, *cli.commands.values()):
        told = own.get_help(click.Context(own, info_name=own.name))
        assert not set("{}") & set(told), own.name
