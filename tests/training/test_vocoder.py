"""Training the vocoder: true targets, a falling loss, judges, going on."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from kinetune.audio.vocoder import VocoderConfig
from kinetune.errors import ConfigError
from kinetune.model.mel import MelVocoder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.config import LoopConfig
from kinetune.training.data.recordings import decimation
from kinetune.training.discriminator import Adversary
from kinetune.training.vocoder import (
    VocoderTraining,
    held_out_paths,
    open_recordings,
    read_vocoder_config,
    target,
    train_vocoder,
)

RATE_HZ = 44_100
NETWORK = VocoderConfig(
    mel_bands=32, coarse_channels=16, coarse_blocks=1, fine_channels=16, fine_blocks=1
)


@pytest.fixture
def training(tmp_path, tiny_model):
    """A run on three short pieces, one of which may be held out."""
    folder = tmp_path / "corpus" / "audio"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    for number in range(3):
        tone = np.sin(2 * np.pi * 220.0 * (number + 1) * time_s)
        noise = rng.normal(size=(len(time_s), 2)) * (time_s % 0.5 < 0.05)[:, None]
        soundfile.write(folder / f"{number}.flac", 0.1 * tone[:, None] + 0.1 * noise, RATE_HZ)
    return VocoderTraining(
        network=NETWORK, corpus=str(tmp_path / "corpus"), model=str(tiny_model), held_out=1000,
        crop_frames=32,
        loop=LoopConfig(steps=30, batch_size=2, learning_rate=3e-3, warmup_steps=2, ema_decay=0.9),
    )  # fmt: skip


def band_samples(samples, band, frames):
    """What ``frames`` frames of a band need of full-rate samples (2, N), (1, 2, N)."""
    from scipy.signal import resample_poly

    factor = decimation(band)
    cut = samples[:, : (frames * band.hop + band.window)]
    return torch.from_numpy(resample_poly(cut, 1, factor, axis=1).astype(np.float32))[None]


def test_decimation_leaves_the_band_whole():
    for band in NETWORK.bands:
        highest_hz = (band.first + band.count - 1) * band.bin_hz
        factor = decimation(band)
        assert band.hop % factor == 0
        assert factor == 1 or highest_hz < 0.6 * RATE_HZ / factor / 2
    assert [decimation(band) for band in NETWORK.bands] == [16, 4, 1]


@pytest.mark.parametrize(("number", "hz"), [(0, 301.0), (1, 1_234.0), (2, 6_007.0)])
def test_a_tones_target_is_its_level_and_its_phase_steps(number, hz):
    band = NETWORK.bands[number]
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = np.stack(
        [0.25 * np.sin(2 * np.pi * hz * time_s), 0.05 * np.sin(2 * np.pi * hz * time_s)]
    )
    told = target(band_samples(tone, band, 40), band)
    k = round(hz / band.bin_hz) - band.first

    # A Hann window loses up to 1.4 dB between two bins.
    assert told.level[0, 0, 20, k] == pytest.approx(np.log(0.25), abs=0.17)
    assert told.level[0, 1, 20, k] == pytest.approx(np.log(0.05), abs=0.17)
    turn = 2 * np.pi * (hz - (k + band.first) * band.bin_hz) * band.hop / RATE_HZ
    assert told.along_time[0, 0, 20, k] == pytest.approx(np.cos(turn), abs=0.01)
    assert told.along_time[1, 0, 20, k] == pytest.approx(np.sin(turn), abs=0.01)
    # The side is the middle, softer.
    assert told.aside[0, 0, 20, k] == pytest.approx(1.0, abs=1e-3)


def test_a_clicks_target_says_where_in_the_window_it_lies():
    band = NETWORK.bands[2]
    late = 40
    samples = np.zeros((2, 20 * band.hop + band.window))
    samples[:, band.window // 2 + 10 * band.hop + late] = 0.5
    told = target(band_samples(samples, band, 20), band)
    # Frame 10 of the cut is frame 9 of the target: the first is there for its phase alone.
    turn = -2 * np.pi * late / band.window

    np.testing.assert_allclose(told.along_bins[0, 0, 9, 50:150], np.cos(turn), atol=0.01)
    np.testing.assert_allclose(told.along_bins[1, 0, 9, 50:150], np.sin(turn), atol=0.01)


def test_training_lowers_the_loss_and_leaves_a_vocoder(training, tmp_path):
    losses = []
    outcome = train_vocoder(training, tmp_path / "run", on_step=lambda r: losses.append(r.loss))
    made = MelVocoder.from_pretrained(tmp_path / "run" / "vocoder" / "model")

    assert outcome.finished
    assert losses[-1] < 0.9 * losses[0]
    assert made.settings == NETWORK


def test_going_on_gives_what_an_unbroken_run_gives(training, tmp_path):
    short = replace(training, loop=replace(training.loop, steps=4))
    train_vocoder(short, tmp_path / "whole")
    train_vocoder(short, tmp_path / "parts", minutes=0.0)
    train_vocoder(short, tmp_path / "parts", resume=True)
    whole, parts = (
        MelVocoder.from_pretrained(tmp_path / name / "vocoder" / "model").state_dict()
        for name in ("whole", "parts")
    )

    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_judges_learn_beside_it_from_a_trained_vocoder(training, tmp_path):
    train_vocoder(replace(training, loop=replace(training.loop, steps=2)), tmp_path / "first")
    second = replace(
        training,
        start=str(tmp_path / "first" / "vocoder" / "model"),
        adversarial_weight=0.1,
        loop=replace(training.loop, steps=2),
    )
    train_vocoder(second, tmp_path / "second")

    assert (tmp_path / "second" / "vocoder" / "judges.safetensors").is_file()
    log = (tmp_path / "second" / "vocoder" / "log.jsonl").read_text().splitlines()
    assert '"deceive"' in log[-1]
    with pytest.raises(ConfigError, match="expected VocoderConfig"):
        train_vocoder(replace(second, network=VocoderConfig(mel_bands=32)), tmp_path / "third")


def test_judges_come_to_tell_smooth_from_grainy():
    generator = torch.Generator().manual_seed(0)
    adversary = Adversary(1, seed=0, learning_rate=3e-3)
    smooth = [torch.full((2, 2, 24, 32), -8.0)]
    losses = []
    for _ in range(25):
        grainy = [-8.0 + torch.randn((2, 2, 24, 32), generator=generator)]
        losses.append(float(adversary.loss(smooth, grainy)["judge"]))

    assert losses[-1] < 0.3 * losses[0]


def test_what_is_held_out_stays_held_out_as_the_corpus_grows(training, tmp_path, tiny_model):
    model = DanceToMusicPipeline.from_pretrained(tiny_model)
    half = replace(training, held_out=2)
    before = open_recordings(half, model, tmp_path / "run", held_out=True).names
    learned = open_recordings(half, model, tmp_path / "run", held_out=False).names
    audio = tmp_path / "corpus" / "audio"
    for number in range(3, 6):
        (audio / f"{number}.flac").write_bytes((audio / "0.flac").read_bytes())
    after = open_recordings(half, model, tmp_path / "run", held_out=True).names

    assert set(before).isdisjoint(learned)
    assert set(before) <= set(after)
    assert set(before) | set(learned) == {"0", "1", "2"}


def test_a_corpus_at_another_rate_is_refused(training, tmp_path):
    path = tmp_path / "corpus" / "audio" / "0.flac"
    soundfile.write(path, np.zeros(22_050), 22_050)

    with pytest.raises(ConfigError, match="expected 44100 Hz, found 22050"):
        train_vocoder(training, tmp_path / "run")


@pytest.mark.parametrize("name", ["vocoder", "vocoder-adversarial"])
def test_the_recipes_can_be_read(name):
    from tests.conftest import REPOSITORY

    training = read_vocoder_config(REPOSITORY / "configs" / f"{name}.toml")

    assert training.network == VocoderConfig()
    assert (training.adversarial_weight > 0.0) == (name != "vocoder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop_frames = 0", "crop_frames: expected int >= 1, found 0"),
        ("codec_share = 1.5", "codec_share: expected float <= 1.0, found 1.5"),
        ("held_out = -1", "held_out: expected int >= 0, found -1"),
        ("phase_weight = -1.0", "phase_weight: expected float >= 0.0, found -1.0"),
        ("[network]\nfine_factor = 0", "network.fine_factor: expected int >= 1, found 0"),
        ("[network]\nhops = [256, 0, 128]", "network.hops[1]: expected int >= 1, found 0"),
        ("[network]\nnoise_shares = [2.0, 0.3, 0.0]", "noise_shares[0]: expected float <= 1.0"),
    ],
)
def test_a_setting_out_of_its_range_is_one_line(tmp_path, text, message):
    path = tmp_path / "vocoder.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_vocoder_config(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_piece_in_so_many_is_held_out_and_none_for_0(tmp_path):
    (tmp_path / "audio").mkdir()
    for number in range(64):
        (tmp_path / "audio" / f"{number}.flac").touch()
    kept, learned = (held_out_paths(tmp_path, 4, held_out=held) for held in (True, False))
    assert not set(kept) & set(learned)
    assert len(kept) + len(learned) == 64
    assert 8 <= len(kept) <= 24
    assert held_out_paths(tmp_path, 0, held_out=True) == []
    assert len(held_out_paths(tmp_path, 0, held_out=False)) == 64
