"""Who may import whom (STYLE, section 1.2), read from the source text of every file.

Nothing is imported here, so that an import inside a function counts like one at the top.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("channels", "models", "simulator", "benchmarks")
MAY_IMPORT = {
    "channels": {"channels"},
    "models": {"models"},
    "simulator": {"simulator", "channels", "models"},
    "benchmarks": {"benchmarks", "simulator", "channels", "models"},
}
ONLY_IN: dict[str, tuple[str, ...]] = {
    # the crosscheck runs another generation of Sionna, in an interpreter of its own
    "sionna": ("channels/", "benchmarks/crosscheck_tensorflow.py"),
    "tensorflow": ("benchmarks/crosscheck_tensorflow.py",),
    "matplotlib": tuple(
        f"benchmarks/{name}.py" for name in ("figures", "figure_sheet", "cell_figures")
    ),
}
# Formats that run code when they are read, and the calls of torch and others that use them.
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve"}
FORBIDDEN_NAMES = {"torch.load", "torch.save", "pandas.read_pickle"}


def imported(tree: ast.AST, path: str) -> Iterator[str]:
    """Full dotted names of everything that is imported, relative imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = path.split("/")[: -node.level] if node.level else []
            base = [*parents, *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield from _texts(node.args[:1])


def used(tree: ast.AST) -> Iterator[str]:
    """Full dotted names of attributes, with `import a.b as c` and `from a import b` undone."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            head, *tail = ast.unparse(node).split(".")
            yield ".".join([names.get(head, head), *tail])
    yield from names.values()


def violations(source: str, path: str) -> list[str]:
    """What the file does that it may not, one line each; `path` is relative, with slashes."""
    tree = ast.parse(source, filename=path)
    package = path.split("/")[0]
    found = []
    for name in imported(tree, path):
        top = name.split(".")[0]
        if package in MAY_IMPORT and top in PACKAGES and top not in MAY_IMPORT[package]:
            found.append(f"{path} imports {name}, but {package} may not import {top}")
        if package in MAY_IMPORT and not path.startswith(ONLY_IN.get(top, "")):
            found.append(f"{path} imports {name}, but {top} belongs to {ONLY_IN[top][0]} alone")
        if top == "tests" and package != "tests":
            found.append(f"{path} imports {name}, but nothing imports tests")
        if top in FORBIDDEN_MODULES:
            found.append(f"{path} imports {name}, which runs code from files")
    for name in sorted(FORBIDDEN_NAMES.intersection(used(tree))):
        found.append(f"{path} uses {name}, which pickles; use safetensors or parquet")
    return found


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    """String constants; of an f-string the text before its first field."""
    for node in nodes:
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def test_every_file_keeps_to_the_import_rules() -> None:
    files = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    assert {path.relative_to(ROOT).parts[0] for path in files} == {*PACKAGES, "tests"}
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        found += violations(path.read_text(encoding="utf-8"), name)
    # the command line finds recipes and figures by name at run time, in this one place
    allowed = "simulator/commands/shared.py imports benchm"
    found = [line for line in found if not line.startswith(allowed)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("channels/awgn.py", "from models.cat import Cat"),
        ("channels/awgn.py", "import simulator"),
        ("models/cat.py", "from channels import units"),
        ("models/cat.py", "def f():\n    import channels.units"),
        ("models/deep/cat.py", "from ...channels import units"),
        ("models/cat.py", "from .. import simulator"),
        ("simulator/link.py", "from benchmarks.recipes import digits"),
        ("simulator/link.py", "import importlib\nimportlib.import_module('benchmarks.recipes')"),
        (
            "simulator/link.py",
            "from importlib import import_module\nimport_module(f'benchmarks.{x}')",
        ),
        ("simulator/link.py", "import sionna.phy"),
        ("models/cat.py", "from sionna.phy.channel import AWGN"),
        ("benchmarks/report.py", "import matplotlib.pyplot as plt"),
        ("benchmarks/crosscheck.py", "import sionna.phy"),
        ("channels/ldpc.py", "import tensorflow as tf"),
        ("simulator/doctor.py", "from matplotlib import figure"),
        ("models/cat.py", "import tests.contracts"),
        ("simulator/records.py", "import pickle"),
        ("tests/test_x.py", "from pickle import loads"),
        ("simulator/records.py", "import torch\ntorch.save({}, 'x')"),
        ("simulator/records.py", "import torch as t\nt.load('x')"),
        ("tests/test_x.py", "from torch import load as l\nl('x')"),
        ("simulator/data.py", "import pandas as pd\npd.read_pickle('x')"),
    ],
)
def test_checker_finds_forbidden_imports(path: str, source: str) -> None:
    assert len(violations(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "channels/awgn.py",
            "def f():\n    import sionna.phy\n    from channels.base import Channel",
        ),
        ("models/cat.py", "import torch\nfrom models import blocks\nfrom . import base"),
        ("simulator/link.py", "from channels.base import Channel\nfrom models import CatCodec"),
        ("benchmarks/figures.py", "import matplotlib.style\nfrom simulator.records import ROOT"),
        ("benchmarks/crosscheck_tensorflow.py", "import sionna.phy\nimport tensorflow as tf"),
        ("benchmarks/baselines/x.py", "from ..recipes import digits\nimport channels.units"),
        ("simulator/records.py", "from safetensors.torch import load_file, save_file"),
        ("simulator/data.py", "class torchlike:\n    load = 1\ntorchlike.load"),
        ("tests/channels/test_x.py", "import sionna.phy\nimport models\nimport matplotlib"),
    ],
)
def test_checker_lets_pass_what_is_allowed(path: str, source: str) -> None:
    assert violations(source, path) == []
