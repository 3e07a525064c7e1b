"""Number formats of training: bfloat16 weights with float32 masters, and torch.compile.

Mixed precision with master weights: Micikevicius et al. 2018. A linear layer or convolution holds
its weights in bfloat16, so that products need no cast and run on a CPU's AMX units; the optimiser
works on float32 copies, because a bfloat16 weight of 1 can't change by less than 1/256.
"""

import logging
import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)
_PRODUCTS = (nn.Linear, nn.modules.conv._ConvNd)


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return ``wanted``, or ``no`` where bfloat16 would be slower than float32.

    Args:
        wanted: ``no``, ``bf16``, ``bf16-master`` or ``fp16``.
        device: Where the model is trained.
    """
    if device.type == "cpu" and wanted.startswith("bf16") and not cpu_has_bfloat16():
        _LOG.warning("this CPU has no bfloat16 units (AMX or AVX512-BF16): training in float32")
        return "no"
    return wanted


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU multiplies bfloat16 matrices in hardware."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    tests = (getattr(torch.cpu, f"_is_{unit}_supported", bool) for unit in _UNITS)
    return any(test() for test in tests)


_UNITS = ("amx_tile", "avx512_bf16")


class MasterWeights:
    """Float32 copies of those weights of a module that are held in bfloat16 while it trains.

    Args:
        module: The module; its linear layers and convolutions are turned into bfloat16.
    """

    def __init__(self, module: nn.Module) -> None:
        self._working: list[Tensor] = []
        self._masters: list[Tensor] = []
        self._by_working: dict[int, nn.Parameter] = {}
        for layer in module.modules():
            if isinstance(layer, _PRODUCTS):
                for parameter in layer.parameters(recurse=False):
                    self._add(parameter)

    def _add(self, parameter: nn.Parameter) -> None:
        if id(parameter) in self._by_working:
            return
        master = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
        self._working.append(parameter)
        self._masters.append(master)
        self._by_working[id(parameter)] = master
        parameter.data = parameter.data.to(torch.bfloat16)

    def of(self, parameter: nn.Parameter) -> nn.Parameter:
        """Return the float32 master of a parameter, or the parameter itself if it has none."""
        return self._by_working.get(id(parameter), parameter)

    def collect_gradients(self) -> None:
        """Add the gradients of the bfloat16 weights to the masters' and clear them."""
        for working, master in zip(self._working, self._masters, strict=True):
            if working.grad is None:
                continue
            if master.grad is None:
                master.grad = working.grad.float()
            else:
                master.grad += working.grad
            working.grad = None

    def update_weights(self) -> None:
        """Round the masters to the bfloat16 weights."""
        with torch.no_grad():
            torch._foreach_copy_(self._working, self._masters)

    def restore(self) -> None:
        """Give the module its weights back in float32, as views of the masters."""
        for working, master in zip(self._working, self._masters, strict=True):
            working.data = master.data


@contextmanager
def compiled(module: nn.Module, *, enabled: bool, device: torch.device) -> Iterator[None]:
    """Compile a module's children with torch.compile inside this context.

    The children and not the module itself, so that random draws and losses between them stay as
    they are. Without a C++ compiler a CPU runs the module as it is, with a warning.

    Args:
        module: The module.
        enabled: Whether to compile at all.
        device: Where it is trained.
    """
    if enabled and device.type == "cpu" and not can_compile():
        _LOG.warning("no C++ compiler (g++) or no Python headers: training without torch.compile")
        enabled = False
    children = list(module.children()) if enabled else []
    for child in children:
        child.compile()
    try:
        yield
    finally:
        for child in children:
            child._compiled_call_impl = None


def can_compile() -> bool:
    """Return whether torch.compile finds a C++ compiler and Python's headers."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(os.environ.get("CXX", "g++")) is not None and header.is_file()


def weight_tensors(module: nn.Module, masters: MasterWeights | None) -> dict[str, Tensor]:
    """Return a module's state by name, in float32 where there are masters."""
    state = dict(module.state_dict())
    if masters is not None:
        state |= {name: masters.of(p).detach() for name, p in module.named_parameters()}
    return state
