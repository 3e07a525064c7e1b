import pytest
import torch
from torch import nn

from kinetune.model.layers import TimeConv


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
