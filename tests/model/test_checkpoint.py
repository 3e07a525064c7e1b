import json
import logging
import math
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from kinetune.errors import ModelError, OutputError
from kinetune.model import checkpoint, pipeline
from kinetune.model.catalogue import list_models
from kinetune.model.checkpoint import atomic_folder, check_folder, resolve
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline, preset_config


@pytest.fixture
def saved(mono_pipeline, tmp_path):
    mono_pipeline.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_networks_keep_their_own_weights_when_saved(mono_pipeline, tmp_path):
    before = {k: v.clone() for k, v in mono_pipeline.unet.state_dict().items()}
    mono_pipeline.save_pretrained(tmp_path / "model")
    for name, value in mono_pipeline.unet.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_loading_warns_of_nothing_where_accelerate_is_not_installed(saved, monkeypatch):
    monkeypatch.setattr(pipeline, "find_spec", lambda name: None)
    for module in ("pipelines.pipeline_utils", "models.modeling_utils"):
        monkeypatch.setattr(f"diffusers.{module}.is_accelerate_available", lambda: False)
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("diffusers").addHandler(handler)
    try:
        DanceToMusicPipeline.from_pretrained(saved)
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert not [record.getMessage() for record in records]


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


def change(path, **values):
    """Set keys of a JSON file; None takes a key out."""
    table = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in table.items() if v is not None}))


def refusal(folder):
    with pytest.raises(ModelError) as caught:
        DanceToMusicPipeline.from_pretrained(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    return message


def test_weights_that_do_not_fit_give_a_one_line_error(saved):
    change(saved / "unet" / "config.json", block_out_channels=[32, 64])
    assert re.search(r"unet.*should have shape \(64,.*found \(48,", refusal(saved))


@pytest.mark.parametrize("network", ["unet", "vae", "condition_encoder", "normaliser"])
def test_missing_and_surplus_weights_are_errors(saved, network):
    path = saved / network / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    gone = sorted(weights)[0]
    save_file({k: v for k, v in weights.items() if k != gone}, path)
    assert f"weight {gone} is missing" in refusal(saved)
    save_file(weights | {"extra": torch.zeros(1)}, path)
    assert "weight extra is not part of the network" in refusal(saved)


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("unet/config.json", {"block_out_channels": "wide"}),
        ("unet/config.json", {"block_out_channels": [32] * 40}),
        ("unet/config.json", {"layers_per_block": 10**9}),
        ("unet/config.json", {"in_channels": None, "cross_attention_dim": {"a": 1}}),
        ("vae/config.json", {"latent_channels": 0.5}),
        ("vae/config.json", {"latents_mean": "none"}),
        ("condition_encoder/config.json", {"frames_per_column": 0}),
        ("normaliser/config.json", {"kind": "mode"}),
        ("mel/mel_config.json", {"hop_length": "512"}),
        ("mel/mel_config.json", {"hop_length": 0}),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**12}),
        ("scheduler/scheduler_config.json", {"beta_schedule": 7}),
        ("model_index.json", {"settings": 3}),
        ("model_index.json", {"settings": {"preset": "default"}}),
    ],
)
def test_settings_of_a_wrong_type_are_one_line(saved, file, values):
    change(saved / file, **values)
    message = refusal(saved)
    assert str(saved) in message


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("window_frames", "128", "expected int"),
        ("overlap_columns", -1, "0 or more"),
        ("useful_frames", 129, "1 to window_frames"),
        ("inference_steps", 0, "1 to 1000"),
        ("guidance_scale", 1e9, "0 to 50"),
        ("training_lufs", 20.0, "-70 to 0"),
        ("effort_contrast", 0.0, "above 0 and at most 4"),
        ("banana", 1, "unknown key"),
    ],
)
def test_every_setting_of_the_pipeline_is_checked(saved, key, value, said):
    index = json.loads((saved / "model_index.json").read_text())
    change(saved / "model_index.json", settings=index["settings"] | {key: value})
    message = refusal(saved)
    assert said in message
    assert "model_index.json" in message


def test_old_checkpoint_gets_default_training_lufs(saved):
    index = json.loads((saved / "model_index.json").read_text())
    assert index["settings"].pop("training_lufs") == -19.0
    change(saved / "model_index.json", settings=index["settings"])
    assert DanceToMusicPipeline.from_pretrained(saved).settings.training_lufs == -19.0


@pytest.mark.parametrize("name", ["Other", ["pipeline", "Evil"], None])
def test_an_untrusted_pipeline_class_is_refused(saved, name):
    change(saved / "model_index.json", _class_name=name)
    with pytest.raises(ModelError, match="expected a DanceToMusicPipeline"):
        check_folder(saved)


@pytest.mark.parametrize(
    "index",
    [
        {"unet": ["evil", "Evil"]},
        {"unet": ["antigravity", "Flight"]},
        {"unet": ["kinetune.model.vae", "MelVAE"]},
        {"unet": "evil.Evil"},
        {"unet": [["evil"], "Evil"]},
        {"unet": [None, None]},
        {"unet": None},
        {"extra": ["evil", "Evil"]},
        {"scheduler": ["subprocess", "Popen"]},
    ],
)
def test_checkpoint_builds_only_listed_classes(saved, index):
    ran = saved / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Evil: pass\n"
    for folder in (saved, saved / "unet", saved / "extra"):
        folder.mkdir(exist_ok=True)
        for name in ("evil.py", "pipeline.py", "unet.py", "__init__.py"):
            (folder / name).write_text(code)
    # The code beside a sound index is not run either.
    DanceToMusicPipeline.from_pretrained(saved)
    change(saved / "model_index.json", **index)
    assert "model_index.json" in refusal(saved)
    assert not ran.exists()


@pytest.mark.parametrize("network", ["unet", "vae"])
def test_weights_of_nan_make_one_line_and_no_sound(saved, network, clip):
    path = saved / network / checkpoint.WEIGHTS
    tensors = {name: torch.full_like(value, torch.nan) for name, value in load_file(path).items()}
    save_file(tensors, path)
    pipeline = DanceToMusicPipeline.from_pretrained(saved)
    with pytest.raises(ModelError, match="made no sound .*NaN.*weights are damaged"):
        pipeline(clip, genre="house", num_inference_steps=1)


def test_diffusers_loads_the_folder_by_the_file_in_it(saved, mono_pipeline):
    loaded = DiffusionPipeline.from_pretrained(
        saved, custom_pipeline=str(saved), trust_remote_code=True
    )
    assert type(loaded).__name__ == "DanceToMusicPipeline"
    assert loaded.settings == mono_pipeline.settings
    assert list_models()[0].name == "default"


@pytest.mark.parametrize("source", ["saved", "bundled"])
def test_diffusers_loads_the_folder_in_a_process_that_knows_nothing_of_kinetune(saved, source):
    folder = saved if source == "saved" else checkpoint.BUNDLED / "default"
    script = (
        "import sys; from diffusers import DiffusionPipeline; folder = sys.argv[1]\n"
        "assert not any(name.startswith('kinetune') for name in sys.modules)\n"
        "pipeline = DiffusionPipeline.from_pretrained(\n"
        "    folder, custom_pipeline=folder, trust_remote_code=True)\n"
        "print(type(pipeline).__name__, sum(p.numel() for p in pipeline.unet.parameters()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count = sum(
        math.prod(shape)
        for shape in checkpoint.tensor_shapes(folder / "unet" / checkpoint.WEIGHTS).values()
    )
    assert done.stdout.split() == ["DanceToMusicPipeline", str(count)]


def test_the_bundled_checkpoint_has_the_file_that_is_written(saved):
    written = (saved / "pipeline.py").read_text()
    assert (checkpoint.BUNDLED / "default" / "pipeline.py").read_text() == written


def test_a_model_on_the_hub_is_checked_like_a_folder(saved, monkeypatch):
    wanted = {}

    def download(hub_id, **options):
        wanted.update(options, hub_id=hub_id)
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    DanceToMusicPipeline.from_pretrained("owner/name", revision="v1")
    assert wanted == {
        "hub_id": "owner/name", "revision": "v1", "allow_patterns": ["*.json", "*.safetensors"],
    }  # fmt: skip
    change(saved / "model_index.json", unet=["evil", "Evil"])
    assert "unet must be" in refusal("owner/name")


def test_listed_presets_are_those_that_are_built():
    (listed,) = (entry for entry in list_models() if entry.name == "paper")
    with torch.device("meta"):
        built = build_pipeline(preset_config("paper"))
    counts = [sum(p.numel() for p in part.parameters())
              for part in (built.unet, built.vae, built.condition_encoder)]  # fmt: skip
    assert counts == [listed.unet_parameters, listed.vae_parameters, listed.condition_parameters]
    assert listed.total_parameters == sum(counts)
    for key in ("inference_steps", "guidance_scale", "window_frames", "overlap_columns"):
        assert listed.settings[key] == getattr(built.settings, key)
    assert listed.settings["n_mels"] == built.mel.settings.n_mels
    assert listed.settings["scheduler"] == type(built.scheduler).__name__
    assert listed.settings["latent_shape"] == [1, built.unet.config.sample_size, 32]


def test_a_name_that_is_nothing_lists_what_there_is():
    with pytest.raises(ModelError, match="no such model"):
        resolve("no-such-model")


def test_a_folder_with_other_files_is_not_replaced(saved, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="other files"), atomic_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_saving_replaces_whatever_a_killed_run_left(mono_pipeline, saved):
    for name in (".model-old", ".model-old-abc"):
        (saved.parent / name).mkdir()
        (saved.parent / name / "file").write_text("left behind")
    mono_pipeline.save_pretrained(saved)
    check_folder(saved)


def test_several_writers_of_one_folder_all_succeed(tmp_path):
    def write(number):
        with atomic_folder(tmp_path / "state") as aside:
            (aside / "state.json").write_text(str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_saving_again_replaces_a_checkpoint(mono_pipeline, saved):
    mono_pipeline.save_pretrained(saved)
    check_folder(saved)
    assert [p.name for p in saved.parent.iterdir()] == ["model"]
    shutil.rmtree(saved)


def test_a_checkpoint_contains_no_local_paths(saved, tmp_path):
    loaded = DanceToMusicPipeline.from_pretrained(saved)
    loaded.save_pretrained(tmp_path / "again")
    for path in (tmp_path / "again").rglob("*.json"):
        assert str(tmp_path) not in path.read_text()
