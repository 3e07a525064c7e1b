"""Beats, bars, key, chords and curves of songs that are known."""

import mir_eval
import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.motion.features import RHYTHM_FEATURE_COUNT
from kinetune.training.songs import harmony
from kinetune.training.songs.curves import (
    ENERGY_SCALE_DB,
    BodyStatistics,
    MusicCurves,
    features_from_curves,
    music_curves,
)
from kinetune.training.songs.song import (
    analyse_song,
    beat_agreement,
    check_song,
    pulse_clarity,
)
from tests.training.songs.conftest import CHORDS, RATE_HZ, song_samples


@pytest.fixture(scope="module")
def analysis():
    return analyse_song(Sound(song_samples(), RATE_HZ), "song")


def test_the_beats_are_those_of_the_song(analysis):
    assert analysis.bpm == pytest.approx(120.0, rel=0.03)
    beats = 0.25 + 0.5 * np.arange(32)
    assert mir_eval.beat.f_measure(beats[2:-2], analysis.beats_s[1:-1]) > 0.9


def test_a_bar_begins_with_the_bass_and_the_chord(analysis):
    assert (analysis.bar_start_s - 0.25) % 2.0 == pytest.approx(0.0, abs=0.12)
    assert analysis.metre == 4


def test_key_and_chords_are_those_of_the_song(analysis):
    assert analysis.tonic == 0
    starts_s = np.array([chord.start_s for chord in analysis.chords])
    for bar in range(1, 7):
        middle_s = 0.25 + 2.0 * bar + 1.0
        chord = analysis.chords[int(np.searchsorted(starts_s, middle_s, side="right")) - 1]
        root, tones = CHORDS[bar % len(CHORDS)]
        assert set(chord.tones) == set(tones), bar
        assert chord.bass == root, bar


def test_a_transposed_song_has_the_transposed_key():
    values = harmony.chroma(Sound(song_samples(), RATE_HZ))
    for shift in range(12):
        assert harmony.key_of(np.roll(values, shift, axis=0)) == shift


def test_noise_has_no_regular_beat():
    noise = np.random.default_rng(0).normal(size=12 * RATE_HZ).astype(np.float32) * 0.1
    with pytest.raises(AudioError, match=r"noise: no regular beat"):
        analyse_song(Sound(noise, RATE_HZ), "noise")


def test_true_beats_agree_with_those_of_stretches_and_shifted_ones_do_not():
    song, beats_s = Sound(song_samples(bars=18), RATE_HZ), 0.25 + 0.5 * np.arange(72)
    assert beat_agreement(song, beats_s) > 0.95
    assert beat_agreement(song, beats_s + 0.25) == 0.0
    # A third of a song whose beats are right.
    only_third = np.where(beats_s < song.duration_s / 3.0, beats_s, beats_s + 0.25)
    assert beat_agreement(song, only_third) == pytest.approx(1.0 / 3.0, abs=0.05)


def test_a_song_whose_tempo_jumps_has_uncertain_beats():
    parts = [song_samples(bpm=bpm, bars=6) for bpm in (84.0, 131.0, 103.0)]
    with pytest.raises(AudioError, match=r"jumps: its beats are uncertain .* 0\.8 or more"):
        analyse_song(Sound(np.concatenate(parts), RATE_HZ), "jumps")


def test_pulse_clarity_is_one_for_impulses_at_the_period_and_low_elsewhere():
    period = round(0.5 * RATE_HZ / 512)
    onsets = np.zeros(2000, np.float32)
    onsets[::period] = 1.0
    bpm = 60.0 * RATE_HZ / 512 / period
    assert pulse_clarity(onsets, bpm) == pytest.approx(1.0, abs=0.06)
    assert pulse_clarity(onsets, bpm * 1.3) < 0.1
    assert pulse_clarity(np.ones(2000, np.float32), bpm) == 0.0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(10 * RATE_HZ, np.float32), "silent"),
        (song_samples(bars=2), r"lasts 4\.2 s, expected 6 s"),
    ],
)
def test_silent_and_short_songs_are_refused(samples, message):
    with pytest.raises(AudioError, match=message):
        check_song(Sound(samples, RATE_HZ), "song")


def test_the_energy_is_the_level_in_deviations():
    """Four bars at half the amplitude, 6.02 dB below the other four."""
    samples = song_samples(loud=lambda bar: 1.0 if bar < 4 else 0.5)
    curve = music_curves(Sound(samples, RATE_HZ)).energy
    assert len(curve) == round(len(samples) / RATE_HZ * 30)
    loud, soft = curve[60:200].mean(), curve[300:440].mean()
    assert (loud - soft) * ENERGY_SCALE_DB == pytest.approx(6.02, abs=0.3)
    assert curve.mean() == pytest.approx(0.0, abs=1e-9)


def test_events_are_strongest_at_the_beats():
    events = music_curves(Sound(song_samples(), RATE_HZ)).events
    beats = np.round(30 * (0.25 + 0.5 * np.arange(2, 30))).astype(int)
    # Within two frames of a beat stands the largest value of each beat.
    for beat in beats:
        around = events[beat - 7 : beat + 8]
        assert abs(int(around.argmax()) - 7) <= 2


def test_one_deviation_of_energy_is_one_deviation_of_speed():
    body = BodyStatistics(
        np.arange(RHYTHM_FEATURE_COUNT, dtype=np.float32),
        np.full(RHYTHM_FEATURE_COUNT, 2.0, np.float32),
    )
    curves = MusicCurves(np.array([0.0, 1.0, -1.0, 9.0]), np.array([0.5, 0.0, 0.0, 0.0]))
    rows = features_from_curves(curves, body)
    units = (rows - body.mean) / body.deviation
    # All 24 speeds, all 24 angular speeds and the mean speed; 9 is cut off at 4.
    np.testing.assert_allclose(units[:, :49], np.repeat([[0.0], [1.0], [-1.0], [4.0]], 49, axis=1))
    np.testing.assert_allclose(units[:, 49], [0.5, 0.0, 0.0, 0.0])
    assert not units[:, 50:].any()
