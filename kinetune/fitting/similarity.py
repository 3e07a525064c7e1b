"""Learned similarity of a dance and a song that is shifted and stretched.

Seconds; vectors and spectrograms of :mod:`kinetune.metrics.similarity`. The song's spectrogram is
read at the times that play, as if the song itself were stretched.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.fitting.body import BodyAnalysis
from kinetune.fitting.song import SongAnalysis
from kinetune.fitting.time_map import TimeMap

Array = NDArray[np.float64]
# Offsets are rounded to this part of the time between vectors: 17 ms.
_STEPS = 4
_FPS = timebase.MOTION_FPS


def similarity_of_map(song: SongAnalysis, body: BodyAnalysis, time_map: TimeMap) -> float | None:
    """Return the similarity of a dance and a song where it plays, -1 to 1; None if it doesn't.

    Args:
        song: The song.
        body: The dance.
        time_map: Song time to dance time.
    """
    from kinetune.metrics.similarity import VECTORS_PER_S, similarity

    start_s, end_s = time_map.in_dance(np.array([0.0, song.duration_s]))
    first = int(np.ceil(max(0.0, float(start_s)) * VECTORS_PER_S))
    last = int(min(body.duration_s, float(end_s)) * VECTORS_PER_S)
    count = min(last, len(body.vectors)) - first
    if count <= 0:
        return None
    times_s = first / VECTORS_PER_S + timebase.frame_times(2 * count, _FPS)
    music = _embedded(_mel_at(song, time_map.in_song(times_s)))
    return similarity(body.vectors[first : first + count], music)


def similarity_at(
    song: SongAnalysis, body: BodyAnalysis, *, stretch: float, offsets_s: NDArray[np.floating]
) -> Array:
    """Return the similarity at every offset, (K,); 0 where song and dance don't overlap.

    Args:
        song: The song.
        body: The dance.
        stretch: Dance seconds over song seconds.
        offsets_s: Times in the dance at which the song begins, (K,).
    """
    from kinetune.metrics.similarity import VECTORS_PER_S, similarity

    count = timebase.frames_in(stretch * song.duration_s, _FPS)
    step_s = 1.0 / (VECTORS_PER_S * _STEPS)
    shifted = [
        _embedded(_mel_at(song, (timebase.frame_times(count, _FPS) + k * step_s) / stretch))
        for k in range(_STEPS)
    ]
    similarities = np.zeros(len(offsets_s))
    for number, offset_s in enumerate(offsets_s):
        late, step = divmod(round(-float(offset_s) / step_s), _STEPS)
        music, motion = shifted[step][max(0, late) :], body.vectors[max(0, -late) :]
        if len(music) and len(motion):
            similarities[number] = similarity(motion, music)
    return similarities


def _mel_at(song: SongAnalysis, times_s: Array) -> NDArray[np.float32]:
    """The song's spectrogram at some times, linearly interpolated, (T,) -> (T, M)."""
    frames = np.clip(times_s * _FPS, 0.0, len(song.mel) - 1.0)
    before = np.minimum(frames.astype(int), max(0, len(song.mel) - 2))
    share = (frames - before)[:, None].astype(np.float32)
    after = np.minimum(before + 1, len(song.mel) - 1)
    return (1.0 - share) * song.mel[before] + share * song.mel[after]


def _embedded(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors (T', D) of a spectrogram (T, M)."""
    import torch

    from kinetune.metrics.similarity import load_network

    with torch.inference_mode():
        vectors: NDArray[np.float32] = (
            load_network().embed_music(torch.from_numpy(mel)[None])[0].numpy()
        )
    return vectors
