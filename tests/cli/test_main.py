import json
import os
import subprocess
import sys

import pytest

import kinetune as package
from kinetune import genres
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.conftest import REPOSITORY

TINY, GENRE, BEATS = (
    REPOSITORY / "configs" / f"{name}.toml" for name in ("tiny", "genre", "beats")
)


@pytest.mark.parametrize(
    "command",
    [[], ["generate"], ["inspect"], ["models"], ["prepare", "aist"], ["corpus", "make"],
     ["train", "vae"], ["train", "diffusion"], ["train", "genre"], ["edit"], ["film"], ["again"],
     ["demo"], ["evaluate"]],
)  # fmt: skip
def test_every_subcommand_has_help(command):
    done = kinetune(*command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_help_lists_every_default():
    # Square brackets would be taken for markup and vanish.
    text = " ".join(kinetune("generate", "--help").stdout.replace("│", " ").split())
    assert "(default: the model's own)" in text
    assert "(default: estimated from the motion)" in text


def test_the_version_is_the_packages():
    assert kinetune("--version").stdout.strip() == f"kinetune {package.__version__}"


def test_an_unknown_option_is_code_2():
    done = kinetune("generate", "a.bvh", "--colour", "blue")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_models_are_listed_with_their_sizes():
    models = {entry["name"]: entry for entry in json.loads(kinetune("models", "--json").stdout)}
    default, paper = models["default"], models["paper"]
    assert default["bundled"]
    parts = [default[f"{part}_parameters"] for part in ("unet", "vae", "condition", "vocoder")]
    assert all(parts)
    assert sum(parts) == default["total_parameters"] <= 27_000_000
    # Two bytes a weight, and little else.
    assert 2 * sum(parts) <= default["bytes"] <= 2.1 * sum(parts)
    assert 0 < default["bytes"] <= 54_000_000
    assert paper["unet_parameters"] == 138_255_489
    assert paper["vae_parameters"] == 83_607_691
    assert (default["settings"]["output_rate_hz"], paper["vocoder_parameters"]) == (44_100, 0)
    settings = paper["settings"]
    assert settings["block_out_channels"] == [128, 256, 512, 512]
    assert settings["cross_attention_dim"] == 370
    assert settings["latent_shape"] == [1, 32, 32]
    assert (settings["train_steps"], settings["inference_steps"]) == (1000, 50)


@pytest.mark.slow
def test_a_corpus_is_made_and_trained_on_from_the_shell(tmp_path):
    done = kinetune(
        "corpus", "make", "--out", "corpus", "--minutes", 0.2, "--seed", 1, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    text = (REPOSITORY / "configs" / "tiny.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace("runs/tiny-corpus", "corpus"))
    for part in ("vae", "diffusion"):
        done = kinetune("train", part, "--config", "run.toml", "--out", "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "4 steps (finished)" in done.stdout
    done = kinetune(
        "train", "vae", "--config", "run.toml", "--out", "run", "--resume", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "4 steps (finished), loss" in done.stdout
    assert "windows/s" not in done.stdout, "nothing was trained, so it had no pace"
    again = ("train", "vae", "--config", "run.toml", "--out", "run")
    done = kinetune(*again, cwd=tmp_path)
    assert done.returncode == 2
    assert "holds a run; continue it with --resume" in done.stderr
    done = kinetune(*again, "--restart", "--set", "vae.loop.steps=3", cwd=tmp_path)
    assert "3 steps (finished)" in done.stdout
    assert "windows/s" in done.stdout
    genre_is_trained(tmp_path)


def genre_is_trained(folder):
    (folder / "genre.toml").write_text(
        "[network]\nchannels = [4, 8]\nwindow_s = 1.0\n"
        '[data]\nsource = "corpus"\nheld_out = 1\n'
        '[loop]\nsteps = 2\nbatch_size = 2\nmixed_precision = "no"\n'
    )
    told = kinetune("train", "genre", "--config", "genre.toml", "--out", "none", cwd=folder)
    assert told.returncode == 2
    assert "no training item" in told.stderr
    text = (folder / "genre.toml").read_text().replace("held_out = 1", "held_out = 0")
    (folder / "genre.toml").write_text(text)
    for options in ([], ["--resume", "--minutes", "1"]):
        done = kinetune(
            "train", "genre", "--config", "genre.toml", "--out", "run", *options, cwd=folder
        )
        assert done.returncode == 0, done.stderr
        assert "2 steps (finished)" in done.stdout
    assert (folder / "run" / "genre" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpus", "make", "--out", "c", "--minutes", "-1"], "minutes"),
        (["corpus", "make", "--out", "c", "--minutes", "1", "--genre", "polka"], "unknown genre"),
        (["train", "vae", "--config", "none.toml", "--out", "r"], "none.toml"),
        (
            ["train", "vae", "--config", TINY, "--out", "r", "--set", "vae.loop.steps=0"],
            "vae.loop.steps: expected int >= 1, found 0",
        ),
        (
            ["train", "diffusion", "--config", TINY, "--out", "r", "--set", "diffusion.drop_all"],
            "--set diffusion.drop_all: expected KEY=VALUE",
        ),
        (
            ["train", "genre", "--config", GENRE, "--out", "r", "--set", "smoothing=2"],
            "smoothing: expected float < 1.0, found 2",
        ),
        (
            ["train", "beats", "--config", BEATS, "--out", "r", "--set", "loop.mixed_precision=x"],
            "loop.mixed_precision: expected one of 'no', 'bf16', 'bf16-master', 'fp16', found 'x'",
        ),
        (["prepare", "aist", "nowhere", "--out", "p"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_code_2(tmp_path, arguments, message):
    done = kinetune(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_prints_what_was_decided_and_quiet_nothing(tmp_path, tiny_model, place):
    from tests.cli.test_generate import dance

    command = ["generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model]
    command += ["--force"]

    def ran(flag):
        words = [flag, *command] if place == "before" else [*command, flag]
        done = kinetune(*words)
        assert done.returncode == 0, done.stderr
        return done

    verbose, quiet = ran("-v"), ran("-q")
    assert "sway.bvh: BVH, 24 joints, 120 frames at 60 fps" in verbose.stderr
    assert "tempo" in verbose.stderr
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_unexpected_error_is_one_line_with_traceback_under_v(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("by \x1b[31mnought")

    monkeypatch.setattr("kinetune.tasks.inspect.inspect", broken)
    (tmp_path / "a.bvh").write_text("")
    done = kinetune("inspect", tmp_path / "a.bvh")
    assert_one_clear_line(done, code=1)
    assert "unexpected ZeroDivisionError: by \\x1b[31mnought" in done.stderr
    assert "Traceback" in kinetune("inspect", tmp_path / "a.bvh", "-v").stderr


def test_ctrl_c_is_one_line_and_code_130(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kinetune.tasks.inspect.inspect", interrupted)
    assert_one_clear_line(kinetune("inspect", "a.bvh"), code=130)


def test_a_module_is_run_as_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "kinetune", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"kinetune {package.__version__}\n"


def test_completion_is_offered_and_completes():
    assert "--install-completion" in kinetune("--help").stdout
    done = subprocess.run(
        [sys.executable, "-m", "kinetune"], capture_output=True, text=True, check=False,
        env={**os.environ, "_KINETUNE_COMPLETE": "complete_bash", "COMP_WORDS": "kinetune ge",
             "COMP_CWORD": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["generate"]


def test_help_and_models_answer_without_the_heavy_libraries():
    for words in (["--help"], ["generate", "--help"], ["models"]):
        code = (
            "import sys\nfrom kinetune.cli.main import run\n"
            f"try: run({words})\n"
            "except SystemExit: pass\n"
            "assert not {'torch', 'diffusers', 'librosa', 'scipy'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_genre_is_in_the_help():
    text = " ".join(kinetune("generate", "--help").stdout.replace("│", " ").split())
    for name in genres.NAMES:
        assert name in text


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_omp_wait_policy_is_passive_unless_set(given, kept):
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    code = (
        "import sys, os, kinetune.cli; print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env | ({"OMP_WAIT_POLICY": given} if given else {}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", kept]
