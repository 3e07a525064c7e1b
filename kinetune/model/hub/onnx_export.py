"""The networks of a model as ONNX files, for engines and languages without PyTorch.

Three graphs in float32, checked against PyTorch by ONNX Runtime as they are written:

- ``denoiser.onnx``: noisy latents and conditions to the prediction, for any batch B and any number
  of columns W that is a multiple of ``columns_multiple``;
- ``decoder.onnx``: scaled latents (B, C, 1, W) to spectrograms (B, M, L) in [-1, 1];
- ``vocoder.onnx``: spectrograms to what the bins of each band do, (B, T, 8, K); phases and inverse
  Fourier transforms (:mod:`kinetune.audio.vocoding`) make sound of that.

``onnx.json`` beside them has the figures that a sampler needs. Graphs are made by torch.export.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinetune import files
from kinetune.errors import ModelError
from kinetune.extras import extra
from kinetune.model.mel import MelVocoder
from kinetune.model.networks.transformer import DanceTransformer
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.unet import DanceUNet
from kinetune.model.vae import MelVAE, decode_latents, frames_per_column

DENOISER, DECODER, VOCODER, FIGURES = "denoiser.onnx", "decoder.onnx", "vocoder.onnx", "onnx.json"
# The largest difference to PyTorch that passes, of values of about 1.
TOLERANCE = 1e-3
# Columns of a graph's longest input, and its largest batch.
_MOST_COLUMNS, _MOST_ROWS = 65_536, 1_024


@dataclass(frozen=True)
class ExportedNetwork:
    """A graph that was written.

    Attributes:
        path: Its file.
        bytes: Its size.
        difference: Largest difference between ONNX Runtime and PyTorch, over two lengths.
    """

    path: Path
    bytes: int
    difference: float


@dataclass(frozen=True, eq=False)
class _Graph:
    """A network with the inputs that it is traced and checked with.

    Attributes:
        name: Name of its file.
        network: Called with the inputs by position.
        inputs: By name, as the trace has them.
        shorter: The same at another length and batch.
        dynamic: Which axes vary, by input.
        outputs: Names of the outputs.
    """

    name: str
    network: nn.Module
    inputs: dict[str, Tensor]
    shorter: dict[str, Tensor]
    dynamic: dict[str, dict[int, Any]]
    outputs: tuple[str, ...]


def export_onnx(pipeline: DanceToMusicPipeline, out: Path) -> list[ExportedNetwork]:
    """Write a model's denoiser, decoder and, if it has one, vocoder as ONNX files.

    Args:
        pipeline: A model of the presets ``default`` or ``mono``.
        out: Folder of the files.

    Raises:
        MissingExtraError: Without ``kinetune[onnx]``.
        ModelError: A model of another design, or ONNX Runtime computes something else.
        OutputError: The folder can't be written to.
    """
    with extra("onnx"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    if not isinstance(pipeline.unet, DanceUNet | DanceTransformer) or not isinstance(
        pipeline.vae, MelVAE
    ):
        raise ModelError(
            f"{type(pipeline.unet).__name__} and {type(pipeline.vae).__name__}: only models of the "
            "presets default and mono can be exported"
        )
    files.check_writable(out)
    graphs = [_denoiser(pipeline), _decoder(pipeline)]
    if pipeline.vocoder is not None:
        graphs.append(_vocoder(pipeline))
    with torch.no_grad():
        written = [_write(graph, out) for graph in graphs]
    files.write_json(out / FIGURES, _figures(pipeline))
    return written


class _Denoiser(nn.Module):
    """The denoiser with a tensor as its output."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self, sample: Tensor, timestep: Tensor, tokens: Tensor, columns: Tensor, vector: Tensor
    ) -> Tensor:
        """Return the prediction (B, C, 1, W)."""
        predicted: Tensor = self.unet(sample, timestep, tokens, columns, vector).sample
        return predicted


class _Decoder(nn.Module):
    """The decoder on scaled latents."""

    def __init__(self, vae: MelVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: Tensor) -> Tensor:
        """Return spectrograms (B, M, L)."""
        return decode_latents(self.vae, latents)


def _denoiser(pipeline: DanceToMusicPipeline) -> _Graph:
    unet, multiple = pipeline.unet, _columns_multiple(pipeline)
    batch = torch.export.Dim("batch", max=_MOST_ROWS)
    tokens = torch.export.Dim("tokens", max=_MOST_COLUMNS)
    columns = _columns(multiple)

    def inputs(rows: int, width: int) -> dict[str, Tensor]:
        config, condition = unet.config, pipeline.condition_encoder.config
        generator = torch.Generator().manual_seed(rows)
        count, depth = width // condition.columns_per_token + 1, config.condition_channels
        shapes = {
            "sample": (rows, config.in_channels, 1, width), "timestep": (rows,),
            "tokens": (rows, count, depth), "columns": (rows, depth, width),
            "vector": (rows, depth),
        }  # fmt: skip
        made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        return {**made, "timestep": torch.arange(rows) * 300 + 100}

    width = unet.config.sample_size
    return _Graph(
        DENOISER, _Denoiser(unet), inputs(2, width), inputs(3, max(multiple, width // 2)),
        {
            "sample": {0: batch, 3: columns}, "timestep": {0: batch},
            "tokens": {0: batch, 1: tokens}, "columns": {0: batch, 2: columns},
            "vector": {0: batch},
        },
        ("prediction",),
    )  # fmt: skip


def _decoder(pipeline: DanceToMusicPipeline) -> _Graph:
    channels, width = pipeline.vae.config.latent_channels, pipeline.unet.config.sample_size
    dynamic = {0: torch.export.Dim("batch", max=_MOST_ROWS), 3: _columns(1)}
    one, other = (_noise(2, channels, 1, width), _noise(3, channels, 1, width // 2))
    return _Graph(
        DECODER, _Decoder(pipeline.vae), {"latents": one}, {"latents": other},
        {"latents": dynamic}, ("mel",),
    )  # fmt: skip


def _vocoder(pipeline: DanceToMusicPipeline) -> _Graph:
    vocoder: MelVocoder = pipeline.vocoder
    bands = vocoder.settings.mel_bands
    dynamic = {0: torch.export.Dim("batch", max=_MOST_ROWS), 2: _columns(1)}
    names = tuple(f"band_{number}" for number in range(len(vocoder.settings.windows)))
    one, other = (_noise(2, bands, 64).tanh(), _noise(3, bands, 37).tanh())
    return _Graph(
        VOCODER, vocoder.network, {"mel": one}, {"mel": other}, {"mel": dynamic}, names
    )  # fmt: skip


def _columns(multiple: int) -> Any:  # noqa: ANN401 - torch.export has no public type of it
    columns = torch.export.Dim("columns", max=_MOST_COLUMNS // multiple)
    return columns if multiple == 1 else multiple * columns


def _columns_multiple(pipeline: DanceToMusicPipeline) -> int:
    """Columns of a window are a multiple of this."""
    unet = pipeline.unet
    return 2 ** (len(unet.config.block_out_channels) - 1) if isinstance(unet, DanceUNet) else 1


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def _write(graph: _Graph, out: Path) -> ExportedNetwork:
    network = graph.network.eval()
    with _quiet():
        program: Any = torch.onnx.export(
            network, tuple(graph.inputs.values()), dynamo=True, external_data=False,
            dynamic_shapes=tuple(graph.dynamic[name] for name in graph.inputs),
            input_names=list(graph.inputs), output_names=list(graph.outputs), verbose=False,
        )  # fmt: skip
    path = out / graph.name
    with files.atomic_file(path) as aside:
        program.save(aside, external_data=False)
        difference = _difference(graph, aside)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{graph.name}: ONNX Runtime differs from PyTorch by {difference:.2g}, at most "
                f"{TOLERANCE:g} was expected; nothing was written"
            )
    return ExportedNetwork(path, path.stat().st_size, difference)


def _difference(graph: _Graph, path: Path) -> float:
    """Return the largest difference of a file to the network, over both lengths."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for inputs in (graph.inputs, graph.shorter):
        expected = graph.network(*inputs.values())
        expected = [expected] if isinstance(expected, Tensor) else expected
        outputs = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        for one, other in zip(expected, outputs, strict=True):
            largest = max(largest, float(np.abs(one.numpy() - other).max()))
    return largest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch's exporter prints and logs about itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _figures(pipeline: DanceToMusicPipeline) -> dict[str, Any]:
    """Return what a sampler must know beside the graphs."""
    settings, scheduler = pipeline.settings, dict(pipeline.scheduler.config)
    return {
        "preset": settings.preset,
        "window_columns": pipeline.unet.config.sample_size,
        "columns_multiple": _columns_multiple(pipeline),
        "columns_per_token": pipeline.condition_encoder.config.columns_per_token,
        "frames_per_column": frames_per_column(pipeline.vae),
        "rate_hz": pipeline.mel.settings.rate_hz,
        "hop_length": pipeline.mel.settings.hop_length,
        "inference_steps": settings.inference_steps,
        "guidance_scale": settings.guidance_scale,
        "scheduler": {
            key: value for key, value in scheduler.items()
            if value is None or isinstance(value, bool | int | float | str)
        },
    }  # fmt: skip
