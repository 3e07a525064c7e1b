"""What a model needs of a set of songs: sample rate, channels, loudness, units of its features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from kinetune.errors import ConfigError, ModelError
from kinetune.model import checkpoint
from kinetune.motion.features import RHYTHM_FEATURE_COUNT
from kinetune.training.songs.curves import BodyStatistics

FEATURES = "rhythm"


@dataclass(frozen=True, eq=False)
class ModelForm:
    """What a model needs of its training data.

    Attributes:
        rate_hz: Samples per second of its music.
        channels: Its channels, 1 or 2.
        training_lufs: Integrated loudness of its training music, LUFS.
        body: Mean and deviation of the motion features it was trained on.
    """

    rate_hz: int
    channels: int
    training_lufs: float
    body: BodyStatistics


def model_form(name: str) -> ModelForm:
    """Return what a model needs, from its settings and its normaliser alone.

    Args:
        name: A bundled name, a checkpoint folder, or a hub id.

    Raises:
        ModelError: It is missing or damaged.
        ConfigError: It doesn't read rhythm features, which can be read off music.
    """
    folder = checkpoint.resolve(name)
    index = checkpoint.read_json(folder / "model_index.json")
    mel = checkpoint.read_json(folder / "mel" / checkpoint.COMPONENTS["mel"])
    read = checkpoint.read_json(folder / "normaliser" / checkpoint.COMPONENTS["normaliser"])
    if read.get("features", FEATURES) != FEATURES:
        raise ConfigError(
            f"{name}: its motion features are {read['features']!r}, which music has not; "
            "choose a model of preset 'default' or 'mono'"
        )
    return ModelForm(
        rate_hz=int(mel["rate_hz"]),
        channels=2 if index["mel"][1] == "StereoMel" else 1,
        training_lufs=float(index["settings"].get("training_lufs", -19.0)),
        body=_body_statistics(folder / "normaliser" / checkpoint.WEIGHTS),
    )


def _body_statistics(path: Path) -> BodyStatistics:
    """Return the figures of a normaliser."""
    shapes = checkpoint.tensor_shapes(path)
    for figure in ("offset", "scale"):
        if shapes.get(figure) != (RHYTHM_FEATURE_COUNT,):
            raise ModelError(
                f"{path}: damaged, expected {RHYTHM_FEATURE_COUNT} numbers of {figure!r}, found "
                f"{shapes.get(figure)}"
            )
    figures = load_file(path)
    return BodyStatistics(*(figures[name].astype(np.float32) for name in ("offset", "scale")))
