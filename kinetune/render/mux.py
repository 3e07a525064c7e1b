"""Film and music in one file, through PyAV: MP4 with H.264 and AAC. Seconds, Hz."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kinetune import timebase
from kinetune.audio.sound import Sound, resample
from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.files import atomic_file
from kinetune.memmap import chunks
from kinetune.render import skeleton_video

# What every player knows.
_AUDIO_HZ = 44_100
_AUDIO_BITS = 192_000
_BLOCK = 1024
SUFFIX = ".mp4"


def check_suffix(path: Path) -> None:
    """See that a film can be written under that name.

    Raises:
        ConfigError: The suffix is not .mp4.
    """
    if path.suffix.lower() != SUFFIX:
        raise ConfigError(f"{path}: films are written as {SUFFIX}; found {path.suffix!r}")


def write_film(
    path: Path,
    scene: skeleton_video.Scene,
    sound: Sound,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the dancer with the music on it.

    Args:
        path: An .mp4 file.
        scene: What is filmed.
        sound: The music; it begins with the film.
        progress: Called with (pictures done, pictures in all).

    Raises:
        ConfigError: The suffix is not .mp4.
        OutputError: The place can't be written to.
    """
    with extra("film"):
        import av

    check_suffix(path)
    total = len(scene.poses)
    with atomic_file(path) as aside, av.open(str(aside), "w") as out:
        video = out.add_stream("libx264", rate=round(skeleton_video.FPS))
        video.width, video.height, video.pix_fmt = (
            skeleton_video.WIDTH,
            skeleton_video.HEIGHT,
            "yuv420p",
        )
        video.options = {"preset": "veryfast", "crf": "20"}
        music = _audio_packets(_audio_stream(out), sound)
        for number, picture in enumerate(skeleton_video.pictures(scene)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            # The music keeps step with the pictures, so that players need not look far ahead.
            _mux_until(out, music, timebase.duration_of(number + 1, skeleton_video.FPS))
            if progress is not None:
                progress(number + 1, total)
        out.mux(video.encode(None))
        _mux_until(out, music, np.inf)


def write_onto(path: Path, source: Path, sound: Sound, *, offset_s: float = 0.0) -> None:
    """Put music on somebody's film: its pictures are copied untouched, its own sound is left out.

    Args:
        path: An .mp4 file.
        source: The film.
        sound: The music.
        offset_s: When in the film the music begins, 0 or later.

    Raises:
        ConfigError: The film can't be read, holds no pictures or pictures an .mp4 can't hold, or
            the music begins after its end.
        OutputError: The place can't be written to.
    """
    with extra("film"):
        import av

    check_suffix(path)
    try:
        film_in = av.open(str(source))
    except (av.FFmpegError, OSError) as error:
        raise ConfigError(f"{source}: not a film that can be read ({error})") from error
    with film_in:
        if not film_in.streams.video:
            raise ConfigError(f"{source}: holds no pictures; expected a film")
        given = film_in.streams.video[0]
        length_s = float(film_in.duration or 0) / av.time_base
        if length_s and not 0.0 <= offset_s < length_s:
            raise ConfigError(
                f"the music can't begin at {offset_s:g} s of {source}, which lasts {length_s:.1f} s"
            )
        with atomic_file(path) as aside, av.open(str(aside), "w") as out:
            try:
                video = out.add_stream_from_template(given)
            except (av.FFmpegError, ValueError) as error:
                raise ConfigError(
                    f"{source}: an .mp4 can't hold its pictures ({error}); convert it first"
                ) from error
            music = _audio_packets(_audio_stream(out), sound, after_s=offset_s)
            for packet in film_in.demux(given):
                if packet.dts is None:
                    continue
                now_s = float(packet.dts * packet.time_base)
                packet.stream = video
                out.mux(packet)
                _mux_until(out, music, now_s)
            _mux_until(out, music, length_s or np.inf)


def _audio_stream(out: Any) -> Any:  # noqa: ANN401 - PyAV's own types
    stream = out.add_stream("aac", rate=_AUDIO_HZ)
    stream.bit_rate = _AUDIO_BITS
    stream.layout = "stereo"
    return stream


def _audio_packets(
    stream: Any,  # noqa: ANN401
    sound: Sound,
    *,
    after_s: float = 0.0,
) -> Iterator[tuple[float, Any]]:
    """Yield (seconds so far, packets), a block of silence and sound at a time, then the rest."""
    with extra("film"):
        import av

    samples = resample(sound, _AUDIO_HZ).samples
    silent = timebase.samples_in(after_s, _AUDIO_HZ)
    for part in chunks(samples, size=_BLOCK, count=silent + len(samples)):
        block = np.zeros((2, part.stop - part.start), dtype=np.float32)
        heard = samples[max(0, part.start - silent) : max(0, part.stop - silent)]
        if len(heard):
            block[:, -len(heard) :] = heard.T
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = _AUDIO_HZ, part.start
        yield timebase.duration_of(part.start, _AUDIO_HZ), stream.encode(frame)
    yield timebase.duration_of(silent + len(samples), _AUDIO_HZ), stream.encode(None)


def _mux_until(out: Any, music: Iterator[tuple[float, Any]], end_s: float) -> None:  # noqa: ANN401
    for now_s, packets in music:
        out.mux(packets)
        if now_s >= end_s:
            break
