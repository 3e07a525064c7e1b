"""The attributes of a composed piece, see ``corpus/prompts/attributes.py``."""

import numpy as np

from kinetune.composer.piece import Piece
from kinetune.corpus.composition.grammar import pitch_classes
from kinetune.corpus.prompts.attributes import PlayedMusic, PlayedPart, attributes_of


def piece_attributes(piece: Piece) -> tuple[str, ...]:
    """Return the names of all attributes that a piece has."""
    return attributes_of(played_piece(piece))


def played_piece(piece: Piece) -> PlayedMusic:
    """Return what the attributes of a piece are read off."""
    symbols = [chord.symbol for chord in piece.chords]
    return PlayedMusic(
        genre=piece.genre,
        bpm=piece.grid.bpm,
        duration_s=piece.duration_s,
        bars=len(piece.bars_s),
        tonic=piece.key.tonic,
        chords=tuple((each.root, pitch_classes(each.root, each.tones)) for each in symbols),
        parts=tuple(
            PlayedPart(voice.role, voice.part.instrument, voice.notes) for voice in piece.voices
        ),
        mix=piece.mix,
        swing=piece.swing,
        energy=float(np.mean(piece.energy)) if len(piece.energy) else 0.0,
    )
