"""Names that are available before any heavy import."""

import subprocess
import sys

import pytest

from benchmarks.recipes import RECIPES
from simulator import names
from simulator.errors import UserError
from simulator.parse import parse_channels, parse_recipe, parse_scheme, parse_schemes
from simulator.schemes.contract import split_name

TYPING_ERRORS = """
import sys
from simulator.__main__ import main
for line in (["digts"], ["digits", "--schemes", "rkdsc"], ["digits", "--channels", "raleigh"],
             ["digits", "--seed", "x"], ["digits", "--scheme", "adjscc"]):
    sys.argv = ["semlink", "sweep", *line]
    try:
        main()
    except SystemExit as stop:
        assert stop.code == 2
print("torch" in sys.modules, "numpy" in sys.modules)
"""


def test_names_match_the_recipes() -> None:
    recipes = [make() for make in RECIPES]
    assert tuple(recipe.name for recipe in recipes) == names.RECIPES
    kinds = (split_name(own.name)[0] for recipe in recipes for own in recipe.schemes)
    assert tuple(dict.fromkeys(kinds)) == names.SCHEMES


def test_misspelt_arguments_are_reported_without_importing_torch() -> None:
    command = [sys.executable, "-c", TYPING_ERRORS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    told = done.stderr.splitlines()
    assert len(told) == 5
    for line, meant in zip(told, ("digits", "rkd_sc", "rayleigh"), strict=False):
        assert line.endswith(f"; did you mean {meant}?")


def test_names_are_case_insensitive() -> None:
    assert parse_recipe("Digits") == "digits"
    assert parse_channels("AWGN,Rician:4,awgn") == ("awgn", "rician:4")
    asked = parse_schemes("RKD_SC:+3DB,Separate:WEBP,ALL,rkd_sc:+3dB")
    assert asked == ("rkd_sc:+3dB", "separate:webp", "all")


@pytest.mark.parametrize("text", ["", "rkdsc", "rkd_sc,,adjscc"])
def test_unknown_scheme_names_raise_an_error(text: str) -> None:
    with pytest.raises(UserError, match="^--schemes: unknown scheme '.*'; choose from rkd_sc,"):
        parse_schemes(text)


def test_parse_scheme_keeps_known_names_and_suggests_corrections() -> None:
    assert parse_scheme("mine:A", known=("Mine",)) == "Mine:a"
    with pytest.raises(UserError, match=r"^unknown scheme 'rkd-sc'; .*; did you mean rkd_sc\?$"):
        parse_scheme("rkd-sc", option="")
