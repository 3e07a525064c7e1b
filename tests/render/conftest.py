"""Small films made with PyAV: a moving square, in any container and picture format."""

import av
import numpy as np
import pytest

from kinetune.audio.sound import Sound

RATE = 25
PICTURES = 50


def picture(number):
    """A dark picture with a bright square that moves with the number."""
    pixels = np.full((96, 128, 3), 40, np.uint8)
    left = 2 * number
    pixels[30:60, left : left + 24] = 220
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def make_film(path, codec="libx264", *, container=None, options=None, muxing=None, shift=0, tag=""):
    """Write 2 s of film; ``shift`` moves its times by so many pictures, ``tag`` names its codec."""
    with av.open(str(path), "w", format=container, options=muxing or {}) as out:
        stream = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = options or {}
        if tag:
            stream.codec_context.codec_tag = tag
        for number in range(PICTURES):
            frame = picture(number)
            frame.pts = number + shift
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def tone(duration_s=2.0):
    time_s = np.arange(round(duration_s * 22_050)) / 22_050
    return Sound((0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32), 22_050)


def shown(path):
    """Times of the decoded pictures, and where the square of each stands, 0 to 127."""
    with av.open(str(path)) as file:
        frames = [(f.time, f.to_ndarray(format="gray")) for f in file.decode(video=0)]
    return [time for time, _ in frames], [int((g[45] > 130).argmax()) for _, g in frames]


def heard(path):
    """The first channel of the decoded sound, 44,100 Hz."""
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])


@pytest.fixture
def film(tmp_path):
    return make_film(tmp_path / "film.mp4")
