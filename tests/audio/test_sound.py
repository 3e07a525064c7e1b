import numpy as np
import pytest
import soundfile

from kinetune.audio.sound import (
    Sound,
    read_comment,
    read_genre,
    read_sound,
    resample,
    to_mono,
    write_sound,
)
from kinetune.errors import AudioError, OutputError
from tests.audio.conftest import chord_and_clicks


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_gives_back_what_was_written(tmp_path, suffix, channels):
    samples = chord_and_clicks(0.5)
    samples = samples if channels == 1 else np.stack([samples, -0.5 * samples], axis=1)
    path = tmp_path / f"new folder/song{suffix}"
    write_sound(path, Sound(samples, 22_050))
    found = read_sound(path)
    assert found.rate_hz == 22_050
    assert found.samples.dtype == np.float32
    np.testing.assert_allclose(found.samples, samples, atol=1 / 32_768)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_too_loud_is_held_at_full_scale(tmp_path):
    write_sound(tmp_path / "a.wav", Sound(np.array([2.0, -3.0], np.float32), 8_000))
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav").samples, [1, -1], atol=1e-4)


def test_an_unknown_suffix_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(AudioError, match=r"\.aiff.*use one of \.wav"):
        write_sound(tmp_path / "a.aiff", Sound(np.zeros(9, np.float32), 8_000))
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_sound(tmp_path / "file" / "a.wav", Sound(np.zeros(9, np.float32), 8_000))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match="gone.wav: no such file"):
        read_sound(tmp_path / "gone.wav")


def test_a_file_that_holds_no_sound_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("not a sound")
    with pytest.raises(AudioError, match="a.wav: not a sound file"):
        read_sound(tmp_path / "a.wav")


def test_a_sound_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8_000)
    with pytest.raises(AudioError, match="no samples"):
        read_sound(tmp_path / "a.wav")


def test_a_file_with_nan_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(9, np.nan), 8_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: .*NaN"):
        read_sound(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((2, 2, 2), np.float32), 8_000, "samples"),
        (np.zeros(9, np.int16), 8_000, "int16"),
        (np.zeros(9, np.float32), 0, "rate"),
        (np.full(9, np.inf, np.float32), 8_000, "infinite"),
    ],
)
def test_a_sound_that_is_none_is_refused(samples, rate_hz, message):
    with pytest.raises(AudioError, match=message):
        Sound(samples, rate_hz)


def test_mono_is_the_mean_of_the_channels():
    left, right = chord_and_clicks(0.1), chord_and_clicks(0.1, seed=1)
    mono = to_mono(Sound(np.stack([left, right], axis=1), 22_050))
    np.testing.assert_allclose(mono.samples, (left + right) / 2, atol=1e-7)


def test_resampling_keeps_duration_channels_and_a_tone():
    time_s = np.arange(44_100) / 44_100
    tone = np.stack([np.sin(2 * np.pi * 440 * time_s)] * 2, axis=1).astype(np.float32)
    found = resample(Sound(tone, 44_100), 22_050)
    assert found.samples.shape == (22_050, 2)
    assert found.samples.dtype == np.float32
    middle = slice(1_000, -1_000)
    np.testing.assert_allclose(found.samples[middle], tone[::2][middle], atol=2e-3)


def test_resampling_down_keeps_out_what_would_fold_back():
    time_s = np.arange(44_100) / 44_100
    high = np.sin(2 * np.pi * 15_000 * time_s).astype(np.float32)
    found = resample(Sound(high, 44_100), 22_050).samples
    assert np.abs(found[1_000:-1_000]).max() < 0.01


def test_resampling_to_no_rate_is_refused():
    with pytest.raises(AudioError, match="positive, found 0"):
        resample(Sound(np.zeros(9, np.float32), 8_000), 0)


def test_a_rate_mp3_does_not_know_is_said(tmp_path):
    with pytest.raises(AudioError, match="MP3 knows"):
        write_sound(tmp_path / "a.mp3", Sound(np.zeros(9, np.float32), 96_000))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_files_hold_the_sound(tmp_path, suffix):
    tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(22_050 * 3) / 22_050).astype(np.float32)
    write_sound(tmp_path / f"a{suffix}", Sound(tone, 22_050))
    back = read_sound(tmp_path / f"a{suffix}").samples[: len(tone)]
    assert np.corrcoef(back[2000:-4000], tone[2000 : len(back) - 4000])[0, 1] > 0.98


@pytest.mark.parametrize("samples", [1000, 1001])
def test_a_loop_is_marked_for_samplers(tmp_path, samples):
    write_sound(tmp_path / "a.wav", Sound(np.zeros(samples, np.float32), 22_050), loops=True)
    data = (tmp_path / "a.wav").read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    chunk = data[data.index(b"smpl") + 8 :]
    fields = np.frombuffer(chunk, "<u4")
    assert len(fields) == 15
    assert (fields[2], fields[7], fields[11], fields[12]) == (45_351, 1, 0, samples - 1)
    assert len(read_sound(tmp_path / "a.wav").samples) == samples


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("length", [3, 4, 100_000])
def test_a_comment_is_read_back_and_the_samples_stay(tmp_path, suffix, length):
    sound = Sound(np.linspace(-0.5, 0.5, 22_051, dtype=np.float32), 22_050)
    plain, path = tmp_path / f"plain.{suffix}", tmp_path / f"a.{suffix}"
    write_sound(plain, sound, genre="house", loops=True)
    assert read_comment(plain) == ""
    write_sound(path, sound, genre="house", loops=True, comment="x" * length)
    assert read_comment(path) == "x" * length
    assert read_genre(path).lower() == "house"
    np.testing.assert_array_equal(read_sound(path).samples, read_sound(plain).samples)


def test_a_file_without_a_comment_has_none(tmp_path):
    for name, content in (("a.wav", b"RIFF"), ("b.wav", b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff")):
        (tmp_path / name).write_bytes(content)
        assert read_comment(tmp_path / name) == ""
    assert read_comment(tmp_path / "none.wav") == ""
