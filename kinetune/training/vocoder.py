"""Trains the vocoder, which makes stereo sound of a model's spectrograms.

First on the losses of :mod:`kinetune.training.vocoder_loss` alone, then going on from that with
discriminators (:mod:`kinetune.training.discriminator`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor

from kinetune import config as configs
from kinetune.audio.vocoder import NUMBERS_A_BIN, VocoderNetwork
from kinetune.errors import ConfigError
from kinetune.model.checkpoint import as_float16, atomic_folder
from kinetune.model.mel import MelVocoder, load_vocoder
from kinetune.training import parallel
from kinetune.training.data.codec import Codec, read_codec
from kinetune.training.data.vocoder_crops import Crops, open_recordings
from kinetune.training.discriminator import Adversary
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run
from kinetune.training.vocoder_config import VocoderTraining
from kinetune.training.vocoder_loss import (
    BandTarget,
    band_loss,
    band_target,
    target_of_parts,
    vocoder_loss,
)

_DISCRIMINATORS = "discriminators.safetensors"


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
        ConfigError: A piece has another sample rate than the vocoder, ``start`` has other
            settings, or the model's spectrograms have another number of rows.
    """
    with open_run(out / "vocoder", **options) as run:
        return _train(training, out, run)


def _train(training: VocoderTraining, out: Path, run: Run) -> TrainingResult:
    codec = read_codec(training.model)
    _check_rows(training, codec)
    with parallel.main_first():
        recordings = open_recordings(training, codec, out, held_out=False)
    crops = Crops(recordings, training, top_db=codec.mel.settings.top_db)
    vocoder = starting_vocoder(training, crops)
    loop = TrainingLoop(vocoder.network, training.loop, run)
    adversary = _adversary(training, run)
    one_band = torch.compile(band_loss) if training.compiled else band_loss
    of_parts = torch.compile(target_of_parts) if training.compiled else target_of_parts

    def loss(batch: int) -> dict[str, Tensor]:
        mel, sounds = crops.batch(batch, training.loop.batch_size, loop.rows)
        predicted = loop.prepared(mel)
        bands = training.network.bands
        targets = [band_target(s, b, of_parts) for s, b in zip(sounds, bands, strict=True)]
        parts = vocoder_loss(predicted, targets, training, one_band)
        if adversary is None:
            return parts
        return _with_adversarial(parts, predicted, targets, adversary, training)

    result = loop.run(loss)
    loop.copy_ema_to_model()
    if run.writes:
        _save(vocoder, adversary, run)
    return result


def _save(vocoder: MelVocoder, adversary: Adversary | None, run: Run) -> None:
    if adversary is not None:
        adversary.save(run.folder / _DISCRIMINATORS)
    with atomic_folder(run.folder / "model") as aside, as_float16([vocoder]):
        vocoder.save_pretrained(aside)


def _check_rows(training: VocoderTraining, codec: Codec) -> None:
    rows = codec.mel.settings.n_mels
    if training.network.mel_bands != rows:
        raise ConfigError(
            f"network.mel_bands: the spectrograms of {training.model} have {rows} rows, found "
            f"{training.network.mel_bands}"
        )


def starting_vocoder(training: VocoderTraining, crops: Crops) -> MelVocoder:
    """Return the vocoder that a run starts from.

    Raises:
        ConfigError: It is to go on from a vocoder with other figures.
    """
    trained = _trained_vocoder(training) if training.start else None
    if trained is not None and trained.settings == training.network:
        return trained
    torch.manual_seed(training.loop.seed)
    vocoder = MelVocoder(**configs.as_table(training.network))
    if trained is None:
        start_at_mean(vocoder.network, crops)
        return vocoder
    weights = vocoder.state_dict()
    weights |= {
        name: value
        for name, value in trained.state_dict().items()
        if value.shape == weights[name].shape
    }
    vocoder.load_state_dict(weights)
    return vocoder


def _trained_vocoder(training: VocoderTraining) -> MelVocoder:
    """Return the vocoder to go on from; only the rows that it reads may be others."""
    trained = load_vocoder(training.start)
    if replace(trained.settings, mel_bands=training.network.mel_bands) != training.network:
        raise ConfigError(
            f"{training.start}: expected {training.network}, found {trained.settings}"
        )
    return trained


def _adversary(training: VocoderTraining, run: Run) -> Adversary | None:
    if training.adversarial_weight == 0.0:
        return None
    adversary = Adversary(
        len(training.network.bands),
        seed=training.loop.seed,
        learning_rate=training.discriminator_learning_rate,
    )
    if run.resume and (run.folder / _DISCRIMINATORS).is_file():
        adversary.load(run.folder / _DISCRIMINATORS)
    return adversary


def _with_adversarial(
    parts: dict[str, Tensor],
    predicted: list[Tensor],
    targets: list[BandTarget],
    adversary: Adversary,
    training: VocoderTraining,
) -> dict[str, Tensor]:
    """Return the loss's parts with the adversarial ones, taken over half of the batch."""
    half = -(-len(predicted[0]) // 2)
    generated = [out[:half, :, :2].transpose(1, 2).float() for out in predicted]
    added = adversary.loss(generated, [target.level[:half] for target in targets])
    matching = training.feature_matching_weight * added["feature_matching"]
    weighted = training.adversarial_weight * (added["adversarial"] + matching)
    return {**parts, **added, "loss": parts["loss"] + weighted}


@torch.no_grad()
def start_at_mean(network: VocoderNetwork, crops: Crops, *, batches: int = 8) -> None:
    """Set the head's bias to the mean log magnitudes, so that training begins at the mean."""
    bands, size = network.config.bands, crops.training.loop.batch_size
    totals = [torch.zeros(2, band.count) for band in bands]
    for number in range(batches):
        _, sounds = crops.batch(number, size)
        for i, (sound, band) in enumerate(zip(sounds, bands, strict=True)):
            totals[i] += band_target(sound, band).level.mean(dim=(0, 2)) / batches
    parts = network.head.bias.split([b.steps * NUMBERS_A_BIN * b.count for b in bands])
    for part, mean, band in zip(parts, totals, bands, strict=True):
        part.view(band.steps, NUMBERS_A_BIN, band.count)[:, :2] = mean
