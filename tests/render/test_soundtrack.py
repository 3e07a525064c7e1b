import io
import os

import av
import numpy as np
import pytest
from PIL import Image

from kinetune.errors import ConfigError
from kinetune.render.soundtrack import check_film, replace_soundtrack
from tests.render.conftest import PICTURES, RATE, heard, make_film, shown, tone

KINDS = {
    # Matroska stores no decoding times, so with B-frames the key frame comes without one.
    "B-frames in Matroska": ("a.mkv", "libx264", {"options": {"bf": "3", "g": "250"}}),
    "B-frames in QuickTime": ("a.mov", "libx264", {"options": {"bf": "2"}}),
    "a start time of 1.2 s": ("a.mts", "libx264", {"container": "mpegts", "shift": 30}),
    "VP9 without a duration": ("a.webm", "libvpx-vp9", {"muxing": {"live": "1"}}),
    "AV1": ("a.mp4", "libsvtav1", {}),
    "MPEG-4 part 2": ("a.avi", "mpeg4", {}),
}


def kind_of(film_path, tmp_path):
    name, codec, how = KINDS[film_path]
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no {codec}")
    return make_film(tmp_path / name, codec, **how)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_keeps_its_order_and_time(kind, tmp_path):
    source = kind_of(kind, tmp_path)
    info = check_film(source)
    assert (info.pictures, info.duration_s) == (PICTURES, pytest.approx(PICTURES / RATE, abs=0.002))
    replace_soundtrack(tmp_path / "out.mp4", source, tone(5.0))
    times, left = shown(tmp_path / "out.mp4")
    np.testing.assert_allclose(times, np.arange(PICTURES) / RATE, atol=0.002)
    np.testing.assert_allclose(left, 2 * np.arange(PICTURES), atol=2)


@pytest.mark.parametrize("kind", ["a start time of 1.2 s", "VP9 without a duration"])
def test_soundtrack_begins_at_the_offset_and_ends_with_the_film(kind, tmp_path):
    replace_soundtrack(tmp_path / "out.mp4", kind_of(kind, tmp_path), tone(9.0), offset_s=1.2)
    samples = heard(tmp_path / "out.mp4")
    onset_s = np.flatnonzero(np.abs(samples) > 0.1)[0] / 44_100
    assert onset_s == pytest.approx(1.2, abs=0.005)
    assert len(samples) / 44_100 == pytest.approx(2.0, abs=0.06)


def test_short_music_leaves_the_rest_of_the_film_silent(film, tmp_path):
    replace_soundtrack(tmp_path / "out.mp4", film, tone(0.5))
    samples = heard(tmp_path / "out.mp4")
    assert np.abs(samples[int(0.6 * 44_100) :]).max(initial=0.0) < 1e-3
    assert len(shown(tmp_path / "out.mp4")[0]) == PICTURES


def test_pictures_of_an_unknown_format_are_one_line(tmp_path):
    film = make_film(tmp_path / "a.mp4", "libx264")
    film.write_bytes(film.read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    with pytest.raises(ConfigError, match=r"a\.mp4: its pictures are of an unknown format"):
        check_film(film)


@pytest.mark.parametrize("tag", ["hvc1", "hev1"])
def test_the_tag_of_hevc_stays(tag, tmp_path):
    if "libx265" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no HEVC encoder")
    source = make_film(
        tmp_path / "a.mov", "libx265", options={"x265-params": "log-level=0"}, tag=tag
    )
    replace_soundtrack(tmp_path / "out.mp4", source, tone())
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert out.streams.video[0].codec_context.codec_tag == tag


def song_with_cover(path):
    """An .mp3 whose only picture is the cover in its ID3 tag."""
    image = io.BytesIO()
    Image.new("RGB", (64, 64)).save(image, "JPEG")
    frame = b"\0image/jpeg\0\3\0" + image.getvalue()
    tag = b"APIC" + len(frame).to_bytes(4, "big") + b"\0\0" + frame
    size = bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0))
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=44_100, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 22_050), np.float32), "fltp", "mono")
        block.sample_rate = 44_100
        out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    path.write_bytes(b"ID3\3\0\0" + size + tag + path.read_bytes())
    return path


def photo(path):
    Image.new("RGB", (64, 48)).save(path)
    return path


def playlist(path):
    path.write_text("#EXTM3U\n#EXTINF:2,\nfilm.mp4\n")
    return path


def sound_alone(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        frame.sample_rate = 44_100
        out.mux(stream.encode(frame))
    return path


def text(path):
    path.write_text("no film")
    return path


def pipe(path):
    os.mkfifo(path)
    return path


REFUSED = {
    "a song with a cover": (song_with_cover, "a.mp3", "holds no pictures but a cover"),
    "a photo": (photo, "a.jpg", "expected moving pictures, found 1 picture"),
    "a photo of another kind": (photo, "a.png", "expected moving pictures, found 1 picture"),
    "a playlist": (playlist, "a.m3u8", "a playlist, which names other files"),
    "a playlist under another name": (playlist, "a.mp4", "a playlist, which names other files"),
    "a sound": (sound_alone, "a.wav", "holds no pictures; expected a film"),
    "a text": (text, "a.mp4", "not a film that can be read"),
    "a pipe": (pipe, "a.mp4", "not a regular file"),
    "a folder": (lambda path: path.mkdir() or path, "a.mp4", "not a regular file"),
    "nothing": (lambda path: path, "a.mp4", "no such film"),
    "a raw stream": (lambda path: make_film(path, container="h264"), "a.h264", "have no times"),
    "VP8": (lambda path: make_film(path, "libvpx"), "a.webm", "an .mp4 can't hold its pictures"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_soundtrack_rejects_files_that_are_no_film(kind, tmp_path):
    make, name, message = REFUSED[kind]
    source = make(tmp_path / name)
    for refuse in (check_film, lambda path: replace_soundtrack(tmp_path / "o.mp4", path, tone())):
        with pytest.raises(ConfigError, match=message) as error:
            refuse(source)
        assert str(source) in str(error.value)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "o.mp4").exists()


def test_soundtrack_rejects_picture_times_beyond_mp4(tmp_path):
    film = make_film(tmp_path / "a.mp4", "libx264", options={"bf": "2"})
    content = film.read_bytes()
    # The box of composition offsets: version, number of entries, count and offset of the first.
    first_offset = content.index(b"ctts") + 16
    lowest = (1 << 31).to_bytes(4, "big")
    film.write_bytes(content[:first_offset] + lowest + content[first_offset + 4 :])
    if av.library_versions["libavformat"] < (62, 0, 0):
        # Older releases of FFmpeg drop such a table when they read it.
        replace_soundtrack(tmp_path / "o.mp4", film, tone())
        assert len(shown(tmp_path / "o.mp4")[0]) == PICTURES
        return
    with pytest.raises(ConfigError, match=r"a\.mp4: an \.mp4 can't hold its pictures' times"):
        replace_soundtrack(tmp_path / "o.mp4", film, tone())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("offset_s", [2.0, 5.0, -0.1, float("nan")])
def test_soundtrack_rejects_an_offset_outside_the_film(film, offset_s):
    with pytest.raises(ConfigError, match=r"can't begin at .* lasts 2.0 s"):
        check_film(film, offset_s)
    assert check_film(film, 1.9).pictures == PICTURES


def test_the_input_video_is_unchanged(film, tmp_path):
    before = film.read_bytes()
    replace_soundtrack(tmp_path / "out.mp4", film, tone())
    assert film.read_bytes() == before


def test_a_truncated_film_is_refused_or_shortened(film, tmp_path):
    cut = tmp_path / "cut.mkv"
    whole = make_film(tmp_path / "whole.mkv").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    info = check_film(cut)
    assert 1 < info.pictures < PICTURES
    replace_soundtrack(tmp_path / "out.mp4", cut, tone())
    assert len(shown(tmp_path / "out.mp4")[0]) >= info.pictures - 2
