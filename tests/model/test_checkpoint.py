import json
import shutil

import pytest
import torch

from kinetune.errors import ModelError, OutputError
from kinetune.model.checkpoint import atomic_folder, check_folder, resolve
from kinetune.model.pipeline import DanceToMusicPipeline


@pytest.fixture
def saved(default_pipeline, tmp_path):
    default_pipeline.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_networks_keep_their_own_weights_when_saved(default_pipeline, tmp_path):
    before = {k: v.clone() for k, v in default_pipeline.unet.state_dict().items()}
    default_pipeline.save_pretrained(tmp_path / "model")
    for name, value in default_pipeline.unet.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    "gone",
    [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "mel/mel_config.json",
    ],
)
def test_a_missing_file_is_named(saved, gone):
    (saved / gone).unlink()
    with pytest.raises(ModelError, match="missing from the checkpoint") as caught:
        DanceToMusicPipeline.from_pretrained(saved)
    assert gone in str(caught.value)


@pytest.mark.parametrize(
    "hurt", ["model_index.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"]
)
def test_a_damaged_file_is_named(saved, hurt):
    path = saved / hurt
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="damaged") as caught:
        DanceToMusicPipeline.from_pretrained(saved)
    assert hurt in str(caught.value)


def test_weights_that_do_not_fit_are_said_in_one_line(saved):
    config = json.loads((saved / "unet" / "config.json").read_text())
    config["block_out_channels"] = [64, 64]
    (saved / "unet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="can't be loaded") as caught:
        DanceToMusicPipeline.from_pretrained(saved)
    assert "\n" not in str(caught.value)


def test_a_strangers_pipeline_is_refused(saved):
    index = json.loads((saved / "model_index.json").read_text())
    (saved / "model_index.json").write_text(json.dumps(index | {"_class_name": "Other"}))
    with pytest.raises(ModelError, match="expected a DanceToMusicPipeline"):
        check_folder(saved)


def test_a_component_from_a_strangers_module_is_not_run(saved):
    index = json.loads((saved / "model_index.json").read_text())
    index["unet"] = ["antigravity", "Flight"]
    (saved / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="can't be loaded"):
        DanceToMusicPipeline.from_pretrained(saved)


def test_a_name_that_is_nothing_lists_what_there_is():
    with pytest.raises(ModelError, match="no such model"):
        resolve("no-such-model")


def test_a_folder_with_other_files_is_not_replaced(saved, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="other files"), atomic_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_saving_again_replaces_a_checkpoint(default_pipeline, saved):
    default_pipeline.save_pretrained(saved)
    check_folder(saved)
    assert [p.name for p in saved.parent.iterdir()] == ["model"]
    shutil.rmtree(saved)


def test_a_checkpoint_does_not_tell_where_its_parts_came_from(saved, tmp_path):
    loaded = DanceToMusicPipeline.from_pretrained(saved)
    loaded.save_pretrained(tmp_path / "again")
    for path in (tmp_path / "again").rglob("*.json"):
        assert str(tmp_path) not in path.read_text()
