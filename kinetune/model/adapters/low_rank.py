"""Low-rank adapters (LoRA, Hu et al. 2021): a weight W is used as W + B A.

Linear layers and convolutions alike: a convolution's weight (O, I, K) counts as a matrix
(O, I * K). The base weights stay as they are; only A (R, I * K) and B (O, R) are trained. B begins
at zero, so an adapted network begins as the base.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from kinetune.errors import ModelError

_ADAPTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


class LowRank(nn.Module):
    """The change of one weight.

    Args:
        weight: The base's.
        rank: R.
        generator: Source of A's initial values.
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        columns = weight[0].numel()
        initial = torch.randn(rank, columns, generator=generator) / math.sqrt(columns)
        self.a = nn.Parameter(initial.to(weight.device))
        self.b = nn.Parameter(torch.zeros(len(weight), rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight, of the same shape."""
        return weight + (self.b @ self.a).view_as(weight)


class FurtherRows(nn.Module):
    """Trained last rows of a weight (N, D) whose other rows stay.

    Args:
        weight: The base's, with the further rows' initial values.
        count: How many rows.
    """

    def __init__(self, weight: Tensor, count: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(weight[-count:].detach().clone())

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with the trained rows."""
        return torch.cat([weight[: -len(self.rows)], self.rows])


def add_low_rank(network: nn.Module, rank: int, *, seed: int) -> None:
    """Freeze a network and give each linear layer and convolution an adapter.

    Args:
        network: The network, changed in place.
        rank: Of the adapters; smaller where a layer is.
        seed: Of the initial values.
    """
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for layer in adapted_layers(network).values():
        weight = layer.weight
        assert isinstance(weight, Tensor)
        limited = min(rank, len(weight), weight[0].numel())
        parametrize.register_parametrization(layer, "weight", LowRank(weight, limited, generator))


def add_rows(embedding: nn.Embedding, count: int) -> None:
    """Let the last rows of an embedding be trained, and these alone."""
    rows = FurtherRows(embedding.weight, count)
    parametrize.register_parametrization(embedding, "weight", rows)


def adapted_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of a network that adapters change, by name."""
    return {name: part for name, part in network.named_modules() if isinstance(part, _ADAPTED)}


def adapter_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return what an adapted network has learnt: ``LAYER.a`` and ``LAYER.b``, ``LAYER.rows``."""
    tensors = {}
    for name, part in network.named_modules():
        if isinstance(part, LowRank | FurtherRows):
            layer = name.removesuffix(".parametrizations.weight.0")
            for key, value in part.named_parameters():
                tensors[f"{layer}.{key}"] = value.detach()
    return tensors


def remove_adapters(network: nn.Module) -> None:
    """Take the adapters out again; the weights then contain their changes."""
    for part in list(network.modules()):
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight", leave_parametrized=True)


@torch.no_grad()
def merge_low_rank(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Add adapters to the weights of a plain network.

    Args:
        network: The base, changed in place.
        tensors: Those of :func:`adapter_tensors` that end with ``.a`` and ``.b``.

    Raises:
        ModelError: One belongs to no layer, lacks its other half, or has another shape.
    """
    layers = adapted_layers(network)
    names = {name.rpartition(".")[0] for name in tensors}
    for name in sorted(names):
        a, b = tensors.get(f"{name}.a"), tensors.get(f"{name}.b")
        weight = getattr(layers.get(name), "weight", None)
        if a is None or b is None or weight is None:
            raise ModelError(f"the adapter of {name!r} is incomplete or fits no layer of the model")
        if (a.ndim, b.ndim) != (2, 2) or (len(b), a.shape[1], b.shape[1]) != (
            len(weight), weight[0].numel(), len(a),
        ):  # fmt: skip
            raise ModelError(f"the adapter of {name!r} has another shape than the model's layer")
        weight += (b.float() @ a.float()).view_as(weight).to(weight)
