"""Crops of stereo music and of the spectrograms that a vocoder reads of it.

Axes: B batch, V versions of a spectrogram, M its rows, L its frames, N samples.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune.audio.sound import Sound
from kinetune.audio.vocoder import Band, VocoderConfig
from kinetune.corpus.folder import is_held_out
from kinetune.model.vae import decode_raw, frames_per_column, posterior_of
from kinetune.training.data.codec import Codec
from kinetune.training.data.recordings import (
    Recordings,
    as_floats,
    cache_recordings,
    decimation,
    samples_at,
)
from kinetune.training.vocoder_config import VocoderTraining

# The codec's windows at once: as long as those it was trained on.
_CODEC_FRAMES = 512


def open_recordings(
    training: VocoderTraining, codec: Codec, out: Path, *, held_out: bool
) -> Recordings:
    """Return the pieces to learn from, or those kept for validation, cached in ``out/cache``."""
    chosen = held_out_paths(Path(training.corpus), training.held_out, held_out=held_out)
    return cache_recordings(
        chosen,
        out / "cache",
        training.network,
        lambda sound: spectrograms_of(sound, codec, training.codec_versions),
    )


def held_out_paths(corpus: Path, every: int, *, held_out: bool) -> list[Path]:
    """Return a corpus' sound files that are kept for validation, or the others.

    Args:
        corpus: Folder with ``audio/*.flac``.
        every: About one piece in so many is held out; 0 holds out none.
        held_out: Which of the two are wanted.
    """
    paths = sorted((corpus / "audio").glob("*.flac"))
    return [path for path in paths if is_held_out(path.stem, every) == held_out]


@torch.no_grad()
def spectrograms_of(sound: Sound, codec: Codec, versions: int) -> NDArray[np.float16]:
    """Return a piece's spectrogram as it is, and as the model's codec brings it through, (V, M, L).

    Args:
        sound: The piece.
        codec: The model's codec.
        versions: How many passes through the codec, each with its windows begun elsewhere.
    """
    mel = codec.mel.encode(samples_at(sound, codec.mel.settings.rate_hz, codec.mel.channels))
    column, count = frames_per_column(codec.vae), mel.shape[-1]
    kept = [mel[0]]
    for version in range(versions):
        ahead = version * _CODEC_FRAMES // max(1, versions) + version % column
        behind = -(ahead + count) % _CODEC_FRAMES
        wide = functional.pad(mel, (ahead, behind), value=-1.0)
        windows = wide[0].unflatten(1, (-1, _CODEC_FRAMES)).transpose(0, 1)
        generator = torch.Generator().manual_seed(version)
        mean, std = posterior_of(codec.vae, windows)
        latents = mean + std * torch.randn(mean.shape, generator=generator)
        brought = decode_raw(codec.vae, latents).transpose(0, 1).flatten(1)
        kept.append(brought[:, ahead : ahead + count])
    return torch.stack(kept).clamp(-1.0, 1.0).numpy().astype(np.float16)


class Crops:
    """Draws crops of the recordings: mel frames and each band's sound.

    Args:
        recordings: The pieces.
        training: The run.
        top_db: Decibels from -1 to 1 in the spectrograms.
    """

    def __init__(self, recordings: Recordings, training: VocoderTraining, *, top_db: float) -> None:
        self.recordings, self.training, self._unit_db = recordings, training, 0.5 * top_db

    def batch(
        self, number: int, size: int, rows: range | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return mel (B, M, L) and for each band samples (B, 2, N) that its frames need.

        Args:
            number: Of the batch.
            size: Its crops.
            rows: Which of them; all if None.
        """
        seed, rows = self.training.loop.seed, range(size) if rows is None else rows
        draws = [np.random.default_rng([seed, number * size + row]) for row in rows]
        picked = [self._crop(draw) for draw in draws]
        mel = torch.from_numpy(np.stack([mel for mel, _ in picked]))
        bands = range(len(self.training.network.bands))
        sounds = [torch.from_numpy(np.stack([s[i] for _, s in picked])) for i in bands]
        return mel, sounds

    def _crop(self, draw: np.random.Generator) -> tuple[NDArray[np.float32], list[NDArray]]:
        name = self.recordings.names[draw.integers(len(self.recordings.names))]
        versions = self.recordings.mel(name)
        length, training = self.training.crop_frames, self.training
        # Frames whose windows, and those of the frame before, lie within the piece.
        reach = -(-max(training.network.windows) // training.network.mel_hop_samples)
        first = int(draw.integers(reach, versions.shape[2] - length - reach))
        through = len(versions) > 1 and draw.random() < training.codec_share
        version = int(draw.integers(1, len(versions))) if through else 0
        mel = versions[version, :, first : first + length].astype(np.float32)
        gain_db = float(np.clip(draw.normal(0.0, training.gain_db), -9.0, 9.0))
        noise = draw.uniform(0.0, training.noise) * draw.standard_normal(mel.shape)
        mel = (mel + gain_db / self._unit_db + noise).clip(-1.0, 1.0).astype(np.float32)
        gain = np.float32(10.0 ** (gain_db / 20.0))
        return mel, [
            gain * _cut(self.recordings, name, band, first, length, training.network)
            for band in training.network.bands
        ]


def _cut(
    recordings: Recordings, name: str, band: Band, first: int, length: int, config: VocoderConfig
) -> NDArray[np.float32]:
    """Samples from the first window of the frame before the first to the last window's end."""
    factor = decimation(band)
    centre = first * config.mel_hop_samples - band.hop
    frames = length * config.fine_factor * band.steps + 1
    start = (centre - band.window // 2) // factor
    count = ((frames - 1) * band.hop + band.window) // factor
    return as_floats(recordings.sound(name, factor)[:, start : start + count])
