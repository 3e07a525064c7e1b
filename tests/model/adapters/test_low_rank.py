"""Low-rank adapters change weights by B A, and nothing else."""

import pytest
import torch
from torch import nn

from kinetune.errors import ModelError
from kinetune.model.adapters.low_rank import (
    adapter_tensors,
    add_low_rank,
    add_rows,
    merge_low_rank,
    remove_adapters,
)
from kinetune.model.networks.layers import TimeConv


def network():
    torch.manual_seed(0)
    return nn.Sequential(TimeConv(8, 16, 3, padding=1), nn.Flatten(), nn.Linear(16 * 5, 4))


def test_an_adapted_network_begins_as_the_base():
    plain, adapted = network(), network()
    add_low_rank(adapted, 2, seed=1)
    x = torch.randn(3, 8, 5)
    torch.testing.assert_close(adapted(x), plain(x))


def test_only_the_adapters_are_trained_and_few_they_are():
    adapted = network()
    add_low_rank(adapted, 2, seed=1)
    trained = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    # A: 2 x 24 and 2 x 80; B: 16 x 2 and 4 x 2.
    assert sorted(trained.values()) == [8, 32, 48, 160]
    adapted(torch.randn(3, 8, 5)).sum().backward()
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)


def test_merged_weights_are_w_plus_b_a():
    plain, adapted = network(), network()
    add_low_rank(adapted, 2, seed=1)
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if name.endswith(".b"):
                p.normal_()
    tensors = adapter_tensors(adapted)
    assert sorted(tensors) == ["0.a", "0.b", "2.a", "2.b"]
    expected = plain[0].weight + (tensors["0.b"] @ tensors["0.a"]).reshape(16, 8, 3)
    x = torch.randn(3, 8, 5)
    before = adapted(x)
    merge_low_rank(plain, tensors)
    torch.testing.assert_close(plain[0].weight, expected)
    torch.testing.assert_close(plain(x), before)
    remove_adapters(adapted)
    torch.testing.assert_close(adapted(x), before)
    assert sorted(dict(adapted.named_parameters())) == sorted(dict(plain.named_parameters()))


def test_further_rows_alone_are_trained():
    embedding = nn.Embedding(5, 3)
    base = embedding.weight.detach().clone()
    embedding.requires_grad_(False)
    add_rows(embedding, 2)
    optimizer = torch.optim.SGD([p for p in embedding.parameters() if p.requires_grad], lr=1.0)
    embedding(torch.arange(5)).sum().backward()
    optimizer.step()
    torch.testing.assert_close(embedding.weight[:3], base[:3])
    torch.testing.assert_close(embedding.weight[3:], base[3:] - 1.0)
    assert [value.shape for value in adapter_tensors(embedding).values()] == [(2, 3)]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"0.a": torch.ones(2, 24)}, "incomplete"),
        ({"9.a": torch.ones(2, 24), "9.b": torch.ones(16, 2)}, "fits no layer"),
        ({"0.a": torch.ones(2, 23), "0.b": torch.ones(16, 2)}, "another shape"),
        ({"0.a": torch.ones(2, 24), "0.b": torch.ones(16, 3)}, "another shape"),
        ({"0.a": torch.ones(24), "0.b": torch.ones(16, 2)}, "another shape"),
    ],
)
def test_what_does_not_fit_is_refused(tensors, message):
    with pytest.raises(ModelError, match=message):
        merge_low_rank(network(), tensors)
