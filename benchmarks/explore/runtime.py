"""ONNX Runtime for the browser: a fixed version of onnxruntime-web from npm, checked by its hash.

npm fetches the package, because it knows the user's registry and proxy. The files that the page
needs are kept in the cache folder.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import torch

from simulator.data.cache import kept
from simulator.errors import UserError

VERSION: Final = "1.30.0"
PACKAGE: Final = f"onnxruntime-web@{VERSION}"
SHA512: Final = (  # of the package: `dist.integrity` in the registry
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
FILES: Final = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def runtime() -> dict[str, bytes]:
    """The files of the runtime by name, from the cache or the registry.

    Raises: UserError if npm is missing or fails, or the package has another hash than `SHA512`.
    """
    found = kept("onnxruntime_web.safetensors", f"{PACKAGE} {SHA512}", _fetched)
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


def _fetched() -> dict[str, torch.Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        package = _packed(Path(folder))
        check(package.read_bytes())
        with tarfile.open(package) as archive:
            return {name: _bytes(archive, f"package/dist/{name}") for name in FILES}


def _packed(folder: Path) -> Path:
    """Fetch the package with npm; returns its path. Raises: UserError if this fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"the page needs {PACKAGE}, which npm fetches once; install npm (on Debian: apt-get "
            "install npm)"
        )
    command = [npm, "pack", PACKAGE, "--silent", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    packages = list(folder.glob("*.tgz"))
    if done.returncode or len(packages) != 1:
        last = (done.stderr.strip().splitlines() or ["no package"])[-1]
        raise UserError(f"npm cannot fetch {PACKAGE}: {last}; check the network, then run it again")
    return packages[0]


def check(package: bytes) -> None:
    """Check the hash of a package. Raises: UserError if it is not `SHA512`."""
    found = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != SHA512:
        raise UserError(
            f"{PACKAGE} must have the SHA-512 {SHA512[:16]}..., got {found[:16]}...; the registry "
            "that npm uses has a different file"
        )


def _bytes(archive: tarfile.TarFile, name: str) -> torch.Tensor:
    file = archive.extractfile(name)
    assert file is not None
    return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
