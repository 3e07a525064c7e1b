import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from kinetune.errors import ConfigError, ModelError
from kinetune.training import precision
from kinetune.training.config import LoopConfig
from kinetune.training.loop import TrainingLoop, learning_rate
from kinetune.training.run import Run, open_run

CONFIG = LoopConfig(
    steps=8, batch_size=1, learning_rate=0.1, warmup_steps=2, mixed_precision="no", ema_decay=0.9
)


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def loss_of(model):
    def loss(batch):
        x = torch.randn(16, 3, generator=torch.Generator().manual_seed(batch))
        return {"loss": (model(x)[:, 0] - x.sum(dim=1)).square().mean()}

    return loss


def trained(out, config=CONFIG, **options):
    model = line()
    with open_run(out, **options) as run:
        loop = TrainingLoop(model, config, run)
        return loop, loop.run(loss_of(model))


def rows(out):
    return [json.loads(row) for row in (out / "log.jsonl").read_text().splitlines()]


def state(out):
    return load_file(out / "state" / "state.safetensors")


def assert_equal_states(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_the_loss_falls(tmp_path):
    trained(tmp_path, replace(CONFIG, steps=60))
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == list(range(1, 61))
    assert logged[-1]["loss"] < 0.1 * logged[0]["loss"]


@pytest.mark.parametrize("mode", ["no", "bf16-master"])
def test_a_resumed_run_is_bit_for_bit_the_unbroken_run(tmp_path, mode):
    config = replace(CONFIG, mixed_precision=mode)
    trained(tmp_path / "whole", config)
    stopped_at_five(tmp_path / "broken", config)
    trained(tmp_path / "broken", config, resume=True)
    assert_equal_states(state(tmp_path / "whole"), state(tmp_path / "broken"))
    one, two = (
        json.loads((tmp_path / name / "state" / "state.json").read_text())
        for name in ("whole", "broken")
    )
    assert one == two
    assert [row["step"] for row in rows(tmp_path / "broken")] == list(range(1, 9))


class Stop(Exception):
    pass


def stopped_at_five(out, config):
    """Save after step 5, go on to step 7, and break off."""
    model = line()

    def stop(report):
        if report.step == 5:
            loop.save()
        if report.step == 7:
            raise Stop

    with pytest.raises(Stop), open_run(out, on_step=stop) as run:  # noqa: PT012
        loop = TrainingLoop(model, config, run)
        loop.run(loss_of(model))


def test_minutes_stop_it_cleanly_with_a_state(tmp_path):
    _, result = trained(tmp_path, minutes=0.0)
    assert (result.step, result.finished) == (0, False)
    assert math.isnan(result.windows_per_s)
    assert (tmp_path / "state" / "state.json").is_file()


def test_a_run_within_its_minutes_takes_all_its_steps(tmp_path):
    _, result = trained(tmp_path, minutes=10.0)
    assert (result.step, result.finished) == (CONFIG.steps, True)


def plain_steps(config, gradients_of, steps=1):
    """The same training written out with torch alone."""
    model = line()
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=config.betas, weight_decay=config.weight_decay, eps=1e-8
    )
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate(config, step)
        optimizer.zero_grad()
        gradients_of(loss_of(model), step).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
    return model


def test_accumulated_batches_are_one_larger_batch(tmp_path):
    """Two batches accumulated give the step that their mean gives."""
    config = replace(CONFIG, steps=2, gradient_accumulation=2, ema_decay=0.0, clip_norm=1e9)
    loop, _ = trained(tmp_path, config)
    model = plain_steps(
        config, lambda loss, k: (loss(2 * k)["loss"] + loss(2 * k + 1)["loss"]) / 2, steps=2
    )
    torch.testing.assert_close(loop.model.weight, model.weight, atol=1e-6, rtol=1e-5)
    assert rows(tmp_path)[0]["loss"] == pytest.approx(
        sum(loss_of(line())(k)["loss"].item() for k in (0, 1)) / 2
    )


@pytest.mark.parametrize(
    "change",
    [
        {"betas": (0.5, 0.6)},
        {"weight_decay": 0.5},
        {"clip_norm": 1e9},
        {"learning_rate": 0.03},
        {"warmup_steps": 0},
    ],
)
def test_each_setting_reaches_the_optimiser(tmp_path, change):
    config = replace(CONFIG, ema_decay=0.0, steps=3, **change)
    loop, _ = trained(tmp_path, config)
    expected, other = (
        plain_steps(c, lambda loss, k: loss(k)["loss"], steps=3).weight
        for c in (config, replace(CONFIG, steps=3))
    )
    torch.testing.assert_close(loop.model.weight, expected, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(expected, other, atol=1e-5)


def test_the_schedule_is_a_linear_rise_and_half_a_cosine():
    config = LoopConfig(steps=1100, warmup_steps=100, learning_rate=2e-3)
    expected = {
        0: 2e-3 / 100,
        49: 2e-3 * 0.5,
        99: 2e-3,
        100: 2e-3,
        350: 2e-3 * 0.5 * (1.0 + math.cos(math.pi / 4)),
        600: 1e-3,
        1100: 0.0,
        2000: 0.0,
    }
    for step, rate in expected.items():
        assert learning_rate(config, step) == pytest.approx(rate, abs=1e-12), step
    assert learning_rate(replace(config, warmup_steps=0), 0) == 2e-3


def test_the_log_has_the_rate_of_its_own_step(tmp_path):
    trained(tmp_path)
    for step, row in enumerate(rows(tmp_path)):
        assert row["lr"] == pytest.approx(learning_rate(CONFIG, step))


def test_the_log_and_the_report_count_windows_a_second(tmp_path):
    reports = []
    config = replace(CONFIG, batch_size=4, gradient_accumulation=2)
    _, result = trained(tmp_path, config, on_step=reports.append)
    times = [row["time"] for row in rows(tmp_path)]
    for before, after, row in zip(times, times[1:], rows(tmp_path)[1:], strict=False):
        # A step lies between two lines of the log.
        assert row["windows_per_s"] >= 8 / (after - before)
    assert [report.step for report in reports] == list(range(1, 9))
    assert result.windows_per_s == pytest.approx(reports[-1].windows_per_s, rel=0.5)
    assert reports[-1].seconds_left == 0.0


def test_the_pace_is_windows_over_seconds(tmp_path, monkeypatch):
    config = replace(CONFIG, batch_size=4, gradient_accumulation=2)
    loop, _ = trained(tmp_path, config)
    monkeypatch.setattr("kinetune.training.loop.time.monotonic", lambda: 110.0)
    # Six steps of two batches of four windows in ten seconds.
    assert loop._pace(2, 100.0) == pytest.approx(4.8)
    assert math.isnan(loop._pace(8, 100.0))


def test_tensorboard_gets_the_same_values(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(tmp_path)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    for name in ("loss", "lr", "windows_per_s"):
        values = [(event.step, event.value) for event in events.Scalars(name)]
        expected = [(row["step"], row[name]) for row in rows(tmp_path)]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_the_moving_average_has_the_documented_decay(tmp_path):
    """Decay at step t: 1 - (1 + t) ** -power, at most ema_decay; 0 at the first step."""
    config = replace(CONFIG, ema_power=0.9, ema_decay=0.7)
    history = []
    model = line()
    with open_run(tmp_path, on_step=lambda _: history.append(model.weight.clone())) as run:
        loop = TrainingLoop(model, config, run)
        loop.run(loss_of(model))
    average = None
    for step, weight in enumerate(history):
        decay = min(0.7, 1.0 - (1.0 + step) ** -0.9)
        average = weight if average is None else decay * average + (1.0 - decay) * weight
    assert 1.0 - 8.0**-0.9 > 0.7  # the last steps reach the limit
    loop.copy_ema_to_model()
    torch.testing.assert_close(model.weight, average)
    torch.testing.assert_close(state(tmp_path)["ema.0"], average)
    assert not torch.allclose(history[-1], average)


def test_without_a_moving_average_the_model_keeps_its_weights(tmp_path):
    loop, _ = trained(tmp_path, replace(CONFIG, ema_decay=0.0))
    before = loop.model.weight.clone()
    loop.copy_ema_to_model()
    assert torch.equal(before, loop.model.weight)
    assert not any(name.startswith("ema") for name in state(tmp_path))


def test_one_process_may_train_in_two_precisions(tmp_path):
    for mode in ("bf16", "no", "bf16-master"):
        loop, _ = trained(tmp_path / mode, replace(CONFIG, mixed_precision=mode))
        assert loop.model.weight.dtype == torch.float32


def test_a_folder_with_a_run_is_kept_unless_restart_is_set(tmp_path):
    trained(tmp_path)
    before = state(tmp_path)
    with pytest.raises(ConfigError, match=r"holds a run; .*--resume, or .*--restart"):
        trained(tmp_path, replace(CONFIG, learning_rate=0.01))
    assert_equal_states(before, state(tmp_path))
    trained(tmp_path, replace(CONFIG, steps=3), restart=True)
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3]
    with pytest.raises(ConfigError, match="choose one"):
        trained(tmp_path, restart=True, resume=True)


def test_nothing_to_resume_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="leave out --resume"):
        trained(tmp_path, resume=True)


def test_a_damaged_state_is_one_line(tmp_path):
    trained(tmp_path)
    path = tmp_path / "state" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match="no training state") as error:
        trained(tmp_path, resume=True)
    assert "\n" not in str(error.value)
    for text in ("[]", '{"step": 1, "loss": %s}' % ("9" * 400), "[" * 5000):
        (tmp_path / "state" / "state.json").write_text(text)
        with pytest.raises(ModelError, match="no training state"):
            trained(tmp_path, resume=True)


def test_a_state_of_another_network_is_one_line(tmp_path):
    trained(tmp_path)
    with (
        pytest.raises(ModelError, match="no training state") as error,
        open_run(tmp_path, resume=True) as run,
    ):
        TrainingLoop(nn.Linear(4, 1), CONFIG, run)
    assert "\n" not in str(error.value)


# Precision


def test_master_weights_keep_changes_that_bfloat16_would_round_away(tmp_path):
    """A thousandth of a weight of 1 is lost in bfloat16; the master collects it."""
    config = replace(
        CONFIG, steps=40, learning_rate=1e-4, weight_decay=0.0, warmup_steps=0, ema_decay=0.0,
        mixed_precision="bf16-master",
    )  # fmt: skip
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    dtypes = set()

    def loss(batch):
        dtypes.add(model.weight.dtype)
        return {"loss": model(torch.ones(1, 1)).float().sum()}

    loop = TrainingLoop(model, config, Run(tmp_path))
    if loop.precision == "no":
        pytest.skip("this CPU has no bfloat16 units")
    loop.run(loss)
    assert dtypes == {torch.bfloat16}
    # Adam moves by the learning rate at each step while the gradient's sign stays.
    moved = sum(learning_rate(config, step) for step in range(40))
    assert model.weight.dtype == torch.float32
    assert 1.0 - model.weight.item() == pytest.approx(moved, rel=1e-3)
    assert moved < 1.0 / 256


@pytest.mark.parametrize("mode", ["bf16", "bf16-master"])
def test_bfloat16_learns_as_float32_does(tmp_path, mode):
    curves = {}
    for name in ("no", mode):
        trained(tmp_path / name, replace(CONFIG, steps=60, mixed_precision=name))
        curves[name] = np.array([row["loss"] for row in rows(tmp_path / name)])
    np.testing.assert_allclose(curves[mode][:5], curves["no"][:5], rtol=0.05)
    assert curves[mode][-5:].mean() < 0.1 * curves[mode][0]


def test_accumulated_gradients_add_up_in_float32(tmp_path):
    """256 + 1 is 256 in bfloat16; the sum of the two gradients must be 257."""
    model = nn.Linear(1, 1, bias=False)
    masters = precision.MasterWeights(model)
    for scale in (256.0, 1.0):
        model(torch.full((1, 1), scale, dtype=torch.bfloat16)).sum().backward()
        masters.collect_gradients()
    assert masters.of(model.weight).grad.item() == 257.0
    assert model.weight.grad is None


def test_only_products_are_held_in_bfloat16():
    model = nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.Linear(4, 4), nn.Embedding(3, 4)
    )
    precision.MasterWeights(model)
    assert [m.weight.dtype for m in model] == [
        torch.bfloat16, torch.float32, torch.bfloat16, torch.float32,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["bf16", "bf16-master"])
def test_a_cpu_without_bfloat16_trains_in_float32(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    cpu = torch.device("cpu")
    assert precision.choose_precision(mode, cpu) == "no"
    assert precision.choose_precision(mode, torch.device("cuda")) == mode
    assert precision.choose_precision("fp16", cpu) == "fp16"
    trained(tmp_path / "fallback", replace(CONFIG, mixed_precision=mode))
    trained(tmp_path / "float32")
    assert_equal_states(state(tmp_path / "fallback"), state(tmp_path / "float32"))


def test_without_a_compiler_it_trains_uncompiled(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "can_compile", lambda: False)
    trained(tmp_path / "fallback", replace(CONFIG, compile=True))
    trained(tmp_path / "plain")
    assert_equal_states(state(tmp_path / "fallback"), state(tmp_path / "plain"))


def test_children_are_compiled_only_while_training(monkeypatch):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    monkeypatch.setattr(precision, "can_compile", lambda: True)
    monkeypatch.setattr(nn.Module, "compile", lambda self: setattr(self, "_compiled_call_impl", 1))
    with precision.compiled(model, enabled=True, device=torch.device("cpu")):
        assert [child._compiled_call_impl for child in model] == [1, 1]
        assert model._compiled_call_impl is None
    assert [child._compiled_call_impl for child in model] == [None, None]


def test_nothing_is_compiled_without_a_compiler_or_unless_requested(monkeypatch):
    model = nn.Sequential(nn.Linear(2, 2))
    monkeypatch.setattr(nn.Module, "compile", lambda self: setattr(self, "_compiled_call_impl", 1))
    for compiler, enabled in ((False, True), (True, False)):
        monkeypatch.setattr(precision, "can_compile", lambda found=compiler: found)
        with precision.compiled(model, enabled=enabled, device=torch.device("cpu")):
            assert model[0]._compiled_call_impl is None
