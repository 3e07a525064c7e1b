import pytest
import torch
from torch import nn
from torch.nn import functional

from kinetune.model.networks.layers import TimeConv, attend


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (1, 1, 0), (4, 2, 1), (8, 4, 2), (4, 4, 0)]
)
def test_a_convolution_over_time_is_torchs_in_values_and_gradients(kernel, stride, padding):
    ours = TimeConv(5, 7, kernel, stride=stride, padding=padding).double()
    theirs = nn.Conv1d(5, 7, kernel, stride=stride, padding=padding).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 16, dtype=torch.double, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    one, two = ours(x), theirs(y)
    torch.testing.assert_close(one, two)
    for out in (one, two):
        (out**2).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)


def test_without_gradients_it_is_torchs_own():
    layer = TimeConv(4, 6, 3, padding=1)
    x = torch.randn(2, 4, 9)
    with torch.no_grad():
        still = layer(x)
    torch.testing.assert_close(still, layer(x))


def test_attention_trained_in_bfloat16_is_the_fused_one_in_float32():
    """Values and gradients agree to bfloat16's precision of 1/128."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(2, 4, 16, 8, generator=generator) for _ in range(3)]
    half = [part.bfloat16().requires_grad_() for part in parts]
    full = [part.detach().float().requires_grad_() for part in half]
    found = attend(*half)
    expected = functional.scaled_dot_product_attention(*full)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)
    found.float().square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(half, full, strict=True):
        torch.testing.assert_close(one.grad.float(), other.grad, atol=0.05, rtol=0.05)
