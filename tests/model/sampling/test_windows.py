import weakref

import pytest
import torch

from kinetune.model.sampling.windows import join, map_windows, plan_loop, plan_windows


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 100, 1000])
def test_every_column_is_in_some_windows_useful_part(columns):
    plan = plan_windows(columns, width=32, useful=28, overlap=8)
    covered = {c for start in plan.starts for c in range(start, start + 28)}
    assert set(range(columns)) <= covered
    assert plan.total >= columns


def test_a_short_dance_takes_one_window():
    assert plan_windows(10, width=32, useful=32, overlap=8).starts == (0,)


def test_windows_that_agree_join_without_a_trace():
    plan = plan_windows(100, width=32, useful=28, overlap=8)
    row = torch.randn(1, 3, 1, plan.total)
    joined = map_windows(plan, row, lambda windows, _: windows)
    torch.testing.assert_close(joined, row)


def test_windows_that_disagree_fade_into_each_other():
    plan = plan_windows(50, width=32, useful=32, overlap=8)
    parts = iter([0.0, 1.0])
    row = torch.zeros(1, 1, 1, plan.total)

    def predict(windows, places):
        return torch.cat([torch.full_like(w[None], next(parts)) for w in windows])

    joined = map_windows(plan, row, predict)[0, 0, 0]
    assert (joined[:24] == 0).all()
    assert (joined[32:56] == 1).all()
    assert (joined[24:32].diff() > 0).all()


def test_the_padding_behind_the_useful_part_does_not_count():
    plan = plan_windows(50, width=32, useful=24, overlap=4)
    row = torch.zeros(1, 1, 1, plan.total)

    def predict(windows, places):
        windows = windows.clone()
        windows[..., 24:] = 99.0
        return windows

    joined = map_windows(plan, row, predict)[0, 0, 0]
    assert joined[:40].abs().max() < 1e-3


def test_values_finer_than_columns_are_joined_too():
    plan = plan_windows(60, width=32, useful=32, overlap=8)
    row = torch.randn(1, 2, 1, plan.total)
    joined = map_windows(
        plan, row, lambda windows, _: windows[:, :, 0].repeat_interleave(4, dim=-1), per_column=4
    )
    torch.testing.assert_close(joined, row[:, :, 0].repeat_interleave(4, dim=-1))


def test_a_windows_prediction_is_released_after_joining():
    plan = plan_windows(400, width=32, useful=32, overlap=8)
    row = torch.randn(1, 2, 1, plan.total)
    seen = []

    def parts():
        for start in plan.starts:
            part = row[..., start : start + plan.width].clone()
            seen.append(weakref.ref(part))
            assert sum(one() is not None for one in seen) <= 3
            yield part

    torch.testing.assert_close(join(plan, parts()), row)


@pytest.mark.parametrize("useful", [24, 32])
@pytest.mark.parametrize("overlap", [0, 4, 8])
def test_weights_of_neighbours_sum_to_one(useful, overlap):
    plan = plan_windows(4 * useful, width=32, useful=useful, overlap=overlap)
    total = torch.zeros(plan.total)
    for start in plan.starts:
        total[plan.column_indices(start)] += plan.weights()
    # At its two ends a row has one window, whose fade is divided out.
    inner = total[useful - 1 : plan.starts[-1]]
    torch.testing.assert_close(inner, torch.ones_like(inner), atol=1e-4, rtol=0)


def test_a_join_is_a_straight_cross_fade():
    plan = plan_windows(50, width=32, useful=32, overlap=8)
    values = iter([10.0, 30.0])
    joined = map_windows(
        plan,
        torch.zeros(1, 1, 1, plan.total),
        lambda windows, _: torch.cat([torch.full_like(w[None], next(values)) for w in windows]),
    )[0, 0, 0]
    ramp = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(joined[24:32], 10.0 + 20.0 * ramp)


def test_a_loops_windows_wrap_and_a_rows_do_not():
    loop, row = plan_loop(20, width=16, useful=16, overlap=4), plan_windows(20, width=16, useful=16,
                                                                            overlap=4)  # fmt: skip
    assert loop.is_loop
    assert not row.is_loop
    assert loop.column_indices(12).tolist() == [*range(12, 20), *range(8)]
    assert row.column_indices(12).tolist() == list(range(12, 28))
    assert loop.column_indices(12, per_column=2).tolist()[:18] == [*range(24, 40), 0, 1]
