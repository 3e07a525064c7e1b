"""Songs in any format: libsndfile's, and what FFmpeg reads where PyAV is installed."""

import importlib.util
from pathlib import Path

import numpy as np

from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import AudioError

SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64",
    ".m4a", ".m4p", ".aac", ".mp4", ".wma", ".webm", ".mka",
)  # fmt: skip
# libsndfile doesn't read these; .m4p are protected ones, listed with that reason.
_FFMPEG_SUFFIXES = (".m4a", ".m4p", ".aac", ".mp4", ".wma", ".webm", ".mka")
# FFmpeg reads from the file itself and follows no list of other files or addresses.
_DEMUXERS = "mov,mp4,m4a,aac,asf,matroska,webm"
_MAX_DURATION_S = 2.5 * 3600.0


def decode_song(path: Path) -> Sound:
    """Read a song.

    Raises:
        AudioError: It is damaged, protected (DRM), of an unknown format, or too long.
    """
    if path.suffix.lower() not in _FFMPEG_SUFFIXES:
        return read_sound(path)
    if importlib.util.find_spec("av") is None:
        raise AudioError(
            f'{path}: {path.suffix} needs PyAV; pip install "kinetune[film]" brings it, or convert '
            "the file to FLAC"
        )
    return _decode_by_ffmpeg(path)


def _decode_by_ffmpeg(path: Path) -> Sound:
    import av

    try:
        with av.open(str(path), options={"format_whitelist": _DEMUXERS}) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no sound")
            stream = container.streams.audio[0]
            rate_hz, channels = int(stream.rate), min(2, int(stream.channels))
            if container.duration is not None and container.duration / 1e6 > _MAX_DURATION_S:
                raise AudioError(
                    f"{path}: lasts {container.duration / 3.6e9:.1f} h, at most "
                    f"{_MAX_DURATION_S / 3600.0:g} h"
                )
            layout = "stereo" if channels == 2 else "mono"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate_hz)
            parts = [
                out.to_ndarray() for frame in container.decode(stream)
                for out in resampler.resample(frame)
            ]  # fmt: skip
    except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(
            f"{path}: not a sound file that can be read ({reason}); it may be damaged or protected"
        ) from error
    if not parts:
        raise AudioError(f"{path}: the file holds no samples")
    samples = np.concatenate(parts, axis=1).T.astype(np.float32)
    return Sound(samples[:, 0].copy() if channels == 1 else samples.copy(), rate_hz)
