import torch

from kinetune.model.sampling import windows as module
from kinetune.model.sampling.genre_mixing import (
    WeightedCondition,
    blend_predictions,
    stack_conditioning,
)
from kinetune.model.sampling.windows import plan_windows

PLAN = plan_windows(40, width=16, useful=16, overlap=4)


def said(value):
    told = ({"value": torch.full((1, 1), float(value))} for _ in PLAN.starts)
    return stack_conditioning(told, len(PLAN.starts))


def predict(windows, told):
    return torch.ones_like(windows) * told["value"][:, :, None, None]


def test_genres_are_blended_column_by_column():
    share = torch.linspace(0.0, 1.0, PLAN.total)
    voices = [WeightedCondition(said(1.0), 1.0 - share), WeightedCondition(said(3.0), share)]
    places = slice(0, len(PLAN.starts))
    windows = torch.zeros(len(PLAN.starts), 2, 1, 16)
    joint = blend_predictions(voices, PLAN, places, windows, predict)
    for number, start in enumerate(PLAN.starts):
        expected = 1.0 + 2.0 * share[start : start + 16]
        torch.testing.assert_close(joint[number, 0, 0], expected)


def test_a_genre_without_weight_in_a_window_is_not_evaluated():
    share = torch.zeros(PLAN.total)
    share[:8] = 1.0
    asked = []

    def counting(windows, told):
        asked.append((len(windows), float(told["value"][0, 0])))
        return predict(windows, told)

    voices = [WeightedCondition(said(1.0), 1.0 - share), WeightedCondition(said(3.0), share)]
    windows = torch.zeros(len(PLAN.starts), 2, 1, 16)
    blend_predictions(voices, PLAN, slice(0, len(PLAN.starts)), windows, counting)
    assert asked == [(len(PLAN.starts), 1.0), (1, 3.0)]


def test_every_window_gets_its_own_conditions_at_any_position(monkeypatch):
    windows = [{"one": torch.randn(1, 3, 4), "two": torch.randn(1, 2)} for _ in range(5)]
    near = stack_conditioning(iter(windows), 5)
    whole = module.zeros_or_memmap
    made = []

    def in_a_file(shape):
        made.append(shape)
        return whole(shape, small=0)

    monkeypatch.setattr(module, "zeros_or_memmap", in_a_file)
    far = stack_conditioning(iter(windows), 5)
    assert made == [(5, 3, 4), (5, 2)]
    for conditioning in (near, far):
        some = conditioning.select([4, 1])
        for name in ("one", "two"):
            torch.testing.assert_close(
                some[name], torch.cat([windows[4][name], windows[1][name]]), rtol=0, atol=0
            )
