import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from kinetune.errors import ModelError
from kinetune.training.config import LoopConfig
from kinetune.training.loop import TrainingLoop

CONFIG = LoopConfig(
    steps=8, batch_size=1, learning_rate=0.1, warmup_steps=2, mixed_precision="no", ema_decay=0.9
)


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def loss_of(model):
    def loss(step, number):
        generator = torch.Generator().manual_seed(100 * step + number)
        x = torch.randn(16, 3, generator=generator)
        return {"loss": (model(x)[:, 0] - x.sum(dim=1)).square().mean()}

    return loss


def trained(out, config=CONFIG, *, resume=False, stop=None):
    model = line()
    loop = TrainingLoop(model, config, out, resume=resume)
    if stop is not None:
        object.__setattr__(loop, "config", replace(config, steps=stop))
    outcome = loop.run(loss_of(model))
    return loop, outcome


def test_the_loss_falls(tmp_path):
    trained(tmp_path, replace(CONFIG, steps=60))
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 61))
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]


def test_going_on_is_bit_for_bit_the_unbroken_run(tmp_path):
    class Stop(Exception):
        pass

    trained(tmp_path / "whole")
    model = line()
    loop = TrainingLoop(model, CONFIG, tmp_path / "broken", resume=False)

    def stop_at_five(report):
        if report.step == 5:
            loop.save()
            raise Stop

    with pytest.raises(Stop):
        loop.run(loss_of(model), on_step=stop_at_five)
    trained(tmp_path / "broken", resume=True)
    one, two = (
        load_file(tmp_path / name / "state" / "state.safetensors") for name in ("whole", "broken")
    )
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    states = [
        json.loads((tmp_path / name / "state" / "state.json").read_text())
        for name in ("whole", "broken")
    ]
    assert states[0] == states[1]


def test_minutes_stop_it_cleanly_with_a_state(tmp_path):
    model = line()
    loop = TrainingLoop(model, CONFIG, tmp_path, resume=False)
    outcome = loop.run(loss_of(model), minutes=0.0)
    assert (outcome.step, outcome.finished) == (0, False)
    assert (tmp_path / "state" / "state.json").is_file()


def test_accumulated_batches_are_one_larger_batch(tmp_path):
    """Two batches summed give the step that their mean gives."""
    split = replace(CONFIG, steps=1, gradient_accumulation=2, ema_decay=0.0, clip_norm=1e9)
    loop, _ = trained(tmp_path / "split", split)
    model = line()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=0.05, betas=CONFIG.betas, weight_decay=CONFIG.weight_decay
    )
    loss = loss_of(model)
    ((loss(0, 0)["loss"] + loss(0, 1)["loss"]) / 2).backward()
    optimizer.step()
    torch.testing.assert_close(loop.model.weight, model.weight, atol=1e-6, rtol=1e-5)


def test_the_moving_average_lags_behind_and_is_put_in(tmp_path):
    loop, _ = trained(tmp_path)
    before = loop.model.weight.clone()
    loop.copy_ema_to_model()
    assert not torch.allclose(before, loop.model.weight)
    torch.testing.assert_close(loop.model.weight, loop.ema.shadow_params[0])


def test_the_learning_rate_rises_then_falls(tmp_path):
    trained(tmp_path)
    rates = [json.loads(r)["lr"] for r in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rates == sorted(rates, reverse=True)
    loop = TrainingLoop(line(), CONFIG, tmp_path, resume=False)
    assert loop._learning_rate() == pytest.approx(0.05)


def test_nothing_to_go_on_from_is_said(tmp_path):
    with pytest.raises(ModelError, match="leave out --resume"):
        TrainingLoop(line(), CONFIG, tmp_path, resume=True)


def test_a_damaged_state_is_said(tmp_path):
    trained(tmp_path)
    path = tmp_path / "state" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match="no training state"):
        TrainingLoop(line(), CONFIG, tmp_path, resume=True)
