"""Instruments made of recordings: the bank's zones with envelope, tone, resonance and saturation.

Every instrument maps a :class:`NoteSpec` to samples (N,), like those of instruments.py. Parameters
of :class:`Timbre`: ``bright`` opens the low-pass, ``decay`` lengthens, ``color`` sets a resonance
(of drums: which variant of the drum), ``drive`` saturates, ``tune`` detunes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kinetune.corpus.rendering import sample_bank
from kinetune.corpus.rendering import synthesis as s
from kinetune.corpus.rendering.synthesis import NoteSpec, Wave

Instrument = Callable[[NoteSpec], Wave]


@dataclass(frozen=True)
class _Player:
    """How a pitched instrument is played.

    Attributes:
        release_s: Release, seconds.
        cut_hz: Cutoff of its low-pass when closed and when open.
    """

    release_s: float = 0.1
    cut_hz: tuple[float, float] = (1800.0, 11_000.0)


_PLAYERS: Mapping[str, _Player] = {
    "grand_piano": _Player(0.3), "rhodes": _Player(0.25, (1200.0, 7000.0)),
    "chorused_piano": _Player(0.3), "clavi": _Player(0.05, (1500.0, 9000.0)),
    "music_box": _Player(0.6), "vibraphone": _Player(0.5), "marimba": _Player(0.3),
    "drawbar_organ": _Player(0.06), "rock_organ": _Player(0.06),
    "nylon_guitar": _Player(0.15), "jazz_guitar": _Player(0.12, (1200.0, 5000.0)),
    "clean_guitar": _Player(0.1), "muted_guitar": _Player(0.08),
    "drive_guitar": _Player(0.1, (2000.0, 7000.0)),
    "acoustic_bass": _Player(0.12, (600.0, 4000.0)),
    "fingered_bass": _Player(0.08, (500.0, 4000.0)),
    "picked_bass": _Player(0.08, (900.0, 5000.0)), "thumb_bass": _Player(0.07, (1500.0, 8000.0)),
    "pop_bass": _Player(0.07, (1800.0, 9000.0)), "synth_bass": _Player(0.08, (500.0, 6000.0)),
    "rubber_bass": _Player(0.08, (500.0, 5000.0)),
    "violin": _Player(0.18), "cello": _Player(0.2), "pizzicato": _Player(0.3),
    "harp": _Player(0.6), "string_section": _Player(0.3, (1800.0, 9000.0)),
    "choir_aah": _Player(0.3), "voice_ooh": _Player(0.25), "orchestra_hit": _Player(0.3),
    "trumpet": _Player(0.1, (1800.0, 9000.0)), "trombone": _Player(0.1, (1200.0, 7000.0)),
    "muted_trumpet": _Player(0.1), "french_horn": _Player(0.15, (1000.0, 6000.0)),
    "brass_section": _Player(0.1, (1500.0, 9000.0)), "alto_sax": _Player(0.1),
    "tenor_sax": _Player(0.1), "silver_flute": _Player(0.12), "kalimba": _Player(0.4),
}  # fmt: skip
_DRUMS = (
    "real_kick", "machine_kick", "real_snare", "machine_snare", "hand_clap", "real_rim",
    "real_hat", "machine_hat", "pedal_hat", "real_open", "machine_open", "real_ride", "real_crash",
    "splash", "brush_kick", "brush_snare", "real_cowbell", "real_tambourine", "real_shaker",
    "claves", "finger_snap", "triangle", "vinyl_scratch", "tabla", "boom",
)  # fmt: skip
# Drums whose notes have pitches.
_TUNED_DRUMS = (
    "real_tom", "machine_tom", "real_conga", "bongo", "machine_conga", "timbale", "agogo",
)  # fmt: skip
# Time in which a recording decays by 26 dB at the lowest and at the highest ``decay``.
_SHORTEST_DECAY_S, _LONGEST_DECAY_S = 0.5, 8.0


def _pitch(note: NoteSpec) -> float:
    return 69.0 + 12.0 * float(np.log2(note.hz / 440.0))


def _apply_tone(wave: Wave, note: NoteSpec, cut_hz: tuple[float, float]) -> Wave:
    """A low-pass opened by ``bright`` and velocity, a resonance, saturation."""
    k, rate = note.timbre, note.rate_hz
    openness = np.clip(0.15 + 0.6 * k.bright + 0.5 * (note.velocity - 0.5), 0.0, 1.0)
    hz = cut_hz[0] * (cut_hz[1] / cut_hz[0]) ** float(openness)
    wave = s.lowpass(wave, hz, rate, 1)
    if k.color > 0.35:
        center = 500.0 * 6.0 ** ((k.seed % 97) / 97.0)
        wave = wave + 0.9 * (k.color - 0.35) * s.bandpass(wave, 0.75 * center, 1.33 * center, rate)
    return s.soft_clip(wave, 0.6 * (k.drive - 0.4)) if k.drive > 0.4 else wave


def pitched(name: str) -> Instrument:
    """Return a pitched instrument of the bank."""
    player = _PLAYERS[name]

    def play(note: NoteSpec) -> Wave:
        k, rate = note.timbre, note.rate_hz
        pitch = _pitch(note)
        zone = sample_bank.nearest_zone(name, pitch=pitch, velocity=note.velocity)
        length_s = note.gate_s + player.release_s
        wave = sample_bank.resampled_zone(zone, pitch=pitch, duration_s=length_s, rate=rate)
        if zone.loop is not None and k.tune > 0.7:
            # A second player, seven cents higher.
            other = sample_bank.resampled_zone(
                zone, pitch=pitch + 0.07, duration_s=length_s, rate=rate
            )
            n = min(len(wave), len(other))
            wave = 0.75 * (wave[:n] + other[:n])
        wave = 2.0 * _apply_tone(wave, note, player.cut_hz)
        wave *= s.release(len(wave), rate, note.gate_s, player.release_s / 4.0)
        if zone.loop is None:
            decay_s = _SHORTEST_DECAY_S * (_LONGEST_DECAY_S / _SHORTEST_DECAY_S) ** min(
                1.0, 1.6 * k.decay
            )
            wave *= s.decay(len(wave), rate, decay_s / 3.0)
        elif note.gate_s > 0.5:
            wave *= s.rise(len(wave), rate, 0.005 + 0.12 * k.decay)
        return wave

    play.__name__ = name
    play.__doc__ = f"The bank's {name.replace('_', ' ')}."
    return play


def drum(name: str, *, tuned: bool = False) -> Instrument:
    """Return a drum of the bank; ``color`` chooses its variant."""

    def play(note: NoteSpec) -> Wave:
        k = note.timbre
        pitch = _pitch(note) if tuned else 60.0
        zone = sample_bank.nearest_zone(name, pitch=pitch, velocity=note.velocity, variant=k.color)
        # Tuned by two semitones either way, and tuned drums to their note by three at most.
        shift = 4.0 * (k.tune - 0.5) + float(np.clip(pitch - zone.pitch, -3.0, 3.0))
        wave = sample_bank.resampled_zone(
            zone, pitch=zone.pitch + shift, duration_s=4.0, rate=note.rate_hz
        )
        openness = np.clip(0.25 + 0.6 * k.bright + 0.6 * (note.velocity - 0.5), 0.0, 1.0)
        hz = 3500.0 * (14_000.0 / 3500.0) ** float(openness)
        wave = 2.0 * s.lowpass(wave, hz, note.rate_hz, 1)
        if k.decay < 0.5:
            wave = wave * s.decay(len(wave), note.rate_hz, 0.06 + 0.8 * k.decay)
        return s.soft_clip(wave, 0.7 * k.drive)

    play.__name__ = name
    play.__doc__ = f"The bank's {name.replace('_', ' ')}."
    return play


def wah(name: str) -> Instrument:
    """An instrument through a wah pedal that opens, or closes, on every note."""
    source = pitched(name)

    def play(note: NoteSpec) -> Wave:
        k, rate = note.timbre, note.rate_hz
        wave = source(note)
        pedal = s.rise(len(wave), rate, 0.06 + 0.14 * k.decay)
        pedal = 1.0 - pedal if k.tune > 0.5 else pedal
        shut = s.bandpass(wave, 330.0 + 200.0 * k.color, 800.0, rate)
        half = s.bandpass(wave, 700.0, 1400.0 + 300.0 * k.color, rate)
        open_ = s.bandpass(wave, 1300.0 + 500.0 * k.bright, 2900.0, rate)
        low, high = np.clip(1.0 - 2.0 * pedal, 0.0, 1.0), np.clip(2.0 * pedal - 1.0, 0.0, 1.0)
        swept_lowpass = low * shut + (1.0 - low - high) * half + 1.4 * high * open_
        return s.soft_clip(1.6 * swept_lowpass, 0.2 + 0.3 * k.drive)

    play.__name__ = f"wah_{name}"
    play.__doc__ = f"The bank's {name.replace('_', ' ')} through a wah pedal."
    return play


#: The recorded instruments by name.
SAMPLED: Mapping[str, Instrument] = {
    **{name: pitched(name) for name in _PLAYERS},
    **{name: drum(name) for name in _DRUMS},
    **{name: drum(name, tuned=True) for name in _TUNED_DRUMS},
    **{f"wah_{name}": wah(name) for name in ("clean_guitar", "muted_guitar", "clavi")},
}
