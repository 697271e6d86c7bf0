"""What pyproject.toml cannot say: the wheel carries the weights, tables and entries it needs."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESULTS = Path("results")
SHIPPED = (
    *("reference/digits/weights", "reference/digits/SHA256SUMS", "reference/block_errors"),
    "reference/label_codes/words.safetensors",
    *("reference/cifar100/weights/student.safetensors", "reference/cifar100/SHA256SUMS"),
    "reference/cifar100/weights/training_images.npy",
    *("open/digits", "open/cifar100"),  # entries of the open benchmark
)


class WithReference(build_py):
    """Copies them into simulator/; an editable install finds them in the checkout."""

    def run(self) -> None:
        """Packages, then what is shipped beside them."""
        super().run()
        if not self.editable_mode:
            for file in (path for name in SHIPPED for path in _files(RESULTS / name)):
                target = Path(self.build_lib) / "simulator" / file.relative_to(RESULTS)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


setup(cmdclass={"build_py": WithReference})
