import json
import os
import subprocess
import sys

import pytest

import kinetune as package
from tests.cli.conftest import kinetune
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    "verb",
    [[], ["generate"], ["inspect"], ["models"], ["prepare", "aist"], ["corpus", "make"],
     ["train", "vae"], ["train", "diffusion"], ["train", "genre"]],
)  # fmt: skip
def test_every_verb_has_help(verb):
    done = kinetune(*verb, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_help_tells_every_default():
    # Square brackets would be taken for markup and vanish.
    text = " ".join(kinetune("generate", "--help").stdout.replace("│", " ").split())
    assert "(default: the model's own)" in text
    assert "(default: found in the dance)" in text


def test_help_does_not_load_torch():
    code = (
        "import sys; sys.argv = ['kinetune', '--help']\n"
        "from kinetune.cli.main import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'diffusers', 'librosa'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


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
    assert default["total_parameters"] <= 20_000_000
    assert 0 < default["bytes"] <= 40_000_000
    assert paper["unet_parameters"] == 138_255_489
    assert paper["vae_parameters"] == 83_607_691
    settings = paper["settings"]
    assert settings["block_out_channels"] == [128, 256, 512, 512]
    assert settings["cross_attention_dim"] == 370
    assert settings["latent_shape"] == [1, 32, 32]
    assert (settings["train_steps"], settings["inference_steps"]) == (1000, 50)


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
        (["prepare", "aist", "nowhere", "--out", "p"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_code_2(tmp_path, arguments, message):
    done = kinetune(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_the_user_says_otherwise(given, kept):
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
