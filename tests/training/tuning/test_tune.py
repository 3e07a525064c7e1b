"""Tuning a small model on songs, from the set to music with the adapter."""

import json
import math
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, safe_open, save_file

from kinetune import genres
from kinetune.cli.main import run
from kinetune.errors import ConfigError, MissingExtraError, ModelError
from kinetune.model.adapters.names import declare_genres, model_genres, split_name
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.tasks.recipe import model_sha256
from kinetune.training.songs.song_set import SongSetRequest, prepare_songs
from kinetune.training.tuning.held_out import EarlyStopping
from kinetune.training.tuning.settings import TuneTraining, tune_settings
from kinetune.training.tuning.tune import tune
from tests.conftest import swaying_clip
from tests.training.songs.conftest import RATE_HZ, song_samples


@pytest.fixture(scope="module")
def song_set(tmp_path_factory, tiny_model):
    """Four songs of a new genre, one of them held out."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "songs").mkdir()
    for number in range(4):
        samples = song_samples(seed=number, bpm=110.0 + 5.0 * number, bars=6)
        soundfile.write(folder / "songs" / f"{number}.wav", samples, RATE_HZ)
    prepare_songs(
        SongSetRequest(
            folder / "songs",
            folder / "set",
            genre="milonga",
            model=str(tiny_model),
            held_out_every=1000,
        )
    )
    return folder / "set"


def settings_of(model, data, steps=8, **changes):
    settings = tune_settings(
        str(model), str(data),
        [f"diffusion.loop.steps={steps}", "diffusion.loop.batch_size=2", "validate_every=4",
         "diffusion.loop.mixed_precision='no'", "samples_every_minutes=0", "replay=0.0"],
    )  # fmt: skip
    return replace(settings, **changes)


@pytest.fixture(scope="module")
def tuned(song_set, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return tune(settings_of(tiny_model, song_set), out), out


def test_the_held_out_loss_falls_and_the_best_is_kept(song_set, tiny_model, tmp_path):
    settings = settings_of(tiny_model, song_set, steps=60, validate_every=20)
    result = tune(settings, tmp_path)
    assert result.best < 0.97 * result.before
    rows = (tmp_path / "tune" / "held_out.jsonl").read_text().splitlines()
    losses = {row["step"]: row["loss"] for row in map(json.loads, rows)}
    assert list(losses) == [0, 20, 40, 60]
    assert result.best == min(losses.values()) == losses[result.best_step]


def test_the_adapter_is_a_small_file_with_the_new_genre(tuned, tiny_model):
    result, out = tuned
    base = sum(path.stat().st_size for path in tiny_model.rglob("*.safetensors"))
    assert (out / "adapter.safetensors").stat().st_size < base
    with safe_open(out / "adapter.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["genres"]) == ["milonga"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert all(value.dtype == torch.float16 for value in tensors.values())
    assert tensors["condition_encoder.genre.rows"].shape == (1, 32)
    assert result.genres == ("milonga",)
    card = (out / "adapter.md").read_text()
    assert "milonga" in card
    assert f"{result.best:.4f}" in card


def test_a_model_with_its_adapter_makes_music_of_the_new_genre(tuned, tiny_model):
    _, out = tuned
    name = f"{tiny_model}+{out / 'adapter.safetensors'}"
    assert model_genres(name) == ("milonga",)
    declare_genres(name, "Milonga")
    assert genres.genre_code("milonga") == "milonga"
    pipeline = DanceToMusicPipeline.from_pretrained(name)
    assert pipeline.condition_encoder.genre_row("milonga") == 11
    music = pipeline(swaying_clip(duration_s=2.0), genre="milonga")
    assert music.genre == "milonga"
    assert music.sound.duration_s == pytest.approx(2.0)
    assert model_sha256(name) != model_sha256(str(tiny_model))


def test_an_adapted_model_is_saved_with_its_genres(tuned, tiny_model, tmp_path):
    _, out = tuned
    pipeline = DanceToMusicPipeline.from_pretrained(f"{tiny_model}+{out / 'adapter.safetensors'}")
    pipeline.save_pretrained(tmp_path / "whole")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "whole")
    assert again.condition_encoder.genre_row("milonga") == 11
    for name, value in pipeline.unet.state_dict().items():
        torch.testing.assert_close(again.unet.state_dict()[name], value, atol=2e-3, rtol=2e-3)


def test_the_command_line_generates_with_the_adapter(tuned, tiny_model, tmp_path, capsys):
    _, out = tuned
    from kinetune.motion.io.amass import write_amass

    write_amass(tmp_path / "dance.npz", swaying_clip(duration_s=2.0))
    model = f"{tiny_model}+{out / 'adapter.safetensors'}"
    target = tmp_path / "x.wav"
    with pytest.raises(SystemExit) as ended:
        run(["generate", str(tmp_path / "dance.npz"), "-o", str(target), "--genre", "milonga",
             "--model", model])  # fmt: skip
    assert not ended.value.code
    assert json.loads(target.with_suffix(".json").read_text())["kinetune"]["genre"] == "milonga"
    with pytest.raises(SystemExit) as ended:
        run(["models", model])
    assert not ended.value.code
    assert "milonga" in capsys.readouterr().out


def test_another_models_adapter_is_refused(tuned, tmp_path):
    from tests.model.conftest import tiny_mono

    _, out = tuned
    other = tiny_mono()
    with torch.no_grad():
        other.unet.conv_in.weight.mul_(2.0)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match="made for another model"):
        DanceToMusicPipeline.from_pretrained(f"{tmp_path / 'other'}+{out / 'adapter.safetensors'}")


def test_damaged_adapters_are_refused(tuned, tiny_model, tmp_path):
    _, out = tuned
    damaged = tmp_path / "x.safetensors"
    name = f"{tiny_model}+{damaged}"
    with pytest.raises(ModelError, match="no adapter"):
        DanceToMusicPipeline.from_pretrained(name)
    damaged.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="no adapter"):
        DanceToMusicPipeline.from_pretrained(name)
    tensors = load_file(out / "adapter.safetensors")
    save_file(tensors, damaged)
    with pytest.raises(ModelError, match="not an adapter"):
        DanceToMusicPipeline.from_pretrained(name)
    with safe_open(out / "adapter.safetensors", framework="pt") as file:
        header = file.metadata()
    del tensors["condition_encoder.genre.rows"]
    save_file(tensors, damaged, metadata=header)
    with pytest.raises(ModelError, match="vectors of the new genres"):
        DanceToMusicPipeline.from_pretrained(name)


def test_tuning_resumes_to_the_same_adapter(song_set, tiny_model, tmp_path):
    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 6:
            raise Stop

    settings = settings_of(tiny_model, song_set)
    loop = replace(settings.diffusion.loop, save_every_minutes=0.0)
    saving = replace(settings, diffusion=replace(settings.diffusion, loop=loop))
    tune(settings, tmp_path / "whole")
    with pytest.raises(Stop):
        tune(saving, tmp_path / "broken", on_step=stop)
    tune(settings, tmp_path / "broken", resume=True)
    one, two = (load_file(tmp_path / n / "adapter.safetensors") for n in ("whole", "broken"))
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_training_stops_when_the_held_out_loss_no_longer_falls(tmp_path):
    stopping = EarlyStopping(tmp_path, 2, 0)
    assert [stopping.add(step, loss) for step, loss in ((0, 3.0), (10, 2.0), (20, 2.5))] == [
        True, True, False,
    ]  # fmt: skip
    assert not stopping.is_over
    stopping.add(30, 2.1)
    assert stopping.is_over
    assert stopping.best.step == 10
    # A run that is resumed at step 20 has forgotten what came later.
    assert [record.step for record in EarlyStopping(tmp_path, 2, 20).records] == [0, 10, 20]
    assert not EarlyStopping(tmp_path, 0, 30).is_over


def test_patience_ends_the_run_early(song_set, tiny_model, tmp_path):
    settings = settings_of(tiny_model, song_set, steps=40, validate_every=2, patience=2)
    loop = replace(settings.diffusion.loop, learning_rate=0.0)
    settings = replace(settings, diffusion=replace(settings.diffusion, loop=loop))
    result = tune(settings, tmp_path)
    assert result.training.step == 4
    assert result.training.finished
    assert result.best == pytest.approx(result.before)


def test_a_sample_is_written_for_tensorboard(song_set, tiny_model, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = settings_of(tiny_model, song_set, steps=2, samples_every_minutes=1e-9)
    tune(settings, tmp_path)
    events = EventAccumulator(str(tmp_path / "tune" / "events" / "samples"))
    events.Reload()
    assert [each.step for each in events.Images("spectrogram")] == [1, 2]
    audio = events.Audio("sample")
    assert audio[0].sample_rate == 22_050
    losses = [
        json.loads(line) for line in (tmp_path / "tune" / "held_out.jsonl").read_text().splitlines()
    ]
    assert [(each.step, each.value) for each in events.Scalars("held_out_loss")] == [
        (loss["step"], pytest.approx(loss["loss"])) for loss in losses
    ]


class Wandb(ModuleType):
    """As much of wandb as a run needs; remembers what it is told."""

    class Error(Exception):
        pass

    Audio = Image = staticmethod(lambda values, **options: (np.asarray(values), options))

    def __init__(self):
        super().__init__("wandb")
        self.started, self.logged, self.finished, self.id = [], [], 0, "abc"

    def init(self, **options):
        self.started.append(options)
        return self

    def define_metric(self, name, *, step_metric):
        assert (name, step_metric) == ("*", "step")

    def log(self, values):
        self.logged.append(values)

    def finish(self):
        self.finished += 1


def test_wandb_gets_curves_and_samples_if_asked(song_set, tiny_model, tmp_path, monkeypatch):
    wandb = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    settings = settings_of(tiny_model, song_set, steps=2, samples_every_minutes=1e-9)
    tune(settings, tmp_path, wandb=True)
    steps = [values["step"] for values in wandb.logged if "lr" in values]
    assert steps == [1, 2]
    (samples, options), *_ = [values["sample"] for values in wandb.logged if "sample" in values]
    assert options == {"sample_rate": 22_050}
    assert samples.std() > 0
    (picture, _), *_ = [v["spectrogram"] for v in wandb.logged if "spectrogram" in v]
    assert picture.dtype == np.uint8
    assert next(v["step"] for v in wandb.logged if "held_out_loss" in v) == 0
    tune(settings_of(tiny_model, song_set, steps=3), tmp_path, wandb=True, resume=True)
    assert [each["id"] for each in wandb.started] == [None, "abc"]
    assert wandb.started[0]["project"] == "kinetune"
    assert wandb.finished == 2


def test_wandb_that_is_missing_or_refuses_is_one_line(song_set, tiny_model, tmp_path, monkeypatch):
    settings = settings_of(tiny_model, song_set, steps=2)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"wandb isn't installed.*kinetune\[wandb\]"):
        tune(settings, tmp_path, wandb=True)
    wandb = Wandb()

    def refuse(**_):
        raise wandb.Error("no API key configured")

    wandb.init = refuse
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with pytest.raises(ConfigError, match="--wandb: no API key configured; log in with"):
        tune(settings, tmp_path, wandb=True)


def test_a_pair_of_model_and_adapter_is_split_at_the_plus(tmp_path):
    assert split_name("default+a/my.safetensors")[0] == "default"
    assert str(split_name("default+a/my.safetensors")[1]) == "a/my.safetensors"
    assert split_name("default") == ("default", None)
    folder = tmp_path / "a+b.safetensors"
    folder.mkdir()
    assert split_name(folder) == (folder, None)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="rnak"):
        tune_settings("default", "x", ["rnak=3"])
    assert tune_settings("default", "x", ["rank=3"]).rank == 3
    assert math.isclose(TuneTraining().diffusion.loop.weight_decay, 0.0)
