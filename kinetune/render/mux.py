"""Video and audio in one MP4 file (H.264 and AAC), through PyAV. Seconds, Hz."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetune import timebase
from kinetune.audio.sound import Sound, resample
from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.files import atomic_file
from kinetune.memmap import chunks

if TYPE_CHECKING:
    from kinetune.render.skeleton_video import Scene

# What every player can decode.
_AUDIO_HZ = 44_100
_AUDIO_BITS = 192_000
_BLOCK = 1024
_VIDEO_OPTIONS = {"preset": "veryfast", "crf": "20"}
SUFFIX = ".mp4"


def check_suffix(path: Path) -> None:
    """Check that a film can be written under that name.

    Raises:
        ConfigError: The suffix is not .mp4.
    """
    if path.suffix.lower() != SUFFIX:
        raise ConfigError(f"{path}: films are written as {SUFFIX}; found {path.suffix!r}")


def write_film(
    path: Path,
    scene: "Scene",
    sound: Sound,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a film of the dancer with the music.

    Args:
        path: An .mp4 file.
        scene: What is filmed.
        sound: The music; it begins with the film, and its waveform is drawn.
        progress: Called with (pictures done, pictures in all).

    Raises:
        ConfigError: The suffix is not .mp4.
        OutputError: The file can't be written.
    """
    with extra("film"):
        import av

        from kinetune.render import skeleton_video

    check_suffix(path)
    with atomic_file(path) as aside, av.open(str(aside), "w") as out:
        video = out.add_stream("libx264", rate=round(skeleton_video.FPS))
        video.width, video.height = skeleton_video.WIDTH, skeleton_video.HEIGHT
        video.pix_fmt, video.options = "yuv420p", _VIDEO_OPTIONS
        _encode(out, video, scene, sound, progress)


def _encode(
    out: Any,  # noqa: ANN401
    video: Any,  # noqa: ANN401
    scene: "Scene",
    sound: Sound,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Draw and encode the pictures and the music; one is encoded while the next is drawn."""
    import av

    from kinetune.render import skeleton_video

    total = len(scene.poses)
    music = audio_packets(audio_stream(out), sound)

    def encode(frame: Any, end_s: float) -> None:  # noqa: ANN401
        out.mux(video.encode(frame))
        # Sound and pictures are interleaved, so that players need not look far ahead.
        mux_until(out, music, end_s)

    with ThreadPoolExecutor(1) as encoder:
        pending: Future[None] | None = None
        for number, picture in enumerate(skeleton_video.pictures(scene, sound), start=1):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pending is not None:
                pending.result()
            end_s = timebase.duration_of(number, skeleton_video.FPS)
            pending = encoder.submit(encode, frame, end_s)
            if progress is not None:
                progress(number, total)
        if pending is not None:
            pending.result()
    encode(None, np.inf)


def audio_stream(out: Any) -> Any:  # noqa: ANN401 - PyAV's own types
    """Return a new AAC stream of an open container."""
    stream = out.add_stream("aac", rate=_AUDIO_HZ)
    stream.bit_rate = _AUDIO_BITS
    stream.layout = "stereo"
    return stream


def audio_packets(
    stream: Any,  # noqa: ANN401
    sound: Sound,
    *,
    after_s: float = 0.0,
) -> Iterator[tuple[float, Any]]:
    """Yield (seconds so far, packets) of silence and then the sound, a block at a time."""
    import av

    samples = resample(sound, _AUDIO_HZ).samples
    silent = timebase.samples_in(after_s, _AUDIO_HZ)
    for part in chunks(samples, size=_BLOCK, count=silent + len(samples)):
        block = np.zeros((2, part.stop - part.start), dtype=np.float32)
        present = samples[max(0, part.start - silent) : max(0, part.stop - silent)]
        if len(present):
            block[:, -len(present) :] = present.T
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = _AUDIO_HZ, part.start
        yield timebase.duration_of(part.start, _AUDIO_HZ), stream.encode(frame)
    yield timebase.duration_of(silent + len(samples), _AUDIO_HZ), stream.encode(None)


def mux_until(out: Any, music: Iterator[tuple[float, Any]], end_s: float) -> None:  # noqa: ANN401
    """Write packets of :func:`audio_packets` up to a time."""
    for now_s, packets in music:
        out.mux(packets)
        if now_s >= end_s:
            break
