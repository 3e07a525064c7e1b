"""The dance and the configurations that come with the package."""

from pathlib import Path

from kinetune.errors import ConfigError

# In an installed package beside the modules (setup.py), in a checkout at its top.
_PACKAGE = Path(__file__).parent
_ROOTS = (_PACKAGE / "data", _PACKAGE.parent)
_DANCE = "examples/gBR_sBM_cAll_d04_mBR2_ch08.pkl"


def example_dance() -> Path:
    """Return the motion file of a break dance (AIST++, Google LLC, CC BY 4.0).

    Raises:
        ConfigError: The installation lacks it.
    """
    return bundled_file(_DANCE)


def bundled_file(name: str) -> Path:
    """Return a file that comes with the package, such as ``configs/tiny.toml``.

    Raises:
        ConfigError: There is none of that name.
    """
    for root in _ROOTS:
        if (root / name).is_file():
            return root / name
    raise ConfigError(f"{name}: does not come with this installation of kinetune")
