"""The spoken count: by espeak-ng where it is, on the beats, never longer than one."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kinetune.audio.sound import Sound, write_sound
from kinetune.composer.output import spoken_count as spoken
from kinetune.composer.output.practice import count_times, slowed, with_count_in
from tests.composer.conftest import piece

RATE_HZ = 16_000


def fake_speech(command, **_):
    """A hiss of 0.1 s, then a vowel whose length falls with the speed."""
    speed, path = int(command[4]), Path(command[6])
    seconds = 100.0 / speed
    rng = np.random.default_rng(0)
    hiss = 0.05 * rng.standard_normal(RATE_HZ // 10)
    vowel = 0.8 * np.sin(2.0 * np.pi * 200.0 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    wave = np.concatenate([np.zeros(500), hiss, vowel, np.zeros(3000)]).astype(np.float32)
    write_sound(path, Sound(wave, RATE_HZ))


@pytest.fixture
def voice(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", fake_speech)


def test_a_word_is_heard_where_its_vowel_begins(voice):
    for word, early_s in spoken.spoken_count(4, 1.0, RATE_HZ):
        assert early_s == pytest.approx(0.1, abs=0.015)
        assert np.abs(word).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("beat_s", [1.0, 0.5, 0.2])
def test_no_word_is_longer_than_a_beat(voice, beat_s):
    words = spoken.spoken_count(4, beat_s, RATE_HZ)
    assert len(words) == 4
    assert all(len(word) <= beat_s * RATE_HZ + 1 for word, _ in words)


def test_bars_of_three_are_counted_in_three(voice):
    assert len(spoken.spoken_count(3, 0.6, RATE_HZ)) == 3


def test_the_vowels_are_on_the_beats_before_the_first_bar(voice):
    slow = slowed(piece(), 60)
    sound = with_count_in(slow, Sound(np.zeros(round(4.0 * RATE_HZ), np.float32), RATE_HZ))
    for time_s in count_times(slow)[1:]:
        at = round(time_s * RATE_HZ)
        # Before the beat the hiss, after it the vowel.
        before, after = sound.samples[at - 800 : at - 200], sound.samples[at + 200 : at + 800]
        assert np.square(after).mean() > 20.0 * np.square(before).mean()


def test_without_the_program_there_are_no_words(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert spoken.spoken_count(4, 0.5, RATE_HZ) is None


def test_a_program_that_fails_leaves_clicks(monkeypatch):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "espeak-ng")

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", fail)
    assert spoken.spoken_count(4, 0.5, RATE_HZ) is None


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_counts_to_eight():
    words = spoken.spoken_count(4, 0.5, RATE_HZ)
    assert len(words) == 4
    assert all(len(word) > 0.1 * RATE_HZ and 0.0 <= early < 0.3 for word, early in words)
