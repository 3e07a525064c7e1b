"""What a model needs of a set of songs: sample rate, channels, loudness, units of its features."""

from dataclasses import dataclass

from kinetune.errors import ConfigError
from kinetune.model import checkpoint
from kinetune.model.normaliser import FeatureNormaliser
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
    with checkpoint.loading_errors(str(folder)):
        normaliser = FeatureNormaliser.from_pretrained(folder / "normaliser")
    if normaliser.config.features != FEATURES:
        raise ConfigError(
            f"{name}: its motion features are {normaliser.config.features!r}, which music has not; "
            "choose a model of preset 'default' or 'mono'"
        )
    offset, scale = (
        part.detach().float().numpy() for part in (normaliser.offset, normaliser.scale)
    )
    return ModelForm(
        rate_hz=int(mel["rate_hz"]),
        channels=2 if index["mel"][1] == "StereoMel" else 1,
        training_lufs=float(index["settings"].get("training_lufs", -19.0)),
        body=BodyStatistics(offset, scale),
    )
