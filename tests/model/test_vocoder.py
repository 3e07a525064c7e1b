"""The vocoder in the pipeline: saving, use in synthesis, and pipelines without one."""

import json

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.errors import ModelError
from kinetune.model.checkpoint import as_float16
from kinetune.model.mel import MelVocoder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling.edit_spec import EditSpec
from kinetune.model.sampling.editing import edit_music
from tests.conftest import swaying_clip
from tests.model.conftest import tiny_mono

RATE_HZ = 44_100


def tiny_vocoder():
    torch.manual_seed(7)
    vocoder = MelVocoder(
        mel_bands=32, coarse_channels=16, coarse_blocks=2, fine_channels=16, fine_blocks=2
    ).eval()
    # As loud as music, whatever the weights.
    vocoder.network.head.bias.data -= 6.0
    return vocoder


@pytest.fixture(scope="module")
def pipeline():
    made = tiny_mono()
    made.register_modules(vocoder=tiny_vocoder())
    return made


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    vocoder = tiny_vocoder()
    mel = torch.rand(1, 32, 12) * 2.0 - 1.0
    with as_float16([vocoder]):
        vocoder.save_pretrained(tmp_path)
    again = MelVocoder.from_pretrained(tmp_path).float().eval()

    assert again.settings == vocoder.settings
    for told, expected in zip(again(mel), vocoder(mel), strict=True):
        torch.testing.assert_close(told, expected, atol=2e-2, rtol=1e-2)


def test_a_checkpoint_carries_its_vocoder(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "model")

    assert again.output_rate_hz == RATE_HZ
    assert again.vocoder.settings == pipeline.vocoder.settings
    assert next(again.vocoder.parameters()).dtype == torch.float32


def test_a_checkpoint_with_a_damaged_vocoder_is_refused(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "vocoder" / "diffusion_pytorch_model.safetensors").unlink()

    with pytest.raises(ModelError, match="vocoder"):
        DanceToMusicPipeline.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize("named", [True, False])
def test_a_checkpoint_without_one_makes_its_sound_by_griffin_lim(tmp_path, named):
    made = tiny_mono()
    made.save_pretrained(tmp_path / "model")
    index_path = tmp_path / "model" / "model_index.json"
    index = json.loads(index_path.read_text())
    assert "vocoder" not in index
    if named:
        # As versions to 0.2 wrote it.
        index["vocoder"] = [None, None]
        index_path.write_text(json.dumps(index))
    old = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    mel = torch.rand((1, 32, 40), generator=torch.Generator().manual_seed(1)) * 2.0 - 1.0

    assert old.vocoder is None
    assert old.output_rate_hz == 22_050
    np.testing.assert_array_equal(
        old.synthesiser.samples(mel, 20_000, seed=3),
        old.mel.decode(mel, n_samples=20_000, seed=3)[0],
    )


def test_vocoder_music_is_stereo_and_as_long_as_the_dance(pipeline):
    clip = swaying_clip(duration_s=3.0)
    music = pipeline(clip, genre="house", seed=1)

    assert music.sound.rate_hz == RATE_HZ
    assert music.sound.samples.shape == (timebase.samples_in(clip.duration_s, RATE_HZ), 2)
    assert np.abs(music.sound.samples).max() > 0.01


def test_a_loop_is_stereo_and_its_end_leads_to_its_beginning(pipeline):
    music = pipeline(swaying_clip(duration_s=4.0), genre="house", seed=1, loop=True)
    samples = music.sound.samples

    assert samples.shape == (timebase.samples_in(4.0, RATE_HZ), 2)
    steps = np.abs(np.diff(samples, axis=0))
    assert (np.abs(samples[0] - samples[-1]) <= steps.max(axis=0)).all()


@pytest.mark.parametrize("channels", [1, 2])
def test_an_edit_keeps_what_stands_and_fills_the_rest(pipeline, channels):
    clip = swaying_clip(duration_s=6.0)
    rng = np.random.default_rng(0)
    samples = 0.1 * rng.normal(size=(6 * RATE_HZ, channels)).astype(np.float32)
    sound = Sound(samples[:, 0] if channels == 1 else samples, RATE_HZ)

    edited = edit_music(
        pipeline, sound, clip, EditSpec(redo=(2.0, 4.0), exact=True), genre="house",
        sampling=pipeline.sampling_options(1),
    )  # fmt: skip

    assert edited.sound.samples.shape == sound.samples.shape
    before, after = int(1.98 * RATE_HZ), int(4.0 * RATE_HZ)
    np.testing.assert_array_equal(edited.sound.samples[:before], sound.samples[:before])
    np.testing.assert_array_equal(edited.sound.samples[after:], sound.samples[after:])
    new = slice(int(2.1 * RATE_HZ), int(3.9 * RATE_HZ))
    assert np.abs(edited.sound.samples[new] - sound.samples[new]).mean() > 0.01
