"""What pyproject.toml cannot say: the wheel carries the reference weights and tables it needs."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REFERENCE = Path("results/reference")
SHIPPED = (
    *("digits/weights", "digits/SHA256SUMS", "block_errors"),
    "label_codes/words.safetensors",
    *("cifar100/weights/student.safetensors", "cifar100/SHA256SUMS"),
    "cifar100/weights/training_images.npy",
)


class WithReference(build_py):
    """Copies them to simulator/reference; an editable install finds them in the checkout."""

    def run(self) -> None:
        """Packages, then what is shipped beside them."""
        super().run()
        if not self.editable_mode:
            for file in (path for name in SHIPPED for path in _files(REFERENCE / name)):
                target = Path(self.build_lib) / "simulator/reference" / file.relative_to(REFERENCE)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


setup(cmdclass={"build_py": WithReference})
