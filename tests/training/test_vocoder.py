"""Training the vocoder: true targets, a falling loss, discriminators, going on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from kinetune.audio.sound import Sound
from kinetune.audio.vocoder import VocoderConfig
from kinetune.errors import ConfigError
from kinetune.model.mel import MelVocoder
from kinetune.model.presets import build_pipeline
from kinetune.model.vae import posterior_of
from kinetune.training import vocoder, vocoder_loss
from kinetune.training.config import LoopConfig
from kinetune.training.data import vocoder_crops
from kinetune.training.data.codec import read_codec
from kinetune.training.data.recordings import decimation, samples_at
from kinetune.training.data.vocoder_crops import (
    held_out_paths,
    open_recordings,
    spectrograms_of,
)
from kinetune.training.discriminator import Adversary
from kinetune.training.vocoder import starting_vocoder, train_vocoder
from kinetune.training.vocoder_config import VocoderTraining, read_vocoder_config
from kinetune.training.vocoder_loss import BandTarget, band_target
from tests.model.conftest import tiny_stereo_config

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
def test_the_target_of_a_tone_is_its_level_and_its_phase_steps(number, hz):
    band = NETWORK.bands[number]
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = np.stack(
        [0.25 * np.sin(2 * np.pi * hz * time_s), 0.05 * np.sin(2 * np.pi * hz * time_s)]
    )
    target = band_target(band_samples(tone, band, 40), band)
    k = round(hz / band.bin_hz) - band.first

    # A Hann window loses up to 1.4 dB between two bins.
    assert target.level[0, 0, 20, k] == pytest.approx(np.log(0.25), abs=0.17)
    assert target.level[0, 1, 20, k] == pytest.approx(np.log(0.05), abs=0.17)
    turn = 2 * np.pi * (hz - (k + band.first) * band.bin_hz) * band.hop / RATE_HZ
    assert target.phase_time[0, 0, 20, k] == pytest.approx(np.cos(turn), abs=0.01)
    assert target.phase_time[1, 0, 20, k] == pytest.approx(np.sin(turn), abs=0.01)
    # The side is the middle, softer.
    assert target.side_phase[0, 0, 20, k] == pytest.approx(1.0, abs=1e-3)


def test_phase_steps_of_a_click_give_its_position():
    band = NETWORK.bands[2]
    late = 40
    samples = np.zeros((2, 20 * band.hop + band.window))
    samples[:, band.window // 2 + 10 * band.hop + late] = 0.5
    target = band_target(band_samples(samples, band, 20), band)
    # Frame 10 of the cut is frame 9 of the target: the first is there for its phase alone.
    turn = -2 * np.pi * late / band.window

    np.testing.assert_allclose(target.phase_frequency[0, 0, 9, 50:150], np.cos(turn), atol=0.01)
    np.testing.assert_allclose(target.phase_frequency[1, 0, 9, 50:150], np.sin(turn), atol=0.01)


def test_angles_add_and_subtract_as_complex_numbers_do():
    first, second = torch.rand(2, 50) * 6.0
    one, other = (torch.stack([a.cos(), a.sin()]) for a in (first, second))
    for turned, angle in (
        (vocoder_loss._add_angles(one, other), first + second),
        (vocoder_loss._subtract_angles(one, other), first - second),
    ):
        torch.testing.assert_close(turned, torch.stack([angle.cos(), angle.sin()]))


PARTS = (
    "magnitude", "magnitude_slope", "patch_power", "phase_time", "phase_frequency", "side_phase",
)  # fmt: skip


def random_target(generator):
    """A synthetic target of 2 pieces, 8 frames, 12 bins."""

    def units(bins):
        angle = 6.0 * torch.rand((2, 8, bins), generator=generator)
        return torch.stack([angle.cos(), angle.sin()])

    weights = torch.rand((2, 2, 8, 12), generator=generator)
    level = -5.0 * torch.rand((2, 2, 8, 12), generator=generator)
    return BandTarget(level, units(12), units(11), units(12), *weights)


def test_the_loss_is_the_documented_sum(training):
    """Written out band by band, angle by angle, with the mean over the bands."""
    generator = torch.Generator().manual_seed(0)
    weights = replace(
        training, energy_weight=0.3, slope_weight=0.7, phase_weight=0.9, side_weight=0.4
    )
    targets = [random_target(generator) for _ in range(3)]
    predicted = [torch.rand((2, 8, 8, 12), generator=generator) - 0.5 for _ in targets]
    parts = vocoder_loss.vocoder_loss(predicted, targets, weights)
    sums = dict.fromkeys(tuple(PARTS), 0.0)
    for out, target in zip(predicted, targets, strict=True):
        level = torch.stack([out[:, :, 0], out[:, :, 1]], dim=1)
        error = (level - target.level).abs()
        step = ((level - target.level)[:, :, 1:] - (level - target.level)[:, :, :-1]).abs()
        power = [
            (2.0 * x).exp().reshape(2, 2, 2, 4, 2, 6).mean(dim=(3, 5))
            for x in (level, target.level)
        ]
        energy = (0.5 * ((power[0] + 1e-10).log() - (power[1] + 1e-10).log())).abs()
        for name, value in (
            ("magnitude", error), ("magnitude_slope", step), ("patch_power", energy),
        ):  # fmt: skip
            sums[name] += (value[:, 0].mean() + 0.4 * value[:, 1].mean()) / 2 / 3
        angles = [out[:, :, 2:4], out[:, :, 4:6], out[:, :, 6:8]]
        for name, angle, unit, weight, skip in (
            ("phase_time", angles[0], target.phase_time, target.weight, 0),
            ("phase_frequency", angles[1], target.phase_frequency, target.weight, 1),
            ("side_phase", angles[2], target.side_phase, target.side_weight, 0),
        ):
            apart = (angle[:, :, 0, skip:] - unit[0]) ** 2 + (angle[:, :, 1, skip:] - unit[1]) ** 2
            sums[name] += (weight[..., skip:] * apart).mean() / 3
    for name, value in sums.items():
        torch.testing.assert_close(parts[name], value, msg=name)
    magnitude, slope, patch_power, time, frequency, side = (sums[name] for name in PARTS)
    total = magnitude + 0.3 * patch_power + 0.7 * slope + 0.9 * (time + frequency + 0.4 * side)
    torch.testing.assert_close(parts["loss"], total)


def test_discriminator_losses_use_half_the_batch(training):
    seen = {}

    class Discriminators:
        def loss(self, generated, real):
            seen.update(generated=generated, real=real)
            return {"adversarial": torch.tensor(2.0), "feature_matching": torch.tensor(3.0)}

    weights = replace(training, adversarial_weight=0.5, feature_matching_weight=0.1)
    generator = torch.Generator().manual_seed(0)
    predicted = [torch.rand((3, 8, 8, 12), generator=generator)]
    target_of = SimpleNamespace(level=torch.rand((3, 2, 8, 12), generator=generator))
    parts = vocoder._with_adversarial(
        {"loss": torch.tensor(1.0)}, predicted, [target_of], Discriminators(), weights
    )
    torch.testing.assert_close(parts["loss"], torch.tensor(1.0 + 0.5 * (2.0 + 0.1 * 3.0)))
    for side in (0, 1):
        torch.testing.assert_close(seen["generated"][0][:, side], predicted[0][:2, :, side])
    torch.testing.assert_close(seen["real"][0], target_of.level[:2])


def test_codec_versions_shift_their_windows(tiny_model, monkeypatch):
    codec = read_codec(str(tiny_model))
    asked = []

    def posterior(vae, windows):
        asked.append(windows)
        return posterior_of(vae, windows)

    monkeypatch.setattr(vocoder_crops, "posterior_of", posterior)
    noise = 0.3 * np.random.default_rng(0).normal(size=RATE_HZ).astype(np.float32)
    made = spectrograms_of(Sound(noise, RATE_HZ), codec, 2)
    mel = codec.mel.encode(samples_at(Sound(noise, RATE_HZ), codec.mel.settings.rate_hz, 1))[0]
    assert made.shape == (3, *mel.shape)
    np.testing.assert_allclose(made[0], mel.clamp(-1.0, 1.0), atol=1e-3)
    for windows, ahead in zip(asked, (0, vocoder_crops._CODEC_FRAMES // 2 + 1), strict=True):
        strip = windows.transpose(0, 1).flatten(1)
        torch.testing.assert_close(strip[:, ahead : ahead + mel.shape[1]], mel)
        # Silence, before and behind, is the lowest value of a spectrogram.
        assert (strip[:, :ahead] == -1.0).all()
        assert (strip[:, ahead + mel.shape[1] :] == -1.0).all()


@pytest.mark.slow
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


def test_discriminators_learn_beside_a_trained_vocoder(training, tmp_path):
    train_vocoder(replace(training, loop=replace(training.loop, steps=2)), tmp_path / "first")
    second = replace(
        training,
        start=str(tmp_path / "first" / "vocoder" / "model"),
        adversarial_weight=0.1,
        loop=replace(training.loop, steps=2),
    )
    train_vocoder(second, tmp_path / "second")

    assert (tmp_path / "second" / "vocoder" / "discriminators.safetensors").is_file()
    log = (tmp_path / "second" / "vocoder" / "log.jsonl").read_text().splitlines()
    assert '"adversarial"' in log[-1]
    with pytest.raises(ConfigError, match="expected VocoderConfig"):
        train_vocoder(replace(second, network=VocoderConfig(mel_bands=32)), tmp_path / "third")


def test_going_on_for_other_spectrograms_only_their_reader_is_new(training, tmp_path):
    train_vocoder(replace(training, loop=replace(training.loop, steps=2)), tmp_path / "first")
    start = tmp_path / "first" / "vocoder" / "model"
    wider = replace(training, start=str(start), network=replace(NETWORK, mel_bands=40))
    begun = starting_vocoder(wider, crops=None).state_dict()
    trained = MelVocoder.from_pretrained(start).float().state_dict()
    changed = {name for name in begun if not torch.equal(begun[name], trained[name])}

    assert changed == {"network.inlet.product.weight"}
    assert begun["network.inlet.product.weight"].shape == (16, 3 * 40)


def test_spectrograms_with_other_rows_are_refused(training, tmp_path):
    wider = replace(training, network=replace(NETWORK, mel_bands=40))
    with pytest.raises(ConfigError, match="have 32 rows, found 40"):
        train_vocoder(wider, tmp_path / "run")


def test_a_runs_codec_is_its_spectrogram_and_its_vae(tmp_path):
    stereo = build_pipeline(tiny_stereo_config())
    stereo.vae.save_pretrained(tmp_path / "vae" / "model")
    stereo.mel.save_pretrained(tmp_path / "vae" / "mel")
    codec = read_codec(str(tmp_path))
    generator = torch.Generator().manual_seed(0)
    sound = Sound(0.1 * torch.randn(RATE_HZ, 2, generator=generator).numpy(), RATE_HZ)
    versions = spectrograms_of(sound, codec, 1)

    assert codec.mel.settings == stereo.mel.settings
    expected = stereo.mel.encode(torch.from_numpy(sound.samples.T)[None])
    assert versions.shape == (2, 320, expected.shape[-1])
    np.testing.assert_allclose(versions[0], expected[0], atol=1e-3)


def test_discriminators_learn_to_tell_smooth_levels_from_noisy_ones():
    generator = torch.Generator().manual_seed(0)
    adversary = Adversary(1, seed=0, learning_rate=3e-3)
    smooth = [torch.full((2, 2, 24, 32), -8.0)]
    losses = []
    for _ in range(25):
        grainy = [-8.0 + torch.randn((2, 2, 24, 32), generator=generator)]
        losses.append(float(adversary.loss(smooth, grainy)["discriminator"]))

    assert losses[-1] < 0.3 * losses[0]


def test_what_is_held_out_stays_held_out_as_the_corpus_grows(training, tmp_path, tiny_model):
    codec = read_codec(str(tiny_model))
    half = replace(training, held_out=2)
    before = open_recordings(half, codec, tmp_path / "run", held_out=True).names
    learned = open_recordings(half, codec, tmp_path / "run", held_out=False).names
    audio = tmp_path / "corpus" / "audio"
    for number in range(3, 6):
        (audio / f"{number}.flac").write_bytes((audio / "0.flac").read_bytes())
    after = open_recordings(half, codec, tmp_path / "run", held_out=True).names

    assert set(before).isdisjoint(learned)
    assert set(before) <= set(after)
    assert set(before) | set(learned) == {"0", "1", "2"}


def test_a_corpus_at_another_rate_is_refused(training, tmp_path):
    path = tmp_path / "corpus" / "audio" / "0.flac"
    soundfile.write(path, np.zeros(22_050), 22_050)

    with pytest.raises(ConfigError, match="expected 44100 Hz, found 22050"):
        train_vocoder(training, tmp_path / "run")


@pytest.mark.parametrize("prefix", ["mono-vocoder", "default-vocoder"])
@pytest.mark.parametrize("suffix", ["", "-adversarial"])
def test_the_recipes_can_be_read(prefix, suffix):
    from tests.conftest import REPOSITORY

    training = read_vocoder_config(REPOSITORY / "configs" / f"{prefix}{suffix}.toml")

    assert training.network == VocoderConfig(mel_bands=128 if prefix == "mono-vocoder" else 320)
    assert (training.adversarial_weight > 0.0) == bool(suffix)
    assert training.codec_versions == 2


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
