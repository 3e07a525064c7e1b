"""Several processes train as one: same gradients, same run, one writer."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from kinetune import config as configs
from kinetune.errors import ConfigError
from kinetune.model.presets import build_pipeline
from kinetune.training import parallel
from kinetune.training.config import LoopConfig
from kinetune.training.data import dataset
from kinetune.training.diffusion import BatchSampler, cached_latents
from kinetune.training.parallel import Share
from kinetune.training.vae import train_vae
from tests.conftest import REPOSITORY

SIZE = 8


def test_the_shares_of_all_processes_are_the_batch():
    rows = [list(Share(rank, 4).rows(SIZE)) for rank in range(4)]
    assert rows == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert list(Share().rows(3)) == [0, 1, 2]


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match=r"batch_size: expected a multiple of the 3 .* found 8"):
        Share(0, 3).rows(SIZE)


def test_a_process_on_its_own_is_the_main_one():
    assert parallel.current_share() == Share(0, 1)
    assert parallel.is_main()
    assert parallel.average({"loss": 2.5}) == {"loss": 2.5}
    assert parallel.from_main(True) is True
    with parallel.main_first():
        parallel.barrier()


@pytest.fixture
def sampler(tiny, tmp_path):
    settings = replace(tiny.diffusion, loop=replace(tiny.diffusion.loop, batch_size=SIZE))
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)
    dataset.fit_normaliser(prepared, pipeline)
    latents = cached_latents(prepared, windows, pipeline, tmp_path)
    conditions = dataset.Conditions(prepared, pipeline)
    return BatchSampler(windows, latents, conditions, pipeline, settings)


def test_a_row_is_the_same_whoever_draws_the_others(sampler):
    """Rows of a batch by themselves are those of the whole batch, random changes included."""
    whole, conditions, masks, generators = sampler.batch(3)
    for rank in range(4):
        rows = Share(rank, 4).rows(SIZE)
        part, own, mask, drawn = sampler.batch(3, rows)
        here = slice(rows.start, rows.stop)
        assert torch.equal(part, whole[here])
        assert torch.equal(mask, masks[here])
        for one, every in zip(own.parts(), conditions.parts(), strict=True):
            assert torch.equal(one, every[here])
        for one, every in zip(drawn, generators[here], strict=True):
            assert torch.equal(one.get_state(), every.get_state())


def test_rows_of_a_batch_differ_from_each_other_and_from_the_next_batch(sampler):
    first, later = sampler.batch(3), sampler.batch(4)
    seeds = [generator.initial_seed() for generator in first[3] + later[3]]
    assert len(set(seeds)) == 2 * SIZE


WORKER = """
import sys
from pathlib import Path
from kinetune.training.config import read_train_config
from kinetune.training.diffusion import train_diffusion
from kinetune.training.vae import train_vae

settings, out, kind, stop = sys.argv[1:5]

def on_step(report):
    if report.step == int(stop):
        raise SystemExit("stopped here")

train = {"vae": train_vae, "diffusion": train_diffusion}[kind]
train(read_train_config(Path(settings)), Path(out), on_step=on_step, resume="resume" in sys.argv)
"""


@pytest.fixture
def run_file(tiny, tmp_path):
    """Settings of a run of both parts with a batch of eight, and a trained VAE."""
    train_vae(tiny, tmp_path)
    loop = replace(
        tiny.diffusion.loop, batch_size=SIZE, steps=4, clip_norm=1e9, save_every_minutes=0.0
    )
    table = configs.as_table(
        replace(
            tiny,
            vae=replace(tiny.vae, loop=loop),
            diffusion=replace(tiny.diffusion, loop=loop, vae=str(tmp_path / "vae" / "model")),
        )
    )
    path = tmp_path / "run.toml"
    path.write_text(to_toml(table), encoding="utf-8")
    return path


def to_toml(table, name=""):
    """Settings as TOML: numbers, text, lists and tables."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            lines.append(to_toml(value, f"{name}.{key}".lstrip(".")))
    return "\n".join(lines)


def launched(count, *arguments):
    """Run Python with arguments in so many processes that train together."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    launcher = [] if count == 1 else ["-m", "torch.distributed.run", "--nproc-per-node", str(count)]
    if launcher:
        launcher += ["--master-port", str(29500 + os.getpid() % 1000)]
    return subprocess.run(
        [sys.executable, *launcher, *arguments],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def trained(count, run_file, out, kind="diffusion", *, stop=0, resume=False):
    script = run_file.parent / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    words = ["resume"] if resume else []
    done = launched(count, str(script), str(run_file), str(out), kind, str(stop), *words)
    assert (done.returncode != 0) == bool(stop), done.stderr
    if stop:
        assert "stopped here" in done.stderr
    return load_file(out / kind / "state" / "state.safetensors")


def assert_close_states(one, two, atol):
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], atol=atol, rtol=0.0, msg=name)


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["vae", "diffusion"])
def test_the_averaged_gradient_of_two_times_four_is_that_of_one_times_eight(
    run_file, tmp_path, kind
):
    """AdamW's first moment after one step is (1 - beta1) times the gradient.

    The state that a run leaves that breaks off in its second step is that of its first.
    """
    one, two = (trained(n, run_file, tmp_path / str(n), kind, stop=2) for n in (1, 2))
    beta = LoopConfig().betas[0]
    moments = [name for name in one if name.endswith(".exp_avg")]
    assert moments
    for name in moments:
        gradients = [state[name] / (1.0 - beta) for state in (one, two)]
        torch.testing.assert_close(*gradients, atol=1e-5, rtol=0.0, msg=name)
    # The tolerance is small against the gradient.
    assert max(one[name].abs().max() for name in moments) / (1.0 - beta) > 1e-3


@pytest.mark.processes
def test_a_run_resumed_by_more_processes_is_the_unbroken_run(run_file, tmp_path):
    whole = trained(1, run_file, tmp_path / "whole")
    trained(1, run_file, tmp_path / "broken", stop=2)
    assert_close_states(trained(2, run_file, tmp_path / "broken", resume=True), whole, atol=1e-5)
    together = trained(2, run_file, tmp_path / "together")
    trained(2, run_file, tmp_path / "killed", stop=2)
    resumed = trained(2, run_file, tmp_path / "killed", resume=True)
    assert_close_states(resumed, together, atol=0.0)
    rows = (tmp_path / "killed" / "diffusion" / "log.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3, 4]
    assert (tmp_path / "killed" / "model" / "model_index.json").is_file()


@pytest.mark.processes
def test_the_command_line_trains_in_two_processes(run_file, tmp_path):
    """One progress bar and one result line; a batch that can't be shared is one clear line."""
    words = ["train", "diffusion", "--config", str(run_file), "--out", str(tmp_path / "out")]
    done = launched(2, "-m", "kinetune", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 steps (finished)") == 1
    refused = launched(
        2, "-m", "kinetune", *words, "--restart", "--set", "diffusion.loop.batch_size=3"
    )
    assert refused.returncode != 0
    assert "expected a multiple of the 2 processes, found 3" in refused.stderr
