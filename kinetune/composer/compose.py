"""A piece for a dance as notes: songs played to its beats and energy, its form, ends and accents.

A stretch can be regenerated while every other note stays, since each bar has a seed of its own.
:func:`compose_harmony` gives the key and the chords of the same piece without placing a note.
"""

import numpy as np

from kinetune import timebase
from kinetune.composer.form import Section, plan_form
from kinetune.composer.harmony import Key, TimedChord
from kinetune.composer.hits import add_accents, end, keep_silences
from kinetune.composer.notes import fill, perform, rest
from kinetune.composer.piece import Piece, PieceRequest
from kinetune.composer.plan import Plan, dance_in_score, played_chords
from kinetune.composer.timing import loop_grid, time_map
from kinetune.model.conditioning.control_score import ControlScore, fit_score


def compose_piece(request: PieceRequest) -> Piece:
    """Return the piece of a dance.

    Raises:
        ConfigError: The score or the chords don't fit the dance.
        MotionError: The dance is too short to loop at the tempo.
    """
    plan = _plan(request)
    notes, written = perform(plan)
    sections = plan_form(np.array([bar.mean for bar in written]), plan.first_bar)
    if request.loop or request.steady_energy is not None:
        sections = (Section("verse", 0, len(written)),)
    notes = fill(rest(notes, plan, sections), plan, written)
    chords = played_chords(plan, [bar.chords for bar in written])
    notes, fade_s = end(notes, plan, chords)
    notes = add_accents(notes, plan, plan.score.accents, chords)
    notes = keep_silences(notes, plan, plan.score.silences)
    times, profile = plan.times, plan.profile
    beats = timebase.beat_times(profile.bpm, profile.downbeat_s, profile.duration_s)
    return Piece(
        plan.genre, request.seed, plan.key, plan.grid, plan.duration_s, request.loop,
        times.to_dance(plan.bars_s), times.to_dance(beats), profile.energy, plan.voices(notes),
        chords, sections, plan.score.silences, plan.songs[plan.genre].mix, fade_s,
        plan.songs[plan.genre].song.swing,
    )  # fmt: skip


def compose_harmony(request: PieceRequest) -> tuple[Key, tuple[TimedChord, ...]]:
    """Return the key and the chords of the piece of a dance, as :func:`compose_piece` has them.

    Raises:
        ConfigError: The score or the chords don't fit the dance.
        MotionError: The dance is too short to loop at the tempo.
    """
    plan = _plan(request)
    return plan.key, played_chords(plan, plan.bar_chords())


def _plan(request: PieceRequest) -> Plan:
    grid, duration_s = request.grid, request.clip.duration_s
    if request.loop:
        grid, duration_s = loop_grid(grid, duration_s, hold_tempo=request.hold_tempo)
    name = "loop" if request.loop else "music"
    score = fit_score(request.score or ControlScore(), grid, duration_s, piece=name)
    times = time_map(grid, duration_s)
    profile = dance_in_score(request, times, score, duration_s)
    return Plan(request, grid, score, times, profile, duration_s)
