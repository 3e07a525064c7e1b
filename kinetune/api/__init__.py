"""The functions of ``import kinetune``: dances and music in memory, paths where they are handy."""

from kinetune.api.editing import edit
from kinetune.api.films import film
from kinetune.api.fitting import fit, rank_songs
from kinetune.api.generation import find_beats, generate
from kinetune.api.inputs import dance_from_curves, load_motion, load_sound
from kinetune.api.research import evaluate, make_corpus
from kinetune.api.training import prepare_pairs, prepare_songs, tune

__all__ = [
    "dance_from_curves",
    "edit",
    "evaluate",
    "film",
    "find_beats",
    "fit",
    "generate",
    "load_motion",
    "load_sound",
    "make_corpus",
    "prepare_pairs",
    "prepare_songs",
    "rank_songs",
    "tune",
]
