from dataclasses import fields

import librosa
import numpy as np
import pytest

from kinetune.audio.beats import music_beats, onset_times
from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.errors import AudioError
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import (
    analyse_audio,
    crop_analysis,
    estimate_tempo,
    librosa_samples,
)
from kinetune.metrics.latency import BEAT_LATENCY_S, ONSET_LATENCY_S
from tests.metrics.conftest import bursts

TIMES = ("onsets_s", "onsets_published_s", "onsets_loris_s", "beats_s", "beat_frames_published")


@pytest.fixture(scope="module")
def sound():
    return bursts(np.arange(0.3, 6.0, 0.48), 6.0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            "onsets_published_s",
            {"wait": 1, "delta": 0.2, "pre_avg": 1, "post_avg": 1, "post_max": 1},
        ),
        (
            "onsets_loris_s",
            {"wait": 1, "delta": 0.2, "pre_avg": 3, "post_avg": 3, "pre_max": 3, "post_max": 3},
        ),
    ],
)
def test_onsets_are_what_the_published_scripts_give_bit_for_bit(sound, name, settings):
    expected = librosa.onset.onset_detect(y=sound.samples, sr=22_050, units="time", **settings)
    np.testing.assert_array_equal(getattr(analyse_audio(sound), name), expected)


def test_beats_are_what_the_published_script_gives_bit_for_bit(sound):
    strength = librosa.onset.onset_strength(y=sound.samples)
    _, expected = librosa.beat.beat_track(onset_envelope=strength, sr=22_050)
    np.testing.assert_array_equal(analyse_audio(sound).beat_frames_published, expected)


def test_beats_and_onsets_are_librosas_without_their_latency(sound):
    analysis = analyse_audio(sound)
    np.testing.assert_allclose(analysis.beats_s, music_beats(sound).beats_s - BEAT_LATENCY_S)
    np.testing.assert_allclose(analysis.onsets_s, onset_times(sound) - ONSET_LATENCY_S)


def test_samples_are_what_librosa_loads_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    stereo = Sound(rng.uniform(-0.5, 0.5, (44_100, 2)).astype(np.float32), 44_100)
    write_sound(tmp_path / "a.wav", stereo)
    expected, _ = librosa.load(tmp_path / "a.wav", sr=22_050)
    np.testing.assert_array_equal(librosa_samples(read_sound(tmp_path / "a.wav")), expected)


def test_stereo_and_gain_change_nothing_but_loudness(sound):
    analysis = analyse_audio(sound)
    stereo = analyse_audio(Sound(np.stack([sound.samples] * 2, axis=1), sound.rate_hz))
    quiet = analyse_audio(Sound(0.25 * sound.samples, sound.rate_hz))
    for other in (stereo, quiet):
        for name in TIMES:
            np.testing.assert_array_equal(getattr(other, name), getattr(analysis, name))
        np.testing.assert_allclose(other.timbre, analysis.timbre, atol=0.05)
    np.testing.assert_allclose(quiet.power, analysis.power / 16.0, rtol=1e-5)


def test_silence_has_no_beat_and_no_onset():
    analysis = analyse_audio(baselines.silence(2.0))
    assert [len(getattr(analysis, name)) for name in TIMES] == [0] * 5
    assert analysis.tempo_bpm == 0.0
    assert analysis.sanity.is_silent


def test_too_short_a_sound_is_an_error():
    with pytest.raises(AudioError, match=r"expected 0.5 s of sound or more, found 0.100 s"):
        analyse_audio(baselines.silence(0.1))


def test_what_is_cut_is_what_is_analysis_of_the_beginning(sound):
    cut = crop_analysis(analyse_audio(sound), 4.0)
    shorter = analyse_audio(Sound(sound.samples[: 4 * 22_050], 22_050))
    assert cut.duration_s == shorter.duration_s == 4.0
    assert len(cut.strength) == len(shorter.strength)
    assert len(cut.power) == len(cut.strength)
    # The last tenth of a second is analysis differently where the sound ends.
    for name in ("onsets_s", "onsets_published_s"):
        both = [getattr(analysis, name) for analysis in (cut, shorter)]
        np.testing.assert_array_equal(*(times[times < 3.9] for times in both))


def test_what_is_cut_longer_ends_in_silence(sound):
    analysis = analyse_audio(sound)
    longer = crop_analysis(analysis, 8.0)
    for name in TIMES:
        np.testing.assert_array_equal(getattr(longer, name), getattr(analysis, name))
    assert longer.strength[len(analysis.strength) :].max() == 0.0
    assert longer.power[len(analysis.power) :].max() < 1e-10


def test_a_tempo_is_finer_than_the_frame_grid():
    frame_s = 512 / 22_050
    beats = np.round(np.arange(0.3, 12.0, 60.0 / 127.0) / frame_s) * frame_s
    assert estimate_tempo(beats) == pytest.approx(127.0, rel=0.003)
    assert estimate_tempo(beats[:2]) == 0.0


def test_every_field_travels_between_processes(sound):
    import pickle

    analysis = analyse_audio(sound)
    again = pickle.loads(pickle.dumps(analysis))
    for field in fields(analysis):
        np.testing.assert_equal(getattr(again, field.name), getattr(analysis, field.name))
