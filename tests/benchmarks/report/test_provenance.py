"""Provenance of a report: the command of its sweep, commit, machine and hashes."""

import hashlib
import shlex
from typing import Any

from benchmarks.report.provenance import command_of, provenance_of
from simulator.commands.sweep import sweep
from simulator.resolve import grid_of, recipe_named
from simulator.storage.describe import describe
from simulator.storage.environment import ROOT
from simulator.storage.folders import read_results

DIGITS = ROOT / "results/reference/digits"


def parsed(command: str) -> dict[str, Any]:
    """The options of a command line, as click reads them."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("semlink", "sweep")
    with sweep.click.make_context("sweep", words) as context:
        return dict(context.params)


def test_command_reproduces_the_grid_of_the_sweep() -> None:
    _, run = read_results(DIGITS)
    asked = parsed(command_of(run))
    names = ("channels", "snr_db", "channel_uses", "realizations", "seed")
    grid = grid_of(recipe_named("digits").sweep, **{name: asked[name] for name in names})
    assert [channel.name for channel in grid.channels] == run["grid"]["channels"]
    assert list(grid.snr_db) == run["grid"]["snr_db"]
    assert list(grid.channel_uses) == run["grid"]["channel_uses"]
    assert grid.realizations == run["grid"]["realizations"]
    assert list(asked["schemes"]) == run["schemes"]
    assert asked["images"] == run["data"]["test_images"]


def test_command_has_the_options_that_change_the_outcomes() -> None:
    _, run = read_results(DIGITS)
    assert not {"--compile", "--bit-true"} & {*shlex.split(command_of(run))}
    recipe = describe(recipe_named("digits").decoding_all())
    asked = parsed(command_of({**run, "recipe": recipe, "compiled": True}))
    assert asked["compiled"]
    assert asked["bit_true"]


def test_command_lists_realisations_that_differ_between_channels() -> None:
    _, run = read_results(ROOT / "results/reference/cifar100")
    command = command_of(run)
    assert "--realizations awgn=5,rayleigh=20 " in command
    assert command.startswith("semlink sweep cifar100 --data DIR ")


def test_provenance_has_commit_machine_and_hashes_but_no_time() -> None:
    _, run = read_results(DIGITS)
    told = dict(provenance_of(DIGITS, run))
    table = (DIGITS / "results.csv").read_bytes()
    assert told["results.csv, SHA-256"] == hashlib.sha256(table).hexdigest()
    assert told["commit"] == run["environment"]["commit"]
    assert told["weights codec, SHA-256"] == run["weights"]["codec"]["sha256"]
    assert run["environment"]["machine"]["processor"] in told["machine"]
    assert str(run["wall_seconds"]) not in told.values()
