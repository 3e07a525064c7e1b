"""Musical attributes as a condition: what a piece has, lacks, or leaves open.

An attribute is an axis and a value, such as ``instrument:piano``. The names that a model knows are
in the settings of its condition encoder.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kinetune.errors import ConfigError
from kinetune.model.conditioning.harmony import Harmony

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MusicConditions:
    """What a model is told of the music beside dance and genre.

    Attributes:
        harmony: Key and chords, with times of the music; free if None.
        attributes: Musical attributes by name, 1 for one that the music has and -1 for one that it
            lacks; those that are left out are open.
    """

    harmony: Harmony | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)


def complete_attributes(present: Collection[str], names: Sequence[str]) -> dict[str, float]:
    """Return which of a model's attributes a piece has: 1 for those, -1 for all others.

    Args:
        present: All attributes of the piece; those that the model doesn't know are left out.
        names: The attributes that the model knows.
    """
    return {name: 1.0 if name in present else -1.0 for name in names}


def attribute_vector(attributes: Mapping[str, float], names: Sequence[str]) -> "Tensor":
    """Return attributes as the encoder's input, (len(names),), float32.

    Args:
        attributes: 1 for an attribute that the music has, -1 for one that it lacks; those that
            are left out are open, which is 0.
        names: The attributes that the model knows, in its order.

    Raises:
        ConfigError: The model doesn't know one, or a value is not from -1 to 1.
    """
    import torch

    for name, value in attributes.items():
        if name not in names:
            raise ConfigError(f"this model knows no musical attribute {name!r:.60}")
        if not -1.0 <= value <= 1.0:
            raise ConfigError(f"{name}: expected -1 (without) to 1 (with), found {value:g}")
    return torch.tensor([float(attributes.get(name, 0.0)) for name in names])
