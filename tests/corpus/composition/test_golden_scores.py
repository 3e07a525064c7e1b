"""The notes that a seed of each genre writes, so that no change to them goes unnoticed.

A change that is meant is noted in CHANGELOG.md, raises ``pairs.EDITION``, and renews this table.
"""

import hashlib

import pytest

from kinetune.corpus.composition.composer import compose
from tests.corpus.test_music import plan

# Number of notes, and the start of a hash over parts, times, pitches and velocities.
NOTES = {
    "BR": (182, "08a60d236f64"),
    "HO": (182, "adaaa07e3cb0"),
    "JB": (149, "4e3d74807524"),
    "JS": (138, "41bae9133b14"),
    "KR": (134, "cc3827200ccb"),
    "LH": (211, "c3b45283be27"),
    "LO": (268, "9e2f1a389730"),
    "MH": (156, "82de6b2fcc00"),
    "PO": (125, "6135f28f36fb"),
    "WA": (209, "8d2dff0ef1e0"),
}


def fingerprint(code):
    notes = compose(plan(code, bpm=104.0, duration_s=8.0), 21).notes
    rows = [(n.part, round(n.start_s, 6), round(n.duration_s, 6), n.pitch, round(n.velocity, 6))
            for n in notes]  # fmt: skip
    return len(notes), hashlib.sha256(repr(rows).encode()).hexdigest()[:12]


@pytest.mark.parametrize("code", NOTES)
def test_a_seed_writes_the_notes_it_wrote(code):
    assert fingerprint(code) == NOTES[code]
