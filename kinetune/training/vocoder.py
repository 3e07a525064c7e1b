"""Trains the vocoder: what every bin of the music's spectrograms does, told from the mel frames.

Losses: mean absolute error of the log magnitudes, of the log power of small patches and of the
magnitudes' change along time (attacks); squared distance of the phase steps on the unit circle,
weighted by how loud the bins are.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune import config as configs
from kinetune.audio.sound import Sound
from kinetune.audio.vocoder import NUMBERS_A_BIN, Band, VocoderConfig, VocoderNetwork
from kinetune.config import Count, CountOrZero, NonNegative, Share
from kinetune.errors import ConfigError
from kinetune.model.checkpoint import as_float16, atomic_folder
from kinetune.model.mel import MelVocoder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_raw, frames_per_column, posterior_of
from kinetune.training.config import LoopConfig
from kinetune.training.data.recordings import (
    Recordings,
    as_floats,
    cache_recordings,
    decimation,
    mono_at,
)
from kinetune.training.discriminator import Adversary
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run

# What the codec may be asked at once: the windows it was trained on.
_CODEC_FRAMES = 512
_JUDGES = "judges.safetensors"


@configs.settings
class VocoderTraining:
    """A whole run.

    Attributes:
        network: The vocoder's figures.
        corpus: Folder with ``audio/*.flac`` at the vocoder's rate.
        model: The model whose spectrograms it reads: a bundled name, a folder or a hub id.
        held_out: About one piece in so many is kept for validation; 0 keeps none.
        crop_frames: Mel frames of a training crop.
        codec_share: How often a crop is read as the model's codec brings it through.
        codec_versions: How many versions of that are kept.
        gain_db: Deviation of a crop's gain.
        noise: Largest deviation of the noise added to the mel, in its units.
        energy_weight: Weight of the patches' log power.
        slope_weight: Weight of the change along time.
        phase_weight: Weight of the phase steps.
        side_weight: Weight of the side against the middle.
        start: A vocoder's folder to go on from, relative to where the command is run; empty starts
            from random weights.
        adversarial_weight: Weight of what the judges say; 0 trains without judges.
        matching_weight: Weight of the distance of the judges' features, times the former.
        judge_rate: Learning rate of the judges.
        compiled: Fuse what lies between the matrix products with ``torch.compile``; needs a C++
            compiler and a minute, and nearly doubles the speed on a CPU.
        loop: The loop's figures.
    """

    network: VocoderConfig = field(default_factory=VocoderConfig)
    corpus: str = "runs/corpus44"
    model: str = "default"
    held_out: CountOrZero = 16
    crop_frames: Count = 96
    codec_share: Share = 0.6
    codec_versions: CountOrZero = 2
    gain_db: NonNegative = 3.0
    noise: NonNegative = 0.03
    energy_weight: NonNegative = 0.5
    slope_weight: NonNegative = 0.5
    phase_weight: NonNegative = 1.0
    side_weight: NonNegative = 0.4
    start: str = ""
    adversarial_weight: NonNegative = 0.0
    matching_weight: NonNegative = 1.0
    judge_rate: NonNegative = 3e-4
    compiled: bool = False
    loop: LoopConfig = field(default_factory=LoopConfig)


def read_vocoder_config(path: Path, overrides: Sequence[str] = ()) -> VocoderTraining:
    """Read a run from TOML.

    Args:
        path: The TOML file.
        overrides: Assignments such as ``loop.steps=100`` that replace values of the file.

    Raises:
        ConfigError: A key is unknown, or a value is of the wrong type or out of range.
    """
    return configs.read(VocoderTraining, path, overrides)


def train_vocoder(
    training: VocoderTraining, out: Path, **options: Unpack[RunOptions]
) -> TrainingResult:
    """Train the vocoder and leave it in ``out/vocoder/model``.

    Args:
        training: The run.
        out: Folder of the run; the state and the log are in ``out/vocoder``, the pieces in
            ``out/cache``.
        **options: See :class:`RunOptions`.

    Raises:
        ConfigError: A piece has another sample rate than the vocoder, or ``start`` other settings.
    """
    with open_run(out / "vocoder", **options) as run:
        return _train(training, out, run)


def _train(training: VocoderTraining, out: Path, run: Run) -> TrainingResult:
    pipeline = DanceToMusicPipeline.from_pretrained(training.model)
    crops = Crops(open_recordings(training, pipeline, out, held_out=False), training)
    vocoder = starting_vocoder(training, crops)
    loop = TrainingLoop(vocoder.network, training.loop, run)
    adversary = _adversary(training, run)
    judge = torch.compile(_band_loss) if training.compiled else _band_loss
    to_target = torch.compile(_target_of_parts) if training.compiled else _target_of_parts

    def loss(batch: int) -> dict[str, Tensor]:
        mel, sounds = crops.batch(batch, training.loop.batch_size)
        predicted = loop.prepared(mel)
        wanted = [
            target(s, b, to_target) for s, b in zip(sounds, training.network.bands, strict=True)
        ]
        parts = vocoder_loss(predicted, wanted, training, judge)
        if adversary is None:
            return parts
        return _opposed(parts, predicted, wanted, adversary, training)

    result = loop.run(loss)
    loop.copy_ema_to_model()
    if adversary is not None:
        adversary.save(run.folder / _JUDGES)
    with atomic_folder(run.folder / "model") as aside, as_float16([vocoder]):
        vocoder.save_pretrained(aside)
    return result


def starting_vocoder(training: VocoderTraining, crops: "Crops") -> MelVocoder:
    """Return the vocoder that a run starts from.

    Raises:
        ConfigError: It is to go on from a vocoder with other figures.
    """
    if training.start:
        vocoder = MelVocoder.from_pretrained(training.start).float()
        if vocoder.settings != training.network:
            raise ConfigError(
                f"{training.start}: expected {training.network}, found {vocoder.settings}"
            )
        return vocoder
    torch.manual_seed(training.loop.seed)
    vocoder = MelVocoder(**configs.as_table(training.network))
    start_at_mean(vocoder.network, crops)
    return vocoder


def _adversary(training: VocoderTraining, run: Run) -> Adversary | None:
    if training.adversarial_weight == 0.0:
        return None
    adversary = Adversary(
        len(training.network.bands), seed=training.loop.seed, learning_rate=training.judge_rate
    )
    if run.resume and (run.folder / _JUDGES).is_file():
        adversary.load(run.folder / _JUDGES)
    return adversary


def _opposed(
    parts: dict[str, Tensor],
    predicted: list[Tensor],
    wanted: list["Target"],
    adversary: Adversary,
    training: VocoderTraining,
) -> dict[str, Tensor]:
    """The loss's parts with those of the judges, who hear half of the batch."""
    half = -(-len(predicted[0]) // 2)
    generated = [out[:half, :, :2].transpose(1, 2).float() for out in predicted]
    adversarial = adversary.loss(generated, [want.level[:half] for want in wanted])
    opposed = adversarial["deceive"] + training.matching_weight * adversarial["match"]
    return {**parts, **adversarial, "loss": parts["loss"] + training.adversarial_weight * opposed}


def open_recordings(
    training: VocoderTraining, pipeline: DanceToMusicPipeline, out: Path, *, held_out: bool
) -> Recordings:
    """Return the pieces to learn from, or those kept for validation, cached in ``out/cache``."""
    chosen = held_out_paths(Path(training.corpus), training.held_out, held_out=held_out)
    return cache_recordings(
        chosen,
        out / "cache",
        training.network,
        lambda sound: spectrograms_of(sound, pipeline, training.codec_versions),
    )


def held_out_paths(corpus: Path, every: int, *, held_out: bool) -> list[Path]:
    """Return a corpus' sound files that are kept for validation, or the others.

    Told by their names, so that a corpus that grows keeps what is held out.

    Args:
        corpus: Folder with ``audio/*.flac``.
        every: About one piece in so many is held out; 0 holds out none.
        held_out: Which of the two are wanted.
    """
    paths = sorted((corpus / "audio").glob("*.flac"))
    if not every:
        return [] if held_out else paths
    return [p for p in paths if (zlib.crc32(p.stem.encode()) % every == 0) == held_out]


@torch.no_grad()
def spectrograms_of(
    sound: Sound, pipeline: DanceToMusicPipeline, versions: int
) -> NDArray[np.float16]:
    """Return a piece's spectrogram as it is, and as the model's codec brings it through, (V, M, L).

    Args:
        sound: The piece.
        pipeline: The model.
        versions: How many times the codec is asked, each time with its windows begun elsewhere.
    """
    mel = pipeline.mel.encode(mono_at(sound, pipeline.mel.settings.rate_hz))
    column, count = frames_per_column(pipeline.vae), mel.shape[-1]
    kept = [mel[0]]
    for version in range(versions):
        ahead = version * _CODEC_FRAMES // max(1, versions) + version % column
        behind = -(ahead + count) % _CODEC_FRAMES
        wide = functional.pad(mel, (ahead, behind), value=-1.0)
        windows = wide[0].unflatten(1, (-1, _CODEC_FRAMES)).transpose(0, 1)
        generator = torch.Generator().manual_seed(version)
        mean, std = posterior_of(pipeline.vae, windows)
        latents = mean + std * torch.randn(mean.shape, generator=generator)
        brought = decode_raw(pipeline.vae, latents).transpose(0, 1).flatten(1)
        kept.append(brought[:, ahead : ahead + count])
    return torch.stack(kept).clamp(-1.0, 1.0).numpy().astype(np.float16)


class Crops:
    """Draws crops of the recordings: mel frames and each band's sound."""

    def __init__(self, recordings: Recordings, training: VocoderTraining) -> None:
        self.recordings, self.training = recordings, training

    def batch(self, number: int, size: int) -> tuple[Tensor, list[Tensor]]:
        """Return mel (B, M, L) and for each band samples (B, 2, N) that its frames need."""
        draw = np.random.default_rng([self.training.loop.seed, number])
        picked = [self._crop(draw) for _ in range(size)]
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
        # 80 dB are two units.
        mel = (mel + gain_db / 40.0 + noise).clip(-1.0, 1.0).astype(np.float32)
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


@dataclass(frozen=True, eq=False)
class Target:
    """What a band's bins really do; steps of phase as cosine and sine, (2, B, T, K).

    Attributes:
        level: Log magnitudes of middle and side, (B, 2, T, K).
        along_time: From the frame before, less what the bin's centre does.
        along_bins: From the next lower bin, less half a turn; (2, B, T, K - 1).
        aside: The side's phase relative to the middle's.
        weight: How much a bin's phase counts, (B, T, K), mean one.
        side_weight: How much the side's does.
    """

    level: Tensor
    along_time: Tensor
    along_bins: Tensor
    aside: Tensor
    weight: Tensor
    side_weight: Tensor


# Magnitudes are those of sines of full scale; below this nothing is heard.
FLOOR = 1e-5


@torch.no_grad()
def target(samples: Tensor, band: Band, to_target: Callable[..., "Target"] | None = None) -> Target:
    """Analyse a band's samples, (B, 2, N) at a decimated rate, frame before the first included."""
    factor = decimation(band)
    size, hop = band.window // factor, band.hop // factor
    window = torch.hann_window(size)
    frames = samples.unfold(2, size, hop) * (window * (2.0 / window.sum()))
    spectrum = torch.fft.rfft(frames)[..., band.first : band.first + band.count]
    # Faster than complex numbers: the parts lie apart.
    parts = torch.stack([spectrum.real, spectrum.imag])  # (2, B, 2, T + 1, K)
    return (to_target or _target_of_parts)(parts, _centre_steps(band))


def _centre_steps(band: Band) -> Tensor:
    """Cosine and sine of minus the phase step of the bins' centres, (2, K)."""
    bins = torch.arange(band.first, band.first + band.count)
    angle = -2.0 * torch.pi * bins * (band.hop / band.window)
    return torch.stack([angle.cos(), angle.sin()])


def _target_of_parts(parts: Tensor, centre: Tensor) -> Target:
    power = parts.square().sum(dim=0)
    unit = parts * power.clamp(min=1e-20).rsqrt()
    level = (power[:, :, 1:].sqrt() + FLOOR).log()
    middle, side, before = unit[:, :, 0, 1:], unit[:, :, 1, 1:], unit[:, :, 0, :-1]
    weight = (0.5 * level).exp()
    weight = weight / weight.mean(dim=(2, 3), keepdim=True)
    return Target(
        level,
        _turn(_turn_back(middle, before), centre[:, None, None]),
        -_turn_back(middle[..., 1:], middle[..., :-1]),
        _turn_back(side, middle),
        # Between loudness and amplitude: the root.
        weight[:, 0],
        weight[:, 1],
    )


def _turn(one: Tensor, other: Tensor) -> Tensor:
    """The sum of two angles given as cosine and sine, (2, ...)."""
    cosine = one[0] * other[0] - one[1] * other[1]
    return torch.stack([cosine, one[0] * other[1] + one[1] * other[0]])


def _turn_back(one: Tensor, other: Tensor) -> Tensor:
    """One angle less another."""
    cosine = one[0] * other[0] + one[1] * other[1]
    return torch.stack([cosine, one[1] * other[0] - one[0] * other[1]])


def vocoder_loss(
    predicted: list[Tensor],
    wanted: list[Target],
    training: VocoderTraining,
    judge: Callable[..., dict[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Return the loss and its parts.

    Args:
        predicted: For each band (B, T, 8, K).
        wanted: For each band what it should be.
        training: The weights.
        judge: A compiled form of the loss of a band.
    """
    parts: dict[str, Tensor] = {}
    for out, want in zip(predicted, wanted, strict=True):
        for name, value in (judge or _band_loss)(out.float(), want, training).items():
            parts[name] = parts.get(name, 0.0) + value / len(wanted)
    phase = parts["along_time"] + parts["along_bins"] + training.side_weight * parts["aside"]
    parts["loss"] = (
        parts["level"]
        + training.energy_weight * parts["energy"]
        + training.slope_weight * parts["slope"]
        + training.phase_weight * phase
    )
    return parts


def _band_loss(out: Tensor, want: Target, training: VocoderTraining) -> dict[str, Tensor]:
    level = out[:, :, :2].transpose(1, 2)  # (B, T, 2, K) -> (B, 2, T, K)
    share = torch.tensor([1.0, training.side_weight])[:, None, None]
    error = level - want.level
    time, bins, aside = out[:, :, 2:].unflatten(2, (3, 2)).permute(2, 3, 0, 1, 4)
    patch, true_patch = _patches(level), _patches(want.level)
    return {
        "level": (share * error.abs()).mean(),
        "slope": (share * error.diff(dim=2).abs()).mean(),
        "energy": (share * (patch - true_patch).abs()).mean(),
        "along_time": (want.weight * _apart(time, want.along_time)).mean(),
        "along_bins": (want.weight[..., 1:] * _apart(bins[..., 1:], want.along_bins)).mean(),
        "aside": (want.side_weight * _apart(aside, want.aside)).mean(),
    }


def _apart(measured: Tensor, unit: Tensor) -> Tensor:
    """Squared distance of points of the plane, (2, B, T, K) -> (B, T, K).

    Least for the mean of all unit numbers that are possible: the less sure, the nearer to zero.
    """
    return (measured - unit).square().sum(dim=0)


def _patches(level: Tensor) -> Tensor:
    """Half the log of the mean power of patches of four frames by six bins."""
    return 0.5 * functional.avg_pool2d((2.0 * level).exp(), (4, 6)).add(FLOOR**2).log()


@torch.no_grad()
def start_at_mean(network: VocoderNetwork, crops: Crops, *, batches: int = 8) -> None:
    """Set the head's bias to the mean log magnitudes, so that training begins with the colour."""
    bands, size = network.config.bands, crops.training.loop.batch_size
    totals = [torch.zeros(2, band.count) for band in bands]
    for number in range(batches):
        _, sounds = crops.batch(number, size)
        for i, (sound, band) in enumerate(zip(sounds, bands, strict=True)):
            totals[i] += target(sound, band).level.mean(dim=(0, 2)) / batches
    parts = network.head.bias.split([b.steps * NUMBERS_A_BIN * b.count for b in bands])
    for part, mean, band in zip(parts, totals, bands, strict=True):
        part.view(band.steps, NUMBERS_A_BIN, band.count)[:, :2] = mean
