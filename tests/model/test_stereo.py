"""The default preset, with a transformer: figures, a round trip, refusals, editing, accents."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError, ModelError
from kinetune.model.conditioning.accents import add_accents
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.conditioning.control_score import Accent, ControlScore
from kinetune.model.conditioning.harmony import Chord, Harmony
from kinetune.model.mel import StereoMel
from kinetune.model.networks.transformer import DanceTransformer
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.sampling.edit_spec import EditSpec
from kinetune.model.sampling.editing import edit_music
from kinetune.model.sampling.loops import fit_loop
from kinetune.motion.beats.beat_grid import fixed_grid
from tests.model.conftest import tiny_stereo, tiny_stereo_config


@pytest.fixture(scope="module")
def pipeline():
    return tiny_stereo()


def test_a_column_of_the_latent_lasts_as_long_as_that_of_the_preset_mono():
    with torch.device("meta"):
        stereo, mono = (build_pipeline(preset_config(n)) for n in ("default", "mono"))
    assert stereo.layout.seconds_of(1) == pytest.approx(mono.layout.seconds_of(1), abs=1e-12)
    assert stereo.condition_encoder.mel_rate_hz == pytest.approx(44_100 / 1024)
    assert stereo.mel.settings.n_mels == stereo.vae.config.mel_bands == 320


def test_the_denoiser_is_a_transformer_that_reads_the_harmony(pipeline):
    assert isinstance(pipeline.unet, DanceTransformer)
    assert pipeline.condition_encoder.config.reads_harmony
    with pytest.raises(ConfigError, match="neither harmony nor musical attributes nor similarity"):
        build_pipeline(replace(preset_config("paper"), harmony=True))


def test_key_and_chords_reach_the_music(pipeline, clip):
    """Another harmony gives another spectrogram; the same one gives the same."""
    grid = fixed_grid(120.0, 0.0, clip.duration_s)
    minor, major = Harmony(9, (Chord(0.0, 9, (0, 4, 9)),)), Harmony(9, (Chord(0.0, 9, (1, 4, 9)),))
    one, two, three = (
        pipeline(clip, genre="house", grid=grid, harmony=h).mel for h in (minor, minor, major)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - three).mean() > 1e-4


def test_a_loops_harmony_is_stretched_with_it_and_wraps(pipeline, clip):
    """Chords at times of the output reach the columns that are played at these times."""
    grid = fixed_grid(120.0, 0.0, clip.duration_s)
    layout = pipeline.layout
    loop = fit_loop(
        clip, grid, column_s=layout.seconds_of(1), window_s=layout.seconds_of(layout.width),
        hold_tempo=True,
    )  # fmt: skip
    half_s = 0.5 * loop.duration_s
    harmony = Harmony(9, (Chord(0.0, 9, (0, 4, 9)), Chord(half_s, 5, (0, 5, 9))))
    lanes = []

    def gather(dance, start_s):
        batch = gathered(dance, start_s)
        lanes.append((start_s, batch.harmony))
        return batch

    gathered = pipeline.condition_encoder.gather
    plan = pipeline.plan(loop.duration_s, loop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.condition_encoder, "gather", gather)
        pipeline.conditions.of_loop(
            loop, "house", plan, ControlScore(), guided=False, music=MusicConditions(harmony)
        )
    start_s, lane = lanes[0]
    bass = lane[0].unflatten(1, (3, 12))[:, 1].argmax(dim=1).numpy()
    rate_hz = pipeline.condition_encoder.mel_rate_hz
    played_s = (start_s + (np.arange(len(bass)) / rate_hz)) / loop.stretch % loop.duration_s
    sure = np.abs(played_s % half_s - 0.5 * half_s) < 0.45 * half_s
    np.testing.assert_array_equal(bass[sure], np.where(played_s < half_s, 9, 5)[sure])


def test_another_number_of_rows_is_refused():
    with pytest.raises(ConfigError, match="'default' has 320 rows, found 128"):
        build_pipeline(replace(preset_config("default"), n_mels=128))


def test_layers_need_one_value_each():
    with pytest.raises(ConfigError, match="one value each of all figures, found 4, 3, 4"):
        StereoMel(windows=(4096, 512, 1024))


def test_a_checkpoint_round_trips_with_its_spectrogram(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(again.mel, StereoMel)
    assert again.mel.settings == pipeline.mel.settings
    noise = torch.randn(1, 2, 44_100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.mel.encode(noise), pipeline.mel.encode(noise))


def test_music_is_stereo_and_as_long_as_the_dance(pipeline, clip):
    music = pipeline(clip, genre="house", grid=fixed_grid(120.0, 0.0, clip.duration_s))
    assert music.sound.rate_hz == 44_100
    assert music.sound.samples.shape == (round(clip.duration_s * 44_100), 2)
    assert music.mel.shape[0] == 320


def test_without_a_vocoder_the_error_names_it(clip):
    silent = build_pipeline(tiny_stereo_config())
    with pytest.raises(ModelError, match="kinetune train vocoder"):
        silent(clip, genre="house", grid=fixed_grid(120.0, 0.0, clip.duration_s))


@pytest.mark.parametrize("channels", [1, 2])
def test_an_edit_keeps_what_it_does_not_replace(pipeline, clip, channels):
    rng = np.random.default_rng(0)
    shape = (round(clip.duration_s * 44_100),) + (2,) * (channels - 1)
    sound = Sound(rng.normal(0.0, 0.1, shape).astype(np.float32), 44_100)
    edited = edit_music(
        pipeline, sound, clip, EditSpec(redo=(1.5, 2.5), exact=True), genre="house",
        sampling=pipeline.sampling_options(), grid=fixed_grid(120.0, 0.0, clip.duration_s),
    )  # fmt: skip
    before = slice(0, round(1.4 * 44_100))
    assert edited.sound.samples.shape == shape
    np.testing.assert_array_equal(edited.sound.samples[before], sound.samples[before])
    inside = slice(round(1.6 * 44_100), round(2.4 * 44_100))
    assert not np.array_equal(edited.sound.samples[inside], sound.samples[inside])


def test_an_accent_is_the_sharpest_rise_within_a_second():
    """Soft hits twice a second; an accent half way between two of them."""
    config = StereoMel().settings
    generator = torch.Generator().manual_seed(0)
    samples = 0.001 * torch.randn(1, 6 * 44_100, generator=generator)
    ring = torch.exp(-torch.arange(8_820) / 2_000.0) * torch.randn(8_820, generator=generator)
    for k in range(1, 11):
        samples[0, k * 22_050 : k * 22_050 + 8_820] += 0.1 * ring
    mel = StereoMel().encode(samples)
    before = mel.clone()
    made = add_accents(mel, [Accent(at_s=3.25, strength=1.0)], config)
    rise = made[0].diff(dim=1).clamp(min=0.0).mean(dim=0)
    # A window of 93 ms sees it 46 ms, two frames, ahead.
    assert int(rise[3 * 43 - 21 : 3 * 43 + 43].argmax()) + 3 * 43 - 20 == pytest.approx(
        3.25 * config.frame_rate_hz - 2, abs=1.0
    )
    far = slice(0, round(1.5 * config.frame_rate_hz))
    assert torch.equal(made[..., far], before[..., far])
