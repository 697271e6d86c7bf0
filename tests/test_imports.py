"""Import rules between packages (docs/code.md, "Where things are"), checked in every source file.

Nothing is imported here, so that an import inside a function counts like one at the top.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
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
    # the crosscheck runs Sionna 1.2 on TensorFlow in its own interpreter
    "sionna": ("channels/", "benchmarks/studies/crosscheck/tensorflow_side.py"),
    "tensorflow": ("benchmarks/studies/crosscheck/tensorflow_side.py",),
    "matplotlib": ("benchmarks/figures/",),
    "onnx": ("simulator/export/",),
    "onnxruntime": ("simulator/export/",),
    "altair": ("benchmarks/report/",),
    "vl_convert": ("benchmarks/report/",),
    "sigmf": ("simulator/radio/recording.py",),
    "tqdm": ("simulator/progress.py",),
}
REACHES_BENCHMARKS = "simulator/resolve.py"  # turns names into objects on request
# From the bottom up; each part imports only from itself and from the parts before it.
LAYERS = {
    "simulator": [
        *("names", "errors", "progress", "memory", "device", "statistics", "parse", "left_out"),
        *("storage", "data", "scheme", "description"),
        *("training", "schemes", "engine", "measures", "radio", "search", "export"),
        *("arguments", "resolve"),
        *("commands",),
        "__main__",
    ],
    "benchmarks": [
        *("baselines", "recipes", "figures", "report", "explore", "open"),
        *("studies", "speed", "tools", "waveform"),
    ],
}
APART = {"studies", "speed", "tools", "waveform"}  # independent: none imports another
MOST_FILES = 16  # per folder
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
    """Full dotted names of attributes, with `import a.b as c` and `from a import b` resolved."""
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


def safe(tree: ast.Module) -> set[str]:
    """`torch.load` if every use sets `weights_only=True`, as third-party files need."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = [call for call in calls if ast.unparse(call.func) == "torch.load"]
    tensors = [
        call
        for call in called
        for own in call.keywords
        if own.arg == "weights_only" and ast.unparse(own.value) == "True"
    ]
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    every = [node for node in named if ast.unparse(node) == "torch.load"]
    return {"torch.load"} if every and len(tensors) == len(every) else set()


def violations(source: str, path: str) -> list[str]:
    """Violations of the rules in a file, one line each; `path` is relative, with slashes."""
    tree = ast.parse(source, filename=path)
    found = [
        f"{path} imports {name}, but {why}"
        for name in imported(tree, path)
        for why in [*_trespasses(path, name), *_dangers(path, name)]
    ]
    for name in sorted(FORBIDDEN_NAMES.intersection(used(tree)) - safe(tree)):
        found.append(f"{path} uses {name}, which pickles; use safetensors or parquet")
    return found


def _trespasses(path: str, name: str) -> Iterator[str]:
    package, top = path.split("/")[0], name.split(".")[0]
    allowed = MAY_IMPORT.get(package, set(PACKAGES))
    if top in PACKAGES and top not in allowed and path != REACHES_BENCHMARKS:
        yield f"{package} may not import {top}"
    if above(path, name):
        yield "that stands above it"


def _dangers(path: str, name: str) -> Iterator[str]:
    package, top = path.split("/")[0], name.split(".")[0]
    if package in MAY_IMPORT and not path.startswith(ONLY_IN.get(top, "")):
        yield f"{top} belongs to {ONLY_IN[top][0]} alone"
    if top == "tests" and package != "tests":
        yield "nothing imports tests"
    if top in FORBIDDEN_MODULES:
        yield "that runs code from files"


def above(path: str, name: str) -> bool:
    """Whether a file imports a higher layer of its own package."""
    package, own = path.removesuffix(".py").split("/")[:2]
    top, *other = name.split(".")
    layers = LAYERS.get(package, [])
    if top != package or own not in layers or not other or other[0] not in layers:
        return False
    beside = own in APART and other[0] in APART and own != other[0]
    return beside or layers.index(other[0]) > layers.index(own)


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of an import cycle, in order; empty if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    """String constants; of an f-string the text before its first field."""
    for node in nodes:
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def test_every_file_follows_the_import_rules() -> None:
    files = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    assert {path.relative_to(ROOT).parts[0] for path in files} == {*PACKAGES, "tests"}
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        found += violations(path.read_text(encoding="utf-8"), name)
    assert not found, "\n".join(found)


def test_there_are_no_import_cycles() -> None:
    names = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*.py")
    }
    imports: dict[str, set[str]] = {}
    for name, path in names.items():
        if name == REACHES_BENCHMARKS.removesuffix(".py").replace("/", "."):
            continue  # imports lazily; within simulator, only commands import it
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = set(imported(tree, path.relative_to(ROOT).as_posix()))
        imports[name] = {
            module
            for full in found
            for module in (full, full.rpartition(".")[0])
            if module in names and module != name
        }
    assert circle(imports) == []


def test_no_folder_holds_too_many_files() -> None:
    for package in PACKAGES:
        for folder in [ROOT / package, *(ROOT / package).rglob("*/")]:
            files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(files) <= MOST_FILES, f"{folder} holds {len(files)} files"


def test_every_part_of_a_package_is_in_layers() -> None:
    for package, layers in LAYERS.items():
        found = {path.stem for path in (ROOT / package).glob("*") if any(path.rglob("*.py"))}
        found |= {path.stem for path in (ROOT / package).glob("*.py")}
        assert found - {"__init__", "__pycache__"} == set(layers)


def test_import_cycles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("channels/awgn.py", "from models.codecs.cat import Cat"),
        ("channels/awgn.py", "import simulator"),
        ("models/codecs/cat.py", "from channels import units"),
        ("models/codecs/cat.py", "def f():\n    import channels.units"),
        ("models/deep/cat.py", "from ...channels import units"),
        ("models/codecs/cat.py", "from ... import simulator"),
        ("simulator/link.py", "from benchmarks.recipes import digits"),
        ("simulator/link.py", "import importlib\nimportlib.import_module('benchmarks.recipes')"),
        (
            "simulator/link.py",
            "from importlib import import_module\nimport_module(f'benchmarks.{x}')",
        ),
        ("simulator/data/folders.py", "from simulator.resolve import draw"),
        ("benchmarks/baselines/x.py", "from benchmarks.recipes import digits"),
        ("benchmarks/studies/torture.py", "def f():\n    import benchmarks.tools.halve"),
        ("simulator/link.py", "import sionna.phy"),
        ("models/codecs/cat.py", "from sionna.phy.channel import AWGN"),
        ("benchmarks/tools/report.py", "import matplotlib.pyplot as plt"),
        ("benchmarks/studies/crosscheck/compare.py", "import sionna.phy"),
        ("channels/digital/ldpc.py", "import tensorflow as tf"),
        ("simulator/measures/doctor.py", "from matplotlib import figure"),
        ("models/codecs/cat.py", "import tests.contracts"),
        ("simulator/records.py", "import pickle"),
        ("tests/test_x.py", "from pickle import loads"),
        ("simulator/records.py", "import torch\ntorch.save({}, 'x')"),
        ("simulator/records.py", "import torch as t\nt.load('x')"),
        ("tests/test_x.py", "from torch import load as l\nl('x')"),
        ("simulator/records.py", "import torch\ntorch.load('x', weights_only=False)"),
        (
            "simulator/records.py",
            "import torch\ntorch.load('x', weights_only=True)\na = torch.load",
        ),
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
        ("models/codecs/cat.py", "import torch\nfrom models import blocks\nfrom . import base"),
        ("models/encoders/x.py", "import torch\ntorch.load('x', weights_only=True)"),
        ("simulator/link.py", "from channels.base import Channel\nfrom models import CatCodec"),
        (
            "benchmarks/figures/draw.py",
            "import matplotlib.style\nfrom simulator.storage.environment import ROOT",
        ),
        (
            "benchmarks/studies/crosscheck/tensorflow_side.py",
            "import sionna.phy\nimport tensorflow as tf",
        ),
        ("benchmarks/recipes/x.py", "from ..baselines import separate\nimport channels.units"),
        ("simulator/resolve.py", "def f():\n    from benchmarks.recipes import digits"),
        ("simulator/engine/run.py", "from simulator.schemes.experiment import build_scheme"),
        ("simulator/records.py", "from safetensors.torch import load_file, save_file"),
        ("simulator/data.py", "class torchlike:\n    load = 1\ntorchlike.load"),
        ("tests/channels/test_x.py", "import sionna.phy\nimport models\nimport matplotlib"),
    ],
)
def test_checker_accepts_allowed_imports(path: str, source: str) -> None:
    assert violations(source, path) == []


def test_worker_processes_can_import_the_requests_of_studies() -> None:
    """A worker of `python -m PACKAGE` does not import PACKAGE.__main__, so nothing is there."""
    mains = [*(ROOT / "benchmarks").glob("**/__main__.py")]
    assert mains
    assert [own for own in mains if "done_by_workers" in own.read_text(encoding="utf-8")] == []
