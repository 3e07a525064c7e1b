"""Exported graphs compute in ONNX Runtime what the networks do in PyTorch."""

import json

import numpy as np
import pytest
import torch

from kinetune.errors import MissingExtraError, ModelError
from kinetune.model.hub import onnx_export
from kinetune.model.hub.onnx_export import export_onnx
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents
from tests.model.conftest import tiny_stereo

pytestmark = pytest.mark.slow
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def onnxruntime():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def denoiser_inputs(pipeline, rows, width):
    condition = pipeline.unet.config.condition_channels
    tokens = width // pipeline.condition_encoder.config.columns_per_token + 1
    return {
        "sample": noise(rows, pipeline.unet.config.in_channels, 1, width),
        "timestep": torch.arange(rows) * 90 + 7,
        "tokens": noise(rows, tokens, condition),
        "columns": noise(rows, condition, width),
        "vector": noise(rows, condition),
    }


def run_graph(onnxruntime, path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == list(inputs)
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})


@torch.no_grad()
def assert_same_as_pytorch(onnxruntime, pipeline, out):
    """All graphs, at lengths and batches that the export itself did not try."""
    multiple = json.loads((out / "onnx.json").read_text())["columns_multiple"]
    for rows, width in ((1, 8 * multiple), (4, pipeline.unet.config.sample_size + 4 * multiple)):
        inputs = denoiser_inputs(pipeline, rows, width)
        (found,) = run_graph(onnxruntime, out / "denoiser.onnx", inputs)
        named = {**inputs, "encoder_hidden_states": inputs["tokens"]}
        expected = pipeline.unet(**{k: v for k, v in named.items() if k != "tokens"}).sample
        assert expected.std() > 0.01
        np.testing.assert_allclose(found, expected.numpy(), atol=TOLERANCE, rtol=0)

        latents = noise(rows, pipeline.vae.config.latent_channels, 1, width)
        (found,) = run_graph(onnxruntime, out / "decoder.onnx", {"latents": latents})
        expected = decode_latents(pipeline.vae, latents)
        assert 0.01 < expected.std() < 1.0
        np.testing.assert_allclose(found, expected.numpy(), atol=TOLERANCE, rtol=0)

        if pipeline.vocoder is not None:
            mel = expected
            bands = run_graph(onnxruntime, out / "vocoder.onnx", {"mel": mel})
            for one, other in zip(bands, pipeline.vocoder(mel), strict=True):
                np.testing.assert_allclose(one, other.numpy(), atol=TOLERANCE, rtol=0)


def test_the_tiny_models_graphs_are_the_networks(onnxruntime, tiny_model, tmp_path):
    pipeline = DanceToMusicPipeline.from_pretrained(tiny_model)
    written = export_onnx(pipeline, tmp_path)
    assert [made.path.name for made in written] == ["denoiser.onnx", "decoder.onnx"]
    assert not (tmp_path / "vocoder.onnx").exists(), "Griffin-Lim is no network"
    assert all(made.difference <= TOLERANCE for made in written)
    assert_same_as_pytorch(onnxruntime, pipeline, tmp_path)
    figures = json.loads((tmp_path / "onnx.json").read_text())
    assert figures["frames_per_column"] == 4
    assert figures["window_columns"] == 32
    assert figures["scheduler"]["num_train_timesteps"] == 1000


def test_a_transformer_takes_any_number_of_columns(onnxruntime, tmp_path):
    pipeline = tiny_stereo()
    pipeline.unet.eval()
    export_onnx(pipeline, tmp_path)
    assert json.loads((tmp_path / "onnx.json").read_text())["columns_multiple"] == 1
    assert_same_as_pytorch(onnxruntime, pipeline, tmp_path)


def test_the_bundled_models_graphs_are_the_networks(onnxruntime, tmp_path):
    pipeline = DanceToMusicPipeline.from_pretrained("default")
    assert pipeline.reads_harmony
    written = export_onnx(pipeline, tmp_path)
    assert [made.path.name for made in written] == [
        "denoiser.onnx", "decoder.onnx", "vocoder.onnx",
    ]  # fmt: skip
    assert_same_as_pytorch(onnxruntime, pipeline, tmp_path)


def test_another_design_is_refused(onnxruntime, paper_pipeline, tmp_path):
    with pytest.raises(ModelError, match="only models of the presets default and mono"):
        export_onnx(paper_pipeline, tmp_path)


def test_a_graph_that_computes_something_else_is_not_kept(
    onnxruntime, mono_pipeline, tmp_path, monkeypatch
):
    graph = onnx_export._decoder(mono_pipeline)
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 0.1)
    with pytest.raises(ModelError, match="ONNX Runtime differs from PyTorch by 0.1"):
        onnx_export._write(graph, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_onnx_the_extra_is_named(mono_pipeline, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"kinetune\[onnx\]"):
        export_onnx(mono_pipeline, tmp_path)
