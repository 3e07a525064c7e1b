"""Settings of a vocoder's training run."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from kinetune import config as configs
from kinetune.audio.vocoder import VocoderConfig
from kinetune.config import Count, CountOrZero, NonNegative, Share
from kinetune.training.config import LoopConfig


@configs.settings
class VocoderTraining:
    """A whole run.

    Attributes:
        network: The vocoder's figures.
        corpus: Folder with ``audio/*.flac`` at the vocoder's rate.
        model: The model whose spectrograms it reads: a bundled name, a folder or a hub id; or the
            folder of a run with a trained VAE.
        held_out: About one piece in so many is kept for validation; 0 keeps none.
        crop_frames: Mel frames of a training crop.
        codec_share: How often a crop is read as the model's codec brings it through.
        codec_versions: How many versions of that are kept.
        gain_db: Deviation of a crop's gain.
        noise: Largest deviation of the noise added to the mel, in its units.
        energy_weight: Weight of the patches' log power.
        slope_weight: Weight of the magnitudes' change along time.
        phase_weight: Weight of the phase's derivatives.
        side_weight: Weight of the side against the middle.
        start: A vocoder to go on from: a bundled model's name, or a vocoder's folder, relative to
            where the command is run; empty starts from random weights. It may read spectrograms of
            another number of rows: then the layer that reads them starts from random weights.
        adversarial_weight: Weight of the adversarial loss; 0 trains without discriminators.
        feature_matching_weight: Weight of the feature matching loss, times the former.
        discriminator_learning_rate: Learning rate of the discriminators.
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
    feature_matching_weight: NonNegative = 1.0
    discriminator_learning_rate: NonNegative = 3e-4
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
