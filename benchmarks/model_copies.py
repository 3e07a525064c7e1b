"""Part of ``model_card.py``: memorisation of training music by the model.

Every 4 s of music become a thumbnail (16 bands, ten times a second, its mean level taken off); its
nearest neighbour is sought among all thumbnails of the training corpus, a tenth of a second apart.
Corpus music that the model never saw is sought likewise: music that copies lies nearer than that.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from user_pipeline import pair_for, spectrogram_of

from kinetune import genres
from kinetune.audio.sound import Sound, read_sound
from kinetune.corpus.folder import read_manifest
from kinetune.model.pipeline import DanceToMusicPipeline

Thumbs = NDArray[np.float32]
_BANDS, _FRAMES, _LONG = 16, 4, 43
_UNSEEN_SEED = 960_000


def copies(pipeline: DanceToMusicPipeline, corpus: Path, *, pieces: int = 40) -> None:
    """Print distances to the nearest training music, of the model's and of unseen music."""
    unseen = [
        pair_for(pipeline, _UNSEEN_SEED + k, genre=genres.CODES[k % 10], duration_s=12.0)
        for k in range(pieces)
    ]
    made = [pipeline(p.clip, genre=p.genre, seed=p.seed, grid=p.grid).sound for p in unseen]
    compared = {"the model": made, "unseen corpus music": [p.sound for p in unseen]}
    thumbs = {name: [thumbnails(pipeline, s, step=_LONG) for s in sounds]
              for name, sounds in compared.items()}  # fmt: skip
    nearest = {name: [np.full(len(t), np.inf) for t in rows] for name, rows in thumbs.items()}
    for item in read_manifest(corpus):
        known = thumbnails(pipeline, read_sound(corpus / item.audio), step=1)
        for name, rows in thumbs.items():
            for row, best in zip(rows, nearest[name], strict=True):
                np.minimum(best, distances(row, known).min(axis=1), out=best)
    print(
        "| 4 s of music | nearest training music, dB: median | lowest of a hundred |\n|---|---|---|"
    )
    for name, rows in nearest.items():
        values = np.concatenate(rows)
        print(f"| {name} | {np.median(values):.2f} | {np.percentile(values, 1.0):.2f} |")
    print()


def thumbnails(pipeline: DanceToMusicPipeline, sound: Sound, *, step: int) -> Thumbs:
    """Return the thumbnails of every 4 s of a sound, (n, bands * long)."""
    mel = spectrogram_of(pipeline, sound)[0].numpy()
    mel = mel * pipeline.mel.settings.top_db / 2.0
    length = mel.shape[1] // _FRAMES * _FRAMES
    small = mel[:, :length].reshape(_BANDS, -1, length // _FRAMES, _FRAMES).mean(axis=(1, 3))
    views = np.lib.stride_tricks.sliding_window_view(small, _LONG, axis=1)[:, ::step]
    rows = views.transpose(1, 0, 2).reshape(views.shape[1], -1)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), dtype=np.float32)


def distances(one: Thumbs, other: Thumbs) -> NDArray[np.float32]:
    """Root mean square differences of all thumbnails to all others, dB, (n, m)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2.0 * one @ other.T
    return np.sqrt(np.maximum(squares, 0.0) / one.shape[1])
