"""What pyproject.toml cannot say: the wheel carries the reference weights and tables it needs."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REFERENCE = Path("results/reference")
SHIPPED = ("digits/weights", "block_errors")  # below REFERENCE


class WithReference(build_py):
    """Copies them to simulator/reference; an editable install finds them in the checkout."""

    def run(self) -> None:
        """Packages, then what is shipped beside them."""
        super().run()
        if not self.editable_mode:
            for name in SHIPPED:
                target = Path(self.build_lib) / "simulator/reference" / name
                shutil.copytree(REFERENCE / name, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithReference})
