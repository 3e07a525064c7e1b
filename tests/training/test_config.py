import pytest

from kinetune.corpus.prompts.vocabulary import vocabulary
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
        ("[data]\nsorce = 'a'", "unknown key 'sorce' in [data]; did you mean 'source'?"),
        ("[model]\npreset = 'huge'", "unknown preset 'huge'"),
        ("[model.unet]\nwidth = 3", "unknown key 'width' in [model.unet]"),
        ("[vae.loop]\nsteps = 'many'", "vae.loop.steps: expected int, found 'many'"),
        ("[vae.loop]\nsteps = 0", "vae.loop.steps: expected int >= 1, found 0"),
        ("[diffusion.loop]\nbatch_size = 0", "diffusion.loop.batch_size: expected int >= 1"),
        ("[diffusion.loop]\nlearning_rate = -1", "learning_rate: expected float >= 0.0, found -1"),
        ("[diffusion.loop]\nlearning_rate = nan", "learning_rate: expected a finite number"),
        ("[diffusion.loop]\nbetas = [0.9, 1.0]", "loop.betas[1]: expected float < 1.0, found 1.0"),
        ("[diffusion.loop]\nbetas = [0.9]", "betas: expected a list of length 2, found [0.9]"),
        (
            "[diffusion.loop]\nmixed_precision = 'banana'",
            "mixed_precision: expected one of 'no', 'bf16', 'bf16-master', 'fp16', found 'banana'",
        ),
        ("[diffusion]\ndrop_all = 1.5", "diffusion.drop_all: expected float <= 1.0, found 1.5"),
        ("[diffusion.augment]\nmirror = -0.5", "augment.mirror: expected float >= 0.0"),
        ("[model]\nwindow_frames = -3", "model.window_frames: expected int >= 1, found -3"),
        ("[model]\nwindow_frames = 'x'", "model.window_frames: expected int, found 'x'"),
        ("[model.vae]\nblock_out_channels = [32, 'x']", "block_out_channels[1]: expected int"),
        ("[model]\nattributes = ['kits']", "model.attributes: unknown axis 'kits'"),
        ("[model]\nattributes = ['kit:lute']", "unknown musical attribute 'kit:lute'"),
        ("[model]\nattributes = 'kit'", "model.attributes: expected a list, found 'kit'"),
        ("model = 3", "model: expected a table, found 3"),
        ("[data]\nheld_out = -1", "data.held_out: expected int >= 0, found -1"),
        ("[data]\nstride_s = 0.0", "data.stride_s: expected float > 0.0, found 0.0"),
    ],
)
def test_a_mistake_is_one_line_with_its_key(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_train_config(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_axis_stands_for_all_of_its_attributes(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[model]\nattributes = ['tone:dark', 'kit', 'tone']\n")
    names = read_train_config(path).model.attributes
    kits = [each.name for each in vocabulary().attribute if each.axis == "kit"]
    tones = [each.name for each in vocabulary().attribute if each.axis == "tone"]
    assert sorted(names) == sorted({*kits, *tones})
    assert names[0] == "tone:dark"


def test_overrides_replace_values_of_the_file():
    config = read_train_config(
        REPOSITORY / "configs/default.toml",
        ["diffusion.loop.steps=7", "model.unet.block_out_channels=[32, 48]", "data.source=x/y"],
    )
    assert config.diffusion.loop.steps == 7
    assert config.model.unet.block_out_channels == (32, 48)
    assert config.data.source == "x/y"
    assert config.vae.loop.steps == 600
    path = REPOSITORY / "configs/default.toml"
    with pytest.raises(ConfigError, match="default.toml with --set vae.loop.steps=0: vae.loop"):
        read_train_config(path, ["vae.loop.steps=0"])


def test_an_empty_file_is_the_default_run(tmp_path):
    (tmp_path / "a.toml").write_text("")
    assert read_train_config(tmp_path / "a.toml") == TrainConfig()


def test_shorter_windows_overlap_by_the_same_share(tmp_path):
    (tmp_path / "a.toml").write_text("[model]\nwindow_frames = 256\n")
    assert read_train_config(tmp_path / "a.toml").model.overlap_columns == 16
    given = read_train_config(tmp_path / "a.toml", ["model.overlap_columns=20"])
    assert given.model.overlap_columns == 20
