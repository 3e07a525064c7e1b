"""Music on an existing video: the video stream is copied, the original sound is dropped.

Conventions: seconds from the film's first picture, whatever time its container starts at. Any
container and picture format that FFmpeg reads and an .mp4 can hold. Only the film's own file is
opened: playlists, which name other files, are refused.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.files import atomic_file
from kinetune.render.mux import audio_packets, audio_stream, check_suffix, mux_until

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound

# FFmpeg's demuxers for a single file: films, and sounds and pictures to name them in the error.
_DEMUXERS = (
    "mov,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,mxf,nut,gif,m4v,mpegvideo,h264,hevc,"
    "wav,mp3,flac,aac,aiff,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
_PLAYLIST = b"#EXTM3U"
# Leading packets without a decoding time are kept until one has it; B-frames need a few.
_MAX_UNTIMED = 64


@dataclass(frozen=True)
class FilmInfo:
    """What is known of a film.

    Attributes:
        duration_s: From its first picture to the end of its last.
        pictures: Their number.
        start_pts: Presentation time of the first picture, in ticks of its stream.
    """

    duration_s: float
    pictures: int
    start_pts: int


def check_film(path: Path, offset_s: float = 0.0) -> FilmInfo:
    """Return what is known of a film after checking that music can be put on it.

    Reads its packets, but decodes nothing.

    Args:
        path: The film.
        offset_s: When in the film the music begins.

    Raises:
        ConfigError: It is no regular file, can't be read, contains no moving pictures, pictures
            without times or pictures an .mp4 can't hold, or ends before the music begins.
        MissingExtraError: PyAV isn't installed.
    """
    with _open(path) as film:
        stream = _picture_stream(path, film)
        _check_mp4_holds(path, stream)
        info = _scan(path, film, stream)
    if not 0.0 <= offset_s < info.duration_s:
        raise ConfigError(
            f"the music can't begin at {offset_s:g} s of {path}, which lasts "
            f"{info.duration_s:.1f} s"
        )
    return info


def replace_soundtrack(path: Path, film: Path, sound: "Sound", *, offset_s: float = 0.0) -> None:
    """Write a film with its pictures untouched and music for its sound; it ends as the film does.

    Args:
        path: An .mp4 file.
        film: The film.
        sound: The music.
        offset_s: When in the film the music begins, 0 or later.

    Raises:
        ConfigError: As :func:`check_film`.
        OutputError: The file can't be written.
    """
    check_suffix(path)
    info = check_film(film, offset_s)
    with extra("film"):
        import av

    with _open(film) as source, atomic_file(path) as aside, av.open(str(aside), "w") as out:
        try:
            _mux_with_music(film, source, out, info, sound, offset_s)
        except (av.error.ArgumentError, av.error.InvalidDataError) as error:
            raise ConfigError(
                f"{film}: an .mp4 can't hold its pictures' times ({error.strerror}); convert it to "
                "H.264 first"
            ) from error


def _mux_with_music(
    film: Path,
    source: Any,  # noqa: ANN401 - PyAV's own types
    out: Any,  # noqa: ANN401
    info: FilmInfo,
    sound: "Sound",
    offset_s: float,
) -> None:
    given = _picture_stream(film, source)
    video = _copy_stream(out, given)
    music = audio_packets(audio_stream(out), sound, after_s=offset_s)
    for packet in _timed_packets(source.demux(given)):
        packet.pts -= info.start_pts
        packet.dts -= info.start_pts
        now_s = float(packet.dts * packet.time_base)
        packet.stream = video
        out.mux(packet)
        mux_until(out, music, now_s)
    mux_until(out, music, info.duration_s)


def _open(path: Path) -> Any:  # noqa: ANN401 - PyAV's own types
    """The film's container, opened for reading."""
    with extra("film"):
        import av

    path = Path(path)
    # A pipe or a device would block or never end.
    if not path.is_file():
        raise ConfigError(f"{path}: no such film, or not a regular file")
    try:
        with path.open("rb") as file:
            if file.read(len(_PLAYLIST)) == _PLAYLIST:
                raise ConfigError(
                    f"{path}: a playlist, which names other files; expected a film in one file"
                )
        return av.open(str(path), options={"format_whitelist": _DEMUXERS})
    except (av.FFmpegError, OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: not a film that can be read ({reason})") from error


def _picture_stream(path: Path, film: Any) -> Any:  # noqa: ANN401
    """The film's first stream of moving pictures; a song's cover is none."""
    from av.stream import Disposition

    for stream in film.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    cover = " but a cover" if film.streams.video else ""
    raise ConfigError(f"{path}: holds no pictures{cover}; expected a film")


def _copy_stream(out: Any, given: Any) -> Any:  # noqa: ANN401
    """A stream of the output that takes the given one's packets, its tag (as hvc1) kept."""
    tag = given.codec_context.codec_tag
    # Opaque: no encoder of the format is needed, as there is none of AV1 or VP9 in some builds.
    stream = out.add_stream_from_template(given, opaque=True)
    if tag == "hvc1":
        stream.codec_context.codec_tag = tag
    return stream


def _check_mp4_holds(path: Path, stream: Any) -> None:  # noqa: ANN401
    import av

    if stream.codec_context is None:
        raise ConfigError(f"{path}: its pictures are of an unknown format; convert it to H.264")
    try:
        with av.open(io.BytesIO(), "w", format="mp4") as trial:
            _copy_stream(trial, stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{path}: an .mp4 can't hold its pictures ({stream.codec_context.name}: {reason}); "
            "convert it to H.264 first"
        ) from error


def _scan(path: Path, film: Any, stream: Any) -> FilmInfo:  # noqa: ANN401
    """Length and number of pictures from the packets, as containers may state none."""
    import av

    pictures, first, end = 0, None, 0
    try:
        for packet in film.demux(stream):
            if packet.size == 0:
                continue
            pictures += 1
            if packet.pts is None:
                raise ConfigError(
                    f"{path}: its pictures have no times (a raw stream?); put it into an .mp4 "
                    "first, as with ffmpeg -i IN -c copy OUT.mp4"
                )
            first = packet.pts if first is None else min(first, packet.pts)
            end = max(end, packet.pts + (packet.duration or _ticks_a_picture(stream)))
    except av.FFmpegError as error:
        raise ConfigError(f"{path}: damaged ({error.strerror})") from error
    if first is None or pictures < 2:
        raise ConfigError(f"{path}: expected moving pictures, found {pictures} picture")
    return FilmInfo(float((end - first) * stream.time_base), pictures, first)


def _ticks_a_picture(stream: Any) -> int:  # noqa: ANN401
    rate = stream.average_rate or stream.guessed_rate
    return round(1 / (rate * stream.time_base)) if rate else 0


def _timed_packets(packets: Iterator[Any]) -> Iterator[Any]:
    """Yield packets with data; leading ones without a decoding time get it from the first that has.

    Matroska stores presentation times alone: with B-frames the first packets, a key frame among
    them, come without decoding times, and dropping them would leave nothing to decode.
    """
    waiting: list[Any] = []
    for packet in packets:
        if packet.size == 0:
            continue
        waiting.append(packet)
        if packet.dts is None and len(waiting) < _MAX_UNTIMED:
            continue
        yield from _with_decoding_times(waiting)
        waiting = []
    yield from _with_decoding_times(waiting)


def _with_decoding_times(packets: list[Any]) -> list[Any]:
    """The packets with decoding times counted back from the last, none after its presentation."""
    following = None
    for packet in reversed(packets):
        step = packet.duration or _ticks_a_picture(packet.stream) or 1
        if packet.dts is None:
            packet.dts = packet.pts if following is None else min(packet.pts, following - step)
        following = packet.dts
    return packets
