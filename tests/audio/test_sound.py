import numpy as np
import pytest

from kinetune.audio.sound import Sound, read_sound, resample, to_mono, write_sound
from kinetune.errors import AudioError, OutputError


def tone(rate_hz=22_050, channels=1, hz=440.0, duration_s=0.5):
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    wave = (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    return Sound(wave if channels == 1 else np.stack([wave, -0.5 * wave], axis=1), rate_hz)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_goes_to_a_file_and_comes_back(tmp_path, suffix, channels):
    sound = tone(channels=channels)
    write_sound(tmp_path / f"a{suffix}", sound)
    again = read_sound(tmp_path / f"a{suffix}")
    assert again.rate_hz == sound.rate_hz
    np.testing.assert_allclose(again.samples, sound.samples, atol=1 / 32_000)


def test_another_rate_keeps_the_tone():
    for rate_hz in (16_000, 44_100, 48_000):
        other = resample(tone(), rate_hz)
        expected = tone(rate_hz=rate_hz).samples
        assert abs(len(other.samples) - len(expected)) <= 1
        np.testing.assert_allclose(other.samples[500:7000], expected[500:7000], atol=0.01)


def test_mono_is_the_mean_of_the_channels():
    np.testing.assert_allclose(to_mono(tone(channels=2)).samples, 0.25 * tone().samples, atol=1e-6)


def test_unreadable_files_are_said(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        read_sound(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("not sound")
    with pytest.raises(AudioError, match="not a sound file"):
        read_sound(tmp_path / "b.wav")
    write_sound(tmp_path / "c.wav", Sound(np.zeros(0, dtype=np.float32), 22_050))
    with pytest.raises(AudioError, match="no samples"):
        read_sound(tmp_path / "c.wav")


def test_unwritable_places_and_unknown_suffixes_are_said(tmp_path):
    with pytest.raises(AudioError, match=r"use \.wav or \.flac"):
        write_sound(tmp_path / "a.mp3", tone())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        write_sound(tmp_path / "file" / "a.wav", tone())


def test_bad_samples_are_refused():
    with pytest.raises(AudioError, match="NaN"):
        Sound(np.array([0.0, np.nan], dtype=np.float32), 22_050)
    with pytest.raises(AudioError, match="rate must be positive"):
        Sound(np.zeros(3, dtype=np.float32), 0)
    with pytest.raises(AudioError, match="expected samples"):
        Sound(np.zeros((1, 2, 3), dtype=np.float32), 22_050)
