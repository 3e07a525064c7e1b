"""The output of a pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.model.conditioning.harmony import Harmony
from kinetune.motion.beats.beat_grid import BeatGrid


@dataclass(frozen=True)
class StageSeconds:
    """Wall-clock seconds of each stage of one run."""

    features: float
    denoise: float
    decode: float
    vocode: float

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.features + self.denoise + self.decode + self.vocode


@dataclass(frozen=True, eq=False)
class DanceMusic:
    """Generated music.

    Attributes:
        sound: The music, as long as the dance; a loop may be shorter by less than a bar.
        mel: Its mel spectrogram in [-1, 1], (M, L), as the model made it and the score shaped it.
        grid: The beat grid it was made to.
        genre: Genre code.
        seconds: How long each stage took.
        seed: Seed of the noise it was made from.
        harmony: Key and chords that the model was told to play; None where it reads none.
        attributes: Musical attributes that the model was told to play, see
            :class:`~kinetune.model.conditioning.attributes.MusicConditions`; none where it knows
            none.
        model_lufs: Loudness before it was matched to the target, LUFS; None of silence. An edit
            brings the music back to it.
    """

    sound: Sound
    mel: NDArray[np.float32]
    grid: BeatGrid
    genre: str
    seconds: StageSeconds
    seed: int = 0
    harmony: Harmony | None = None
    model_lufs: float | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
