"""The notes that a seed of each genre writes, so that no change to them goes unnoticed.

A change that is meant is noted in CHANGELOG.md, raises ``pairs.EDITION``, and renews this table.
"""

import hashlib

import pytest

from kinetune.corpus.composition.composer import compose
from tests.corpus.test_music import plan

# Number of notes, and the start of a hash over parts, times, pitches and velocities.
NOTES = {
    "BR": (206, "f2719b48b3ee"),
    "HO": (201, "88a503bc1476"),
    "JB": (149, "1b575d49340c"),
    "JS": (165, "d96c981daf6e"),
    "KR": (134, "9561ce4f5433"),
    "LH": (223, "ab85740ac1b4"),
    "LO": (300, "f34270e25e47"),
    "MH": (161, "1f569ff99204"),
    "PO": (140, "08c25cd0f24d"),
    "WA": (230, "4fc5d50faf1f"),
}


def fingerprint(code):
    notes = compose(plan(code, bpm=104.0, duration_s=8.0), 21).notes
    rows = [(n.part, round(n.start_s, 6), round(n.duration_s, 6), n.pitch, round(n.velocity, 6))
            for n in notes]  # fmt: skip
    return len(notes), hashlib.sha256(repr(rows).encode()).hexdigest()[:12]


@pytest.mark.parametrize("code", NOTES)
def test_a_seed_writes_the_notes_it_wrote(code):
    assert fingerprint(code) == NOTES[code]
