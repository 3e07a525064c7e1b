"""Packages that only some commands need: imported when they are needed, or named in one line.

The extras themselves stand in ``pyproject.toml`` (``pip install "kinetune[film]"``).
"""

import contextlib
from collections.abc import Iterator

from kinetune.errors import MissingExtraError


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Import optional packages inside this context.

    Args:
        name: The extra of ``pyproject.toml`` that installs them.

    Raises:
        MissingExtraError: One of them isn't installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'{error.name} isn\'t installed; pip install "kinetune[{name}]" brings it'
        ) from error
