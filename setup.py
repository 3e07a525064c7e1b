"""Puts ``configs/`` and the example dance into the built package; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithData(build_py):
    """Copies what stands at the top of a checkout to ``kinetune/data`` of a wheel."""

    def run(self) -> None:
        """Build the modules, then copy."""
        super().run()
        if self.editable_mode:
            return
        data = Path(self.build_lib) / "kinetune" / "data"
        for pattern in ("configs/*.toml", "examples/*.pkl"):
            for source in sorted(Path().glob(pattern)):
                target = data / source
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithData})
