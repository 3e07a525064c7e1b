"""The pipeline as ``kinetune generate`` runs it: key, chords and musical attributes are drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinetune.audio.sound import Sound, resample
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.model.conditioning.attributes import complete_attributes
from kinetune.model.conditioning.control_score import ControlScore
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.results import DanceMusic
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.group import Dancers
from kinetune.tasks.requests.harmony import draw_attributes, draw_harmony
from kinetune.tasks.requests.music_options import MusicOptions


class UserPipeline(DanceToMusicPipeline):
    """A pipeline that draws harmony and attributes where its model reads them."""

    def __call__(
        self,
        clip: Dancers,
        *,
        genre: str,
        seed: int = 0,
        grid: BeatGrid | None = None,
        loop: bool = False,
        score: ControlScore | None = None,
        **options: Any,
    ) -> DanceMusic:
        """Return music for ``clip``; see the pipeline's own."""
        music = MusicOptions(seed=seed, loop=loop, score=score)
        if self.reads_harmony and options.get("harmony") is None:
            options["harmony"] = draw_harmony(clip, music, genre=genre, grid=grid)
        if self.attribute_names and options.get("attributes") is None:
            drawn = draw_attributes(clip, music, genre=genre, grid=grid)
            options["attributes"] = complete_attributes(drawn, self.attribute_names)
        return super().__call__(
            clip, genre=genre, seed=seed, grid=grid, loop=loop, score=score, **options
        )


def load_model(name: str | Path) -> UserPipeline:
    """Load a trained pipeline; see ``DanceToMusicPipeline.from_pretrained``."""
    pipeline = DanceToMusicPipeline.from_pretrained(name)
    pipeline.__class__ = UserPipeline
    return pipeline


def spectrogram_of(pipeline: DanceToMusicPipeline, sound: Sound) -> Tensor:
    """Return the model's spectrogram (1, M, L) of a sound of any rate; as mono where it is mono."""
    wide = pipeline.mel.channels == 2 and sound.samples.ndim == 2
    given = sound if wide else Sound(sound.mono, sound.rate_hz)
    samples = resample(given, pipeline.mel.settings.rate_hz).samples
    return pipeline.mel.encode(torch.from_numpy(np.ascontiguousarray(samples.T))[None])


def pair_for(pipeline: DanceToMusicPipeline, seed: int, **figures: Any) -> Pair:
    """Return a pair of the corpus whose music has the rate and the channels of a model's."""
    mel = pipeline.mel
    return make_pair(seed, rate_hz=mel.settings.rate_hz, channels=mel.channels, **figures)
