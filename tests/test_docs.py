"""The documentation agrees with the code; `make docs` checks links and runs the gallery."""

import importlib.util
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest

from simulator.__main__ import COMMANDS
from simulator.resolve import recipe_named, scheme_labels, scheme_names
from simulator.schemes.joint import JointSchemeConfig
from simulator.storage.environment import ROOT
from tests.commands import WEIGHTS, status

DOCS = ROOT / "docs"
MOST_LINES = 150  # of README.md


@cache
def generated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text()
    listed = index.partition("{toctree}")[2].partition("```")[0].split()
    pages = {page.stem for page in DOCS.glob("[a-z]*.md")} - {"index"}
    assert pages == {name for name in listed if re.fullmatch("[a-z][a-z0-9]*", name)}


@pytest.mark.parametrize("name", scheme_names())
def test_every_scheme_is_documented(name: str) -> None:
    assert any(row.startswith(f"| `{name}` |") for row in generated().schemes())
    assert f"`{name}`" in (DOCS / "schemes.md").read_text()


def test_every_label_and_command_is_in_the_generated_pages() -> None:
    labels, commands = "\n".join(generated().labels()), "\n".join(generated().commands())
    assert all(f"| {meaning} |" in labels for meaning in scheme_labels())
    assert all(f"## semlink {own.click.name}\n" in commands for own in COMMANDS)
    assert "Usage: semlink sweep" in commands


def test_every_command_is_listed_in_commands_md() -> None:
    page = (DOCS / "commands.md").read_text()
    assert all(f"| `semlink {own.click.name}" in page for own in COMMANDS)


def test_recipe_file_in_the_docs_has_the_described_effect(tmp_path: Path) -> None:
    """The file loads, and its SNR range also applies to the baselines, as the page states."""
    text = (DOCS / "training.md").read_text().partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "short_digits.toml"
    path.write_text(text)
    recipe = recipe_named(str(path))
    adaptive = next(own for own in recipe.schemes if own.name == "adjscc")
    assert isinstance(adaptive, JointSchemeConfig)
    assert adaptive.snr_range_db == (0.0, 20.0)
    assert recipe.student.training.epochs == 2
    assert recipe.sweep.channel_uses == (16,)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


def texts() -> str:
    pages = [ROOT / "README.md", ROOT / "results/README.md", *DOCS.glob("*.md")]
    return "\n".join(page.read_text() for page in pages)


def test_modules_and_files_named_in_the_docs_exist() -> None:
    modules = set(re.findall(r"python -m (benchmarks[\w.]+\w)", texts())) - {
        "benchmarks.studies.NAME",
        "benchmarks.tools.NAME",
    }
    assert modules
    for name in modules:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name
    for path in re.findall(r"`((?:simulator|channels|models|benchmarks|tests)/[\w./]+)`", texts()):
        assert (ROOT / path).exists(), path


def every_command() -> Iterator[click.Command]:
    for own in COMMANDS:
        yield own.click
        yield from own.click.commands.values() if isinstance(own.click, click.Group) else ()


def options_of(*names: str) -> set[str]:
    """The options of a command, such as "sweep" or "iq", "write"."""
    found: click.Command = next(own.click for own in COMMANDS if own.click.name == names[0])
    if isinstance(found, click.Group):
        found = found.commands[names[1]]
    return {"--help", *(opt for param in found.params for opt in param.opts)}


def test_options_in_documented_commands_exist() -> None:
    lines = re.sub(r"\\\n\s*", " ", texts()).splitlines()
    shown = [
        (words.split(), line)
        for line in lines
        for words in re.findall(r"semlink ((?:iq )?[a-z]+(?: [^`|#]*)?--[^`|#]*)", line)
    ]
    assert len(shown) > 60
    for words, line in shown:
        for option in (
            own.partition("=")[0].rstrip(",.;:)") for own in words if own.startswith("--")
        ):
            assert option in options_of(*words[:2]), line


def test_threshold_excerpt_matches_the_command_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "commands.md").read_text()
    command = next(own for own in page.splitlines() if own.startswith("semlink threshold"))
    excerpt = page.partition("```text\n")[2].partition("```")[0].splitlines()
    monkeypatch.chdir(ROOT)
    assert status(monkeypatch, *command.split()[1:]) == 0
    printed = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert len(excerpt) > 3
    assert {" ".join(line.split()) for line in excerpt} <= printed


@pytest.mark.parametrize("page", ["README.md", "docs/extending.md"])
def test_first_python_example_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    example = tmp_path / "example.py"
    example.write_text((ROOT / page).read_text().partition("```python\n")[2].partition("```")[0])
    runpy.run_path(str(example))
    assert "rkd_sc" in capsys.readouterr().out


def test_channel_table_matches_the_command_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "channels.md").read_text()
    example = page.partition("## Example")[2]
    command = example.partition("```\n")[2].partition("```")[0].replace("\\\n", " ")
    excerpt = example.partition("```text\n")[2].partition("```")[0].splitlines()
    monkeypatch.chdir(tmp_path)
    asked = [*command.split()[1:], "--workers", "1", "--weights", WEIGHTS]
    assert status(monkeypatch, *asked) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(excerpt) > 12
    begin = printed.index(excerpt[0])
    number = re.compile(r"\b\d+\.\d\b")
    for told, line in zip(excerpt, printed[begin:], strict=False):
        assert number.sub("", told).split() == number.sub("", line).split()
        # another kind of CPU may flip a decision of 750, which is 0.13 %
        values = [float(own) for own in number.findall(told)]
        assert [float(own) for own in number.findall(line)] == pytest.approx(values, abs=0.3)
