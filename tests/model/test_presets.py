import inspect
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

import kinetune
from kinetune.errors import ConfigError, ModelError
from kinetune.model.catalogue import describe_named
from kinetune.model.checkpoint import BUNDLED
from kinetune.model.presets import build_pipeline, load_paper_vae, preset_config
from kinetune.model.unet import DanceUNet


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return build_pipeline(preset_config("paper"))


def test_the_papers_networks_have_the_published_sizes(paper):
    assert parameters(paper.unet) == 138_255_489
    assert parameters(paper.vae) == 83_607_691


def test_the_papers_figures_are_the_published_ones(paper):
    assert isinstance(paper.unet, UNet2DConditionModel)
    assert isinstance(paper.vae, AutoencoderKL)
    assert isinstance(paper.scheduler, DDIMScheduler)
    assert paper.unet.config.cross_attention_dim == 370
    assert paper.unet.config.sample_size == 32
    assert paper.vae.config.scaling_factor == 0.18215
    assert paper.scheduler.config.num_train_timesteps == 1000
    assert paper.scheduler.config.prediction_type == "epsilon"
    mel = paper.mel.settings
    figures = (mel.rate_hz, mel.n_fft, mel.hop_length, mel.n_mels, mel.top_db, mel.reference)
    assert figures == (22_050, 2048, 512, 256, 80.0, "max")
    assert paper.settings.inference_steps == 50
    assert paper.settings.guidance_scale == 1.0
    assert paper.condition_encoder.config.motion_frames == 150
    assert paper.normaliser.config.kind == "minmax"


def test_the_default_preset_has_the_networks_and_settings_of_the_bundled_model():
    with torch.device("meta"):
        pipeline = build_pipeline(preset_config("default"))
    bundled = describe_named("default")
    sizes = [parameters(p) for p in (pipeline.unet, pipeline.vae, pipeline.condition_encoder)]
    assert sizes == [
        bundled.unet_parameters,
        bundled.vae_parameters,
        bundled.condition_parameters,
    ]
    index = json.loads((BUNDLED / "default" / "model_index.json").read_text(encoding="utf-8"))
    assert asdict(pipeline.settings) == index["settings"]


def test_preset_defaults_equal_the_bundled_model():
    path = Path(kinetune.__file__).parent / "weights" / "default" / "unet" / "config.json"
    bundled = json.loads(path.read_text(encoding="utf-8"))
    signature = inspect.signature(DanceUNet.__init__).parameters
    for name in ("block_out_channels", "attention_levels", "layers_per_block"):
        default = signature[name].default
        assert (list(default) if isinstance(default, tuple) else default) == bundled[name]
    preset = preset_config("default").unet
    assert list(preset.block_out_channels) == bundled["block_out_channels"]
    assert preset.layers_per_block == bundled["layers_per_block"]


def test_building_is_by_the_seed_and_leaves_the_global_one_alone():
    config = preset_config("default")
    small = replace(
        config,
        vae=replace(config.vae, block_out_channels=(16, 16)),
        unet=replace(config.unet, block_out_channels=(16, 16), condition_channels=16),
    )
    before = torch.random.get_rng_state()
    one, two, three = (build_pipeline(small, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    weight = [p.unet.conv_in.weight for p in (one, two, three)]
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])


def test_an_unknown_preset_is_reported():
    with pytest.raises(ConfigError, match="unknown preset"):
        preset_config("huge")


def test_the_papers_vae_without_a_network_gives_a_one_line_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="network is needed") as caught:
        load_paper_vae(str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)
