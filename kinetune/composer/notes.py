"""The notes of a piece: songs played to the dance's beats and energy, thinned and filled by bar.

Notes stand in the dance's time, seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from kinetune import genres
from kinetune.composer.form import RESTS, Section
from kinetune.composer.material import Material
from kinetune.composer.plan import Plan
from kinetune.corpus.composition.arranger import Bar, NoteWriter
from kinetune.corpus.composition.composer import write_line, write_song
from kinetune.corpus.composition.music_score import DanceProfile, Note
from kinetune.corpus.composition.texture import BED, bed, needs_bed, soft_hats

# Numbers in the seed of a performance, and of the layers that a prompt adds to it.
_NOTES_STREAM, _ADDED_STREAM = 405, 408
#: Roles that carry the harmony of a bar.
HARMONY_ROLES = ("pad", "chord", "arp", "hook")

# Notes by genre of their song and name of their part, in the dance's time.
Notes = dict[tuple[str, str], list[Note]]


def perform(plan: Plan) -> tuple[Notes, list[Bar]]:
    """Return all notes in the dance's time, every bar from its take, and the bars as written."""
    performances = {}
    for genre, seed in dict.fromkeys(plan.takes):
        rng = np.random.default_rng([seed, _NOTES_STREAM, genres.genre_index(genre)])
        performances[genre, seed] = writer = write_song(rng, plan.songs[genre].song, plan.profile)
        writer.notes += _added_notes(plan.songs[genre], writer, plan.profile, seed)
    notes: Notes = {}
    for (genre, seed), writer in performances.items():
        for note in writer.notes:
            muted = note.part in plan.songs[genre].muted
            if plan.takes[note.bar] == (genre, seed) and not muted:
                notes.setdefault((genre, note.part), []).append(placed(note, plan))
    written = [performances[take].written[bar] for bar, take in enumerate(plan.takes)]
    return notes, written


def _added_notes(
    material: Material, writer: NoteWriter, profile: DanceProfile, seed: int
) -> list[Note]:
    """What the layers play that a prompt added, in the bars of a performance."""
    parts = {part.name: part for _, part in material.added}
    rng = np.random.default_rng([seed, _ADDED_STREAM])
    added = NoteWriter(rng, replace(material.song, parts=parts), profile)
    for bar in writer.written:
        for line, _ in material.added:
            write_line(added, bar, line)
    return added.notes


def placed(note: Note, plan: Plan) -> Note:
    """Return a note of the score where the dance has it."""
    start_s, end_s = plan.times.to_dance(
        np.array([note.start_s, note.start_s + note.duration_s])
    ).tolist()
    return replace(note, start_s=start_s, duration_s=end_s - start_s)


def rest(notes: Notes, plan: Plan, sections: Iterable[Section]) -> Notes:
    """Return the notes without the parts that rest in their section."""
    rests: list[frozenset[str]] = []
    for section in sections:
        rests += [RESTS[section.name]] * section.bars
    return {
        (genre, part): [note for note in played if plan.role(genre, part) not in rests[note.bar]]
        for (genre, part), played in notes.items()
    }


def fill(notes: Notes, plan: Plan, written: Sequence[Bar]) -> Notes:
    """Return the notes with a bed where harmony is missing, and soft hats between those struck."""
    filled = {name: list(played) for name, played in notes.items()}
    hats_s = _spans_by_bar(notes, plan, ("hat", "open_hat"))
    harmony_s = _spans_by_bar(notes, plan, HARMONY_ROLES)
    for bar, (genre, _) in zip(written, plan.takes, strict=True):
        added = filling(
            plan.songs[genre], bar, float(plan.bars_s[bar.index]), plan.bar_s,
            hats_s=[begin_s for begin_s, _ in hats_s.get(bar.index, ())],
            harmony_s=harmony_s.get(bar.index, ()),
        )  # fmt: skip
        for note in added:
            if note.start_s < plan.profile.duration_s:
                filled.setdefault((genre, note.part), []).append(placed(note, plan))
    return filled


def filling(
    material: Material,
    bar: Bar,
    start_s: float,
    bar_s: float,
    *,
    hats_s: Sequence[float],
    harmony_s: Sequence[tuple[float, float]],
) -> list[Note]:
    """Return what keeps a bar from falling silent: soft hats, and a bed where harmony is missing.

    Args:
        material: Its song.
        bar: The bar.
        start_s: Where it begins, in the score's time.
        bar_s: Its length.
        hats_s: When hats are struck in it.
        harmony_s: Starts and ends of the notes in it that carry its harmony.
    """
    song, step_s = material.song, bar_s / bar.steps
    added = [] if material.is_sparse else soft_hats(song, bar, start_s, step_s, hats_s)
    if needs_bed(harmony_s, start_s, bar_s) and BED not in material.muted:
        added += bed(song, bar, start_s, step_s)
    return added


def _spans_by_bar(
    notes: Notes, plan: Plan, roles: Sequence[str]
) -> dict[int, list[tuple[float, float]]]:
    """Starts and ends in the score's time of the notes with one of these roles, by bar."""
    chosen = [
        note
        for (genre, part), played in notes.items()
        if plan.role(genre, part) in roles
        for note in played
    ]
    ends_s = np.array([(n.start_s, n.start_s + n.duration_s) for n in chosen]).reshape(-1, 2)
    spans: dict[int, list[tuple[float, float]]] = {}
    for note, (start_s, end_s) in zip(chosen, plan.times.to_score(ends_s).tolist(), strict=True):
        spans.setdefault(note.bar, []).append((start_s, end_s))
    return spans
