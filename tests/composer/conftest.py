"""A dance of half a minute, its beats, and pieces for it."""

import functools

from kinetune.composer.compose import compose_piece
from kinetune.composer.options import ComposerOptions
from kinetune.composer.piece import PieceRequest
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.beats.beat_grid import fixed_grid

BPM, FIRST_S, SECONDS = 120.0, 0.4, 32.0
RATE_HZ = 22_050


@functools.cache
def dance(genre="HO", seconds=SECONDS):
    request = DanceRequest(genre, BPM, seconds, first_beat_s=FIRST_S, fps=30.0)
    return choreograph(3, request).clip


def steady_grid(seconds=SECONDS):
    return fixed_grid(BPM, FIRST_S, seconds)


def piece(genre="house", *, seconds=SECONDS, grid=None, seed=1, **how):
    options = ComposerOptions(**how.pop("composer", {}))
    clip = dance(seconds=seconds)
    request = PieceRequest(clip, grid or steady_grid(seconds), genre, seed, options, **how)
    return compose_piece(request)


def notes_of(made, *roles):
    """All notes of voices with these roles, or of all voices."""
    return [note for voice in made.voices if not roles or voice.role in roles
            for note in voice.notes]  # fmt: skip
