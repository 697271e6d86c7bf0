"""Numbers in texts: expressions, checks against tables, rewriting, and errors."""

import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.tools.claims import __main__ as command
from benchmarks.tools.claims.coverage import numbers
from benchmarks.tools.claims.tables import Tables
from benchmarks.tools.claims.values import Expression, evaluate
from benchmarks.tools.claims.words import placeholders
from simulator.errors import UserError

LISTING = """
[sweep]
keys = ["scheme", "snr_db"]
percent = ["accuracy"]
[sweep.files]
main = "main.csv"

[facts]
[facts.files]
facts = "facts.json"
"""
TABLE = """scheme,snr_db,images,accuracy
a,-10.0,50,0.1
a,0.0,50,0.615
a,10.0,50,0.7
b,0.0,50,0.5
b,-10.0,50,0.2
b,10.0,50,inf
"""
CLAIMS = """
text = "README.md"

[[claim]]
words = "`a` has {a| / } % at three SNRs, at least {least:0floor} %."
a = "main a *: accuracy"
least = { min = "main a *: accuracy" }
holds = [{ of = "main a *: accuracy", above = 5 }]

[[except]]
words = "of 3.5 kHz"
reason = "setting"
"""
EACH = """
[[claim]]
each = [["a", "-10"], ["b", "0"]]
words = "| $1 | {x} |"
x = "main $1 $2: accuracy"
"""
TEXT = "# A link of 3.5 kHz\n\n`a` has 10.0 /\r\n61.5 / 70.0 % at three\n  SNRs, at least 10 %.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in {
        "docs/claims/tables.toml": LISTING,
        "docs/claims/readme.toml": CLAIMS,
        "results/reference/main.csv": TABLE,
        "results/reference/facts.json": '{"size": {"mean": 0.25, "all": [1, 2]}}',
        "README.md": TEXT,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return tmp_path


@pytest.fixture
def tables(root: Path) -> Tables:
    return Tables(root / "docs/claims/tables.toml", root / "results/reference")


def problems(root: Path) -> list[str]:
    return [problem for text in command.checked(root) for problem in text.problems]


def replace(path: Path, old: str, new: str) -> None:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("main a 10,-10: snr_db,accuracy", [10, 70, -10, 10]),
        ("main * -10: accuracy", [10, 20]),
        ("main a * accuracy>20: snr_db", [0, 10]),
        ("main 'a' *: images", [50, 50, 50]),
        ("main b * accuracy>0: snr_db", [-10, 0]),
        ("facts: size.mean,size.all.1", [Decimal("0.25"), 2]),
        ({"range": "main a *: accuracy"}, [10, 70]),
        ({"minus": ["main a -10,0: accuracy", "main b -10,0: accuracy"]}, [-10, Decimal("11.5")]),
        ({"minus": [100, "main a -10,0: accuracy"]}, [90, Decimal("38.5")]),
        ({"larger": ["main a -10,0: accuracy", "main b -10,0: accuracy"]}, [20, Decimal("61.5")]),
        ({"times": [2, {"ratio": ["main a 10: accuracy", 100]}]}, [Decimal("1.4")]),
        ({"mean": {"list": [1, 2, {"negative": {"abs": -6}}]}}, [-1]),
        ({"means": [{"list": [1, 3, 5, 9]}, 2]}, [2, 7]),
        ({"sum": "main a *: images"}, [150]),
        ({"count": "main a *: accuracy", "at_least": 60, "below": 70}, [1]),
        ({"count": "main a * accuracy>99: accuracy"}, [0]),
        ({"keep": ["main a *: snr_db", "main a *: accuracy"], "above": 50}, [0, 10]),
        ({"since": ["main a *: snr_db", "main a *: accuracy"], "above": 50}, [0]),
        ({"until": ["main a *: snr_db", "main a *: accuracy"], "at_most": 65}, [0]),
        ({"at_max": ["main a *: snr_db", "main a *: accuracy"]}, [10]),
        ({"at_min": ["main a *: snr_db", "main a *: accuracy"]}, [-10]),
        ({"crossing": [{"list": [0, 4]}, {"list": [-1, 3]}]}, [1]),
    ],
)
def test_expressions_match_hand_computed_values(
    expression: Expression, expected: list[Decimal | int], tables: Tables
) -> None:
    assert evaluate(expression, tables) == expected


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("main a 5: accuracy", "must give 1 rows, got 0"),
        ("main c *: accuracy", "must give some rows, got 0"),
        ("main a: accuracy", "must give the keys scheme snr_db, got 1 of them"),
        ("main a 0: acuracy", "no column acuracy; did you mean accuracy?"),
        ("main a * acuracy>1: snr_db", "no column acuracy; did you mean accuracy?"),
        ("mian a 0: accuracy", "got mian; did you mean main?"),
        ("main b 10: accuracy", "must be a number, got 'inf'"),
        ("main a 0", "must be `TABLE KEY ...: COLUMN`"),
        ({"median": "main a *: accuracy"}, "must hold one known operation, got ['median']"),
        ({"max": "main a 0: accuracy", "min": 0}, "must hold one known operation"),
        ({"max": "main a * accuracy>99: accuracy"}, "no row meets the conditions"),
        (
            {"minus": ["main a *: accuracy", {"list": [1, 2]}]},
            "the same length and not be empty, got 3, 2",
        ),
        ({"keep": ["main a *: snr_db", "main a 0: accuracy"]}, "have the same length"),
        ({"at_max": ["main a *: snr_db", "main a 0: accuracy"]}, "have the same length"),
        ({"max": ["main a *: accuracy", 3]}, "max does not take this number of arguments"),
        ({"ratio": [1, 0]}, "must not divide by zero"),
        ({"since": ["main a *: snr_db", "main a *: accuracy"], "above": 99}, "but none is"),
        ({"crossing": ["main a *: snr_db", "main a *: accuracy"]}, "but there is none"),
    ],
)
def test_invalid_expressions_raise_errors(
    expression: Expression, told: str, tables: Tables
) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        evaluate(expression, tables)


def test_duplicate_rows_raise_an_error(root: Path, tables: Tables) -> None:
    replace(root / "results/reference/main.csv", "b,0.0", "a,0.0")
    with pytest.raises(UserError, match="must give 1 rows, got 2"):
        evaluate("main a 0: accuracy", tables)


@pytest.mark.parametrize(
    ("words", "number", "written"),
    [
        ("{x}", "0.25", "0.3"),
        ("{x}", "-0.25", "-0.3"),
        ("{x}", "-0.04", "0.0"),
        ("{x:+1}", "-0.04", "0.0"),
        ("{x:+1}", "0.26", "+0.3"),
        ("{x:0}", "48.5", "49"),
        ("{x:0floor}", "98.98", "98"),
        ("{x:1floor}", "98.98", "98.9"),
        ("{x:1ceil}", "3.31", "3.4"),
        ("{x:1ceil}", "3.3000000000000003", "3.3"),
        ("{x:,-2}", "13946.4", "13,900"),
        ("{x:2}", "1", "1.00"),
    ],
)
def test_numbers_are_rounded_as_decimals(words: str, number: str, written: str) -> None:
    (placeholder,) = placeholders(words)
    assert placeholder.written([Decimal(number)]) == [written]


def test_several_numbers_need_a_separator() -> None:
    (placeholder,) = placeholders("{x}")
    with pytest.raises(UserError, match=r"\{x\} must be one number, got 2"):
        placeholder.written([Decimal(1), Decimal(2)])


def test_invalid_placeholders_raise_an_error() -> None:
    with pytest.raises(UserError, match="braces must hold a placeholder"):
        placeholders("{x:one}")


def test_text_that_matches_its_tables_has_no_problems(root: Path) -> None:
    assert problems(root) == []


def test_write_updates_only_the_numbers_of_changed_tables(root: Path) -> None:
    replace(root / "results/reference/main.csv", "0.615", "0.5949")
    replace(root / "results/reference/main.csv", "a,-10.0,50,0.1", "a,-10.0,50,0.0999")
    assert [problem.partition(";")[0] for problem in problems(root)] == [
        "README.md:4: the text has 61.5, its table 59.5",
        "README.md:5: the text has 10, its table 9",
    ]
    command.write(root)
    assert problems(root) == []
    expected = TEXT.replace("61.5", "59.5").replace("least 10", "least 9")
    assert (root / "README.md").read_bytes() == expected.encode()


def test_write_can_extend_a_list_of_numbers(root: Path) -> None:
    replace(root / "results/reference/main.csv", "b,0.0", "a,20.0")
    command.write(root)
    assert "`a` has 10.0 / 61.5 / 70.0 / 50.0 % at three" in (root / "README.md").read_text()
    assert problems(root) == []


def test_violated_bounds_are_reported(root: Path) -> None:
    replace(root / "docs/claims/readme.toml", "above = 5", "above = 10")
    assert problems(root) == [
        "README.md: must hold but does not: (main a *: accuracy) above 10 "
        '(words "`a` has {a| / } % at three SNRs, at least {least:0floor} %.")'
    ]


@pytest.mark.parametrize("bound", ["", "at_lest = 5, above = 1"])
def test_unknown_bounds_are_reported(root: Path, bound: str) -> None:
    replace(root / "docs/claims/readme.toml", ", above = 5", f", {bound}" if bound else "")
    assert "a bound must be `of` with one of ['above', 'at_least'" in problems(root)[0]


@pytest.mark.parametrize("copies", [0, 2])
def test_words_must_appear_exactly_once_in_the_text(root: Path, copies: int) -> None:
    sentence = TEXT[TEXT.index("`a`") :]
    replace(root / "README.md", sentence, sentence * copies)
    assert f"must stand once in the text, but stand {copies} times" in problems(root)[0]


def test_placeholders_without_a_source_are_reported(root: Path) -> None:
    replace(root / "docs/claims/readme.toml", "least = {", "most = {")
    assert "must have a source, got those of ['a', 'most']" in problems(root)[0]


def test_numbers_with_two_claims_are_reported(root: Path) -> None:
    twice = '\n[[claim]]\nwords = "has {x} / 61.5"\nx = "main b 0: accuracy"\n'
    with (root / "docs/claims/readme.toml").open("a") as file:
        file.write(twice)
    (problem,) = problems(root)
    assert "10.0 must have one claim, but has two" in problem


def test_numbers_without_a_claim_are_reported_in_every_text(root: Path) -> None:
    replace(root / "README.md", "# A", "It gains 2 points.\n# A")
    (root / "docs/new.md").write_text("A factor of 1.5.\n")
    assert problems(root) == [
        "README.md:1: 2 must have a claim or an exception: It gains 2 points.",
        "docs/new.md:1: 1.5 must have a claim or an exception: A factor of 1.5.",
    ]


def test_words_of_an_exception_must_appear_in_the_text(root: Path) -> None:
    replace(root / "README.md", "3.5 kHz", "4 kHz")
    assert problems(root) == [
        "README.md: the words of an exception must stand in the text, but do not "
        '(words "of 3.5 kHz")'
    ]


def test_section_exception_ends_at_the_next_heading_of_its_level(root: Path) -> None:
    sidecar = root / "docs/claims/readme.toml"
    replace(sidecar, 'words = "of 3.5 kHz"', 'section = "Trials"')
    replace(root / "README.md", TEXT, "# Trials\n1.5\n## More\n2.5\n# Results\n3.5\n")
    uncovered = [problem for problem in problems(root) if "must have a claim" in problem]
    assert uncovered == ["README.md:6: 3.5 must have a claim or an exception: 3.5"]


def test_each_expands_to_one_claim_per_row(root: Path) -> None:
    with (root / "docs/claims/readme.toml").open("a") as file:
        file.write(EACH)
    with (root / "README.md").open("a") as file:
        file.write("\n| a | 10.0 |\n| b | 51.0 |\n")
    assert [problem.partition(";")[0] for problem in problems(root)] == [
        "README.md:8: the text has 51.0, its table 50.0"
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It has 73 % or 1 point, 5 to 7 points, 42 / 71 %.", "73 1 5 7 42 71"),
        ("(71.9 to 74.4), 13,900 of +-0.3", "71.9 74.4 13,900 0.3"),
        ("k = 256 and 12 dB, `0.5 %`, [a](b_1.5), 95 % intervals, Python 3.11, x2.5, 2.2.1", ""),
        ("```\n0.5 %\n```\nsection 7.7, arXiv 2508.02148", ""),
    ],
)
def test_numbers_that_need_a_source_are_found(text: str, found: str) -> None:
    assert " ".join(slot.text for slot in numbers(text)) == found


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ("text = ", "must be TOML"),
        ('[[claim]]\nwords = "kHz"', "must name its text"),
        ('text = "README.md"\n[[claim]]\nx = 1', "must have words"),
        ('text = "README.md"\n[[except]]\nwords = "3.5"', "and a reason"),
    ],
)
def test_invalid_claim_files_raise_one_line_errors(
    claims: str,
    told: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (root / "docs/claims/readme.toml").write_text(claims)
    monkeypatch.setattr(sys, "argv", ["claims", "--write", "--root", str(root)])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert told in error
    assert error.count("\n") == 1
    assert (root / "README.md").read_bytes() == TEXT.encode()


@pytest.mark.parametrize(("accuracy", "status"), [("0.7", 0), ("0.8", 1)])
def test_command_prints_every_number_with_its_source(
    accuracy: str,
    status: int,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replace(root / "results/reference/main.csv", "a,10.0,50,0.7", f"a,10.0,50,{accuracy}")
    monkeypatch.setattr(sys, "argv", ["claims", "--root", str(root)])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    printed = capsys.readouterr().out.splitlines()
    assert stopped.value.code == status
    assert printed[0] == "README.md:3  10.0  main a *: accuracy"
    assert printed[3] == "README.md:5  10  min(main a *: accuracy)"
    assert printed[-1] == f"4 numbers of 1 texts, {status} problems"


def test_repository_texts_agree_with_the_committed_tables() -> None:
    texts = command.checked(command.ROOT)
    assert sum(len(text.sourced) for text in texts) > 500
    assert [problem for text in texts for problem in text.problems] == []
