import contextlib
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from kinetune.audio import ogg_tags
from kinetune.audio import sound as module
from kinetune.audio.ogg_tags import finish_ogg, read_comments
from kinetune.audio.sound import (
    Sound,
    check_suffix,
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


def test_a_file_that_contains_no_sound_is_refused(tmp_path):
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


def test_a_rate_mp3_does_not_know_is_an_error(tmp_path):
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
    write_sound(plain, sound, genre="house", loops=suffix != "mp3")
    assert read_comment(plain) == ""
    write_sound(path, sound, genre="house", loops=suffix != "mp3", comment="x" * length)
    assert read_comment(path) == "x" * length
    assert read_genre(path).lower() == "house"
    np.testing.assert_array_equal(read_sound(path).samples, read_sound(plain).samples)


def test_a_file_without_a_comment_has_none(tmp_path):
    for name, content in (("a.wav", b"RIFF"), ("b.wav", b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff")):
        (tmp_path / name).write_bytes(content)
        assert read_comment(tmp_path / name) == ""
    assert read_comment(tmp_path / "none.wav") == ""


def streamed(path, sound):
    """Write a FLAC file as a live encoder does: its header does not know the length."""
    write_sound(path, sound)
    content = bytearray(path.read_bytes())
    assert content[:4] == b"fLaC"
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("channels", [1, 2])
def test_a_streamed_flac_of_unknown_length_is_read_whole(tmp_path, channels):
    rng = np.random.default_rng(0)
    shape = (150_001,) if channels == 1 else (150_001, channels)
    sound = Sound((0.3 * rng.standard_normal(shape)).astype(np.float32).clip(-0.9, 0.9), 22_050)
    found = read_sound(streamed(tmp_path / "live.flac", sound))
    assert found.samples.shape == shape
    assert np.abs(found.samples - sound.samples).max() < 1e-4


def test_read_sound_rejects_oversized_headers(tmp_path, monkeypatch):
    write_sound(tmp_path / "a.flac", Sound(np.zeros(400_000, np.float32), 22_050))
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] |= 0x0F
    (tmp_path / "long.flac").write_bytes(content)
    with pytest.raises(AudioError, match=r"long.flac: lasts 8\d\d.* h, at most 2.5 h"):
        read_sound(tmp_path / "long.flac")
    monkeypatch.setattr(module, "_UNCHECKED_BYTES", 1_000_000)
    monkeypatch.setattr(module, "_MAX_EXPANSION", 50)
    for path in (
        tmp_path / "a.flac",
        streamed(tmp_path / "b.flac", Sound(np.zeros(400_000, np.float32), 22_050)),
    ):
        with pytest.raises(AudioError, match="would become .* MB of samples"):
            read_sound(path)


@pytest.mark.parametrize("channels", [1, 2])
def test_samples_count_four_bytes_each(tmp_path, monkeypatch, channels):
    path = tmp_path / "a.flac"
    write_sound(path, Sound(np.zeros((100_000, channels), np.float32), 22_050))
    monkeypatch.setattr(module, "_MAX_EXPANSION", 1)
    monkeypatch.setattr(module, "_UNCHECKED_BYTES", 400_000 * channels)
    assert len(read_sound(path).samples) == 100_000
    monkeypatch.setattr(module, "_UNCHECKED_BYTES", 400_000 * channels - 1)
    with pytest.raises(AudioError, match="would become"):
        read_sound(path)


@pytest.mark.parametrize("rate_hz", [1, 3_999, 384_001, 2**31 - 1])
def test_absurd_rates_are_refused(tmp_path, rate_hz):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), rate_hz)
    with pytest.raises(AudioError, match=f"4000 to 384000 samples a second, found {rate_hz}"):
        read_sound(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["noise.wav", "noise.flac", "noise.raw", "noise.mp3", "x"])
def test_what_is_no_sound_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)) * 20)
    with pytest.raises(AudioError, match="not a sound file that can be read"):
        read_sound(tmp_path / name)


def test_a_damaged_file_is_not_called_missing(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"ID3" + bytes(range(256)) * 50)
    with pytest.raises(AudioError, match=r"\(damaged, or of an unknown format\)"):
        read_sound(tmp_path / "a.mp3")


def test_random_damage_is_a_sound_or_one_line(tmp_path):
    rng = np.random.default_rng(1)
    for suffix in (".wav", ".flac", ".ogg", ".mp3"):
        write_sound(tmp_path / f"s{suffix}", Sound(np.zeros(5_000, np.float32), 22_050))
        seed = (tmp_path / f"s{suffix}").read_bytes()
        for _ in range(60):
            content = bytearray(seed)
            for _ in range(int(rng.integers(1, 6))):
                content[int(rng.integers(min(len(content), 200)))] = int(rng.integers(256))
            path = tmp_path / f"m{suffix}"
            path.write_bytes(content)
            with contextlib.suppress(AudioError):
                assert len(read_sound(path).samples) > 0


FULL_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from kinetune.audio.sound import Sound, write_sound
from kinetune.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
rng = np.random.default_rng(0)
sound = Sound((0.2 * rng.standard_normal(60_000)).astype(np.float32), 22_050)
write_sound(path, sound)
size = path.stat().st_size
path.unlink()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in (size // 2, size - 3_000, size - 200, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        write_sound(path, sound)
    except OutputError as error:
        print(error)
    else:
        sys.exit(f"no error at {limit} of {size} bytes")
    assert not list(path.parent.iterdir()), limit
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_write_sound_to_a_full_disk_leaves_no_file(tmp_path, suffix):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / f"a{suffix}")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all("can't be written" in line for line in lines)
    assert all("full" in line or "not a whole" in line for line in lines)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("kinetune.audio.sound.shutil.disk_usage", lambda _: usage(9, 9, 4096))

    def fail(*_):
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr("kinetune.audio.sound._write_blocks", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_sound(tmp_path / "a.wav", Sound(np.zeros(9, np.float32), 8_000))


@pytest.mark.parametrize("comment", ["", "{}", "x" * 70_000])
def test_a_loop_as_ogg_carries_its_loop_points(tmp_path, comment):
    rng = np.random.default_rng(2)
    sound = Sound((0.1 * rng.standard_normal(33_000)).astype(np.float32), 22_050)
    write_sound(tmp_path / "loop.ogg", sound, loops=True, genre="house", comment=comment)
    write_sound(tmp_path / "once.ogg", sound, genre="house", comment=comment)
    tags = read_comments(tmp_path / "loop.ogg")
    assert (tags["LOOPSTART"], tags["LOOPLENGTH"]) == ("0", "33000")
    assert "LOOPSTART" not in read_comments(tmp_path / "once.ogg")
    assert read_genre(tmp_path / "loop.ogg") == "house"
    assert read_comment(tmp_path / "loop.ogg") == comment
    looped, once = (read_sound(tmp_path / f"{name}.ogg").samples for name in ("loop", "once"))
    assert np.array_equal(looped, once)
    assert len(looped) == 33_000


def pages_of(path):
    return list(ogg_tags._pages(path, path.read_bytes()))


def test_pages_are_written_as_libogg_writes_them(tmp_path):
    """Reading and writing libsndfile's own pages gives its bytes: checksums and laces agree."""
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.zeros(30_000, np.float32), 22_050)
    assert b"".join(page.encoded() for page in pages_of(path)) == path.read_bytes()


def test_the_serial_number_comes_from_the_content_alone(tmp_path):
    path, serials = tmp_path / "a.ogg", {}
    for level in (0.0, 0.1):
        soundfile.write(path, np.full(30_000, level, np.float32), 22_050)
        pages, made = pages_of(path), set()
        for number in (1, 77):
            changed = [replace(page, serial=number) for page in pages]
            path.write_bytes(b"".join(page.encoded() for page in changed))
            finish_ogg(path, {})
            made.add(path.read_bytes())
        assert len(made) == 1
        assert read_sound(path).samples == pytest.approx(level, abs=0.02)
        serials[level] = {page.serial for page in pages_of(path)}
        assert len(serials[level]) == 1
    assert serials[0.0] != serials[0.1]


def test_a_rate_that_mp3_does_not_know_is_refused(tmp_path):
    check_suffix(tmp_path / "a.mp3", rate_hz=48_000)
    check_suffix(tmp_path / "a.ogg", rate_hz=96_000)
    with pytest.raises(AudioError, match=r"MP3 knows 8000, .*found 96000; choose one of them, or"):
        check_suffix(tmp_path / "a.mp3", rate_hz=96_000)


def test_pages_that_are_not_whole_are_refused(tmp_path):
    path = tmp_path / "a.ogg"
    write_sound(path, Sound(np.zeros(30_000, np.float32), 22_050))
    whole = path.read_bytes()
    last = whole.rindex(b"OggS")
    for content in (whole[:-1], whole[:last] + b"Oggs" + whole[last + 4 :]):
        path.write_bytes(content)
        with pytest.raises(AudioError, match="not a whole OGG file"):
            read_comments(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_samples_beyond_full_scale_are_clipped(tmp_path, suffix, sign):
    time_s = np.arange(22_050) / 22_050
    beyond = (sign * (0.8 - 0.8 * np.cos(2 * np.pi * 110.0 * time_s))).astype(np.float32)
    write_sound(tmp_path / f"a{suffix}", Sound(beyond, 22_050))
    back = read_sound(tmp_path / f"a{suffix}").samples
    # A lossy file overshoots the flat top a little; unclipped it would reach 1.6.
    assert 0.99 < (sign * back).max() < (1.15 if suffix == ".ogg" else 1.0 + 1e-6)


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_a_file_with_a_sample_too_few_was_cut_off(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_sound(path, Sound(np.zeros(4_608, np.float32), 44_100))
    frames = soundfile.info(path).frames
    module._check_written(path, frames)
    with pytest.raises(OSError, match=f"only {frames} of {frames + 1} samples"):
        module._check_written(path, frames + 1)


def test_a_loop_as_mp3_is_an_error(tmp_path):
    with pytest.raises(AudioError, match=r"pads both ends.*write \.ogg, \.wav or \.flac"):
        write_sound(tmp_path / "a.mp3", Sound(np.zeros(9_000, np.float32), 22_050), loops=True)
    assert not list(tmp_path.iterdir())
