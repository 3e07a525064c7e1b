import pytest

from kinetune.errors import ConfigError
from kinetune.model.presets import preset_config
from kinetune.training.config import TrainConfig, read_train_config
from tests.conftest import REPOSITORY


def test_the_bundled_configs_are_whole():
    assert read_train_config(REPOSITORY / "configs/default.toml").model == preset_config("default")
    paper = read_train_config(REPOSITORY / "configs/paper.toml")
    assert paper.model == preset_config("paper")
    loop = paper.diffusion.loop
    assert (loop.learning_rate, loop.betas, loop.weight_decay) == (1e-4, (0.95, 0.999), 1e-6)
    assert (loop.batch_size, loop.warmup_steps, loop.clip_norm) == (8, 500, 1.0)
    assert (loop.ema_decay, loop.ema_power) == (0.9999, 0.75)
    assert paper.diffusion.drop_all == paper.diffusion.augment.noise == 0.0
    assert paper.diffusion.min_snr_gamma == 0.0


def test_each_config_opens_with_the_command_that_uses_it():
    for path in (REPOSITORY / "configs").glob("*.toml"):
        assert f"--config configs/{path.name}" in path.read_text().split("[model]")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nsorce = 'a'", "unknown key 'sorce'"),
        ("[model]\npreset = 'huge'", "unknown preset"),
        ("[model.unet]\nwidth = 3", "unknown key 'width'"),
        ("[vae.loop]\nsteps = 'many'", "expected int"),
    ],
)
def test_a_slip_is_said(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_train_config(tmp_path / "a.toml")


def test_an_empty_file_is_the_default_run(tmp_path):
    (tmp_path / "a.toml").write_text("")
    assert read_train_config(tmp_path / "a.toml") == TrainConfig()
