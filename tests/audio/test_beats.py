import os
import subprocess
import sys
import textwrap
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest

from kinetune.audio.beats import (
    _beat_this_weights,
    beat_tracker,
    music_beats,
    onset_envelope,
    onset_times,
)
from kinetune.audio.sound import Sound


@pytest.fixture(scope="module")
def clicks():
    """Eight seconds of bursts every half second, 120 beats a minute, stereo at 44.1 kHz."""
    time_s = np.arange(8 * 44_100) / 44_100
    noise = np.random.default_rng(0).standard_normal((len(time_s), 2))
    return Sound((0.3 * noise * np.exp(-(time_s % 0.5) / 0.02)[:, None]).astype(np.float32), 44_100)


def test_beats_are_where_the_clicks_are(clicks):
    beats = music_beats(clicks)
    beats_s = beats.beats_s
    assert beats.bpm == pytest.approx(120, rel=0.04)
    assert len(beats_s) >= 12
    assert np.abs(beats_s - np.round(beats_s * 2) / 2).max() < 0.05


def test_onsets_are_where_the_clicks_are(clicks):
    found_s = onset_times(clicks)
    assert len(found_s) == pytest.approx(15, abs=1)
    assert np.abs(found_s - np.round(found_s * 2) / 2).max() < 0.05


def test_the_envelope_peaks_at_the_clicks(clicks):
    envelope = onset_envelope(clicks)
    assert envelope.shape == (8 * 22_050 // 512 + 1,)
    assert envelope.max() > 5 * np.median(envelope)


@pytest.mark.parametrize("length", [0, 100, 22_050])
def test_silence_has_neither(length):
    silence = Sound(np.zeros(length, np.float32), 22_050)
    beats = music_beats(silence)
    assert beats.bpm == 0
    assert len(beats.beats_s) == len(beats.downbeats_s) == len(onset_times(silence)) == 0


def test_a_sound_shorter_than_a_window_does_no_harm():
    short = Sound(np.ones(100, np.float32), 22_050)
    assert len(onset_envelope(short)) >= 1
    assert len(music_beats(short).beats_s) <= 1


@pytest.fixture
def fake_beat_this(monkeypatch, tmp_path):
    """A package of that name whose tracker puts a beat every half second, a bar every two."""
    package, inference = ModuleType("beat_this"), ModuleType("beat_this.inference")
    package.__path__ = []
    package.__spec__ = ModuleSpec("beat_this", None)
    calls = []

    class Audio2Beats:
        def __init__(self, **options):
            calls.append(options)

        def __call__(self, signal, rate_hz):
            calls.append((len(signal), rate_hz))
            return np.arange(0.25, 8.0, 0.5), np.arange(0.75, 8.0, 2.0)

    inference.Audio2Beats = Audio2Beats
    monkeypatch.setitem(sys.modules, "beat_this", package)
    monkeypatch.setitem(sys.modules, "beat_this.inference", inference)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    return calls


def test_beat_this_is_used_where_its_weights_are(fake_beat_this, clicks, tmp_path):
    assert len(music_beats(clicks).downbeats_s) == 0
    assert fake_beat_this == []
    assert beat_tracker() == "librosa"
    weights = tmp_path / "checkpoints" / "beat_this-final0.ckpt"
    weights.parent.mkdir()
    weights.touch()
    assert beat_tracker() == "beat_this beat_this-final0.ckpt"
    beats = music_beats(clicks)
    assert fake_beat_this[0] == {"checkpoint_path": str(weights), "device": "cpu", "dbn": False}
    assert fake_beat_this[1] == (8 * 22_050, 22_050)
    assert beats.bpm == pytest.approx(120.0)
    np.testing.assert_allclose(beats.beats_s, np.arange(0.25, 8.0, 0.5))
    np.testing.assert_allclose(beats.downbeats_s, [0.75, 2.75, 4.75, 6.75])


def test_the_real_beat_this_finds_the_clicks(clicks):
    pytest.importorskip("beat_this")
    if _beat_this_weights() is None:
        pytest.skip("beat_this's weights are not here")
    beats_s = music_beats(clicks).beats_s
    assert np.abs(beats_s - np.round(beats_s * 2) / 2).max() < 0.05


# Two processes at once, with nothing compiled yet.
ANALYSE = """
    import numpy as np
    from kinetune.audio.beats import music_beats, onset_times
    from kinetune.audio.sound import Sound

    clicks = np.zeros(8 * 22050, np.float32)
    clicks[::11025] = 1.0
    sound = Sound(clicks, 22050)
    print(round(music_beats(sound).bpm), len(onset_times(sound)))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_a_fresh_installation_is_used_by_several_processes_at_once(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(ANALYSE)]
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def answers(count):
        started = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)
            for _ in range(count)
        ]
        return [(each.communicate()[0], each.returncode) for each in started]

    made = answers(2) + answers(1)
    assert [code for _, code in made] == [0, 0, 0]
    assert len({text for text, _ in made}) == 1
    assert list(tmp_path.rglob("*.nbi"))
