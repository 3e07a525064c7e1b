"""kinetune: generate music for a 3D dance that follows its tempo, accents and energy.

>>> import kinetune
>>> music = kinetune.generate("dance.bvh", genre="house", bpm=112)
>>> music.save("dance.wav")

Importing this package is cheap: PyTorch and other libraries are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from kinetune.api import (
        dance_from_curves,
        edit,
        evaluate,
        film,
        find_beats,
        fit,
        generate,
        load_motion,
        load_sound,
        make_corpus,
        prepare_pairs,
        prepare_songs,
        rank_songs,
        tune,
    )
    from kinetune.audio.sound import Sound, write_sound
    from kinetune.errors import (
        AudioError,
        ConfigError,
        KinetuneError,
        MetricError,
        MissingExtraError,
        ModelError,
        MotionError,
        OutputError,
    )
    from kinetune.example import example_dance
    from kinetune.genres import NAMES as GENRES
    from kinetune.model.catalogue import list_models
    from kinetune.model.conditioning.control_score import (
        Accent,
        ControlScore,
        Section,
        Silence,
        read_control_score,
    )
    from kinetune.model.pipeline import DanceToMusicPipeline
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip
    from kinetune.motion.io.formats import write_motion
    from kinetune.tasks.evaluate import ScoringOptions
    from kinetune.tasks.fitting import FittedSong
    from kinetune.tasks.music import Music

# Where each name is, and what it is called there if not the same.
_HOMES = {
    "kinetune.api": (
        "dance_from_curves", "edit", "evaluate", "film", "find_beats", "fit", "generate",
        "load_motion", "load_sound", "make_corpus", "prepare_pairs", "prepare_songs", "rank_songs",
        "tune",
    ),
    "kinetune.audio.sound": ("Sound", "write_sound"),
    "kinetune.errors": (
        "AudioError", "ConfigError", "KinetuneError", "MetricError", "MissingExtraError",
        "ModelError", "MotionError", "OutputError",
    ),
    "kinetune.example": ("example_dance",),
    "kinetune.genres": ("GENRES",),
    "kinetune.model.catalogue": ("list_models",),
    "kinetune.model.conditioning.control_score": (
        "Accent", "ControlScore", "Section", "Silence", "read_control_score",
    ),
    "kinetune.model.pipeline": ("DanceToMusicPipeline",),
    "kinetune.motion.beats.beat_grid": ("BeatGrid",),
    "kinetune.motion.clip": ("MotionClip",),
    "kinetune.motion.io.formats": ("write_motion",),
    "kinetune.tasks.evaluate": ("ScoringOptions",),
    "kinetune.tasks.fitting": ("FittedSong",),
    "kinetune.tasks.music": ("Music",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_RENAMED = {"GENRES": "NAMES"}

__all__ = [
    "GENRES",
    "Accent",
    "AudioError",
    "BeatGrid",
    "ConfigError",
    "ControlScore",
    "DanceToMusicPipeline",
    "FittedSong",
    "KinetuneError",
    "MetricError",
    "MissingExtraError",
    "ModelError",
    "MotionClip",
    "MotionError",
    "Music",
    "OutputError",
    "ScoringOptions",
    "Section",
    "Silence",
    "Sound",
    "dance_from_curves",
    "edit",
    "evaluate",
    "example_dance",
    "film",
    "find_beats",
    "fit",
    "generate",
    "list_models",
    "load_motion",
    "load_sound",
    "make_corpus",
    "prepare_pairs",
    "prepare_songs",
    "rank_songs",
    "read_control_score",
    "tune",
    "write_motion",
    "write_sound",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'kinetune' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), _RENAMED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
