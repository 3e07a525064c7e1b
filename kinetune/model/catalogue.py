"""List of models: the bundled checkpoints, and presets that can be trained."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from kinetune import genres
from kinetune.model import checkpoint
from kinetune.model.adapters.names import model_genres, split_name


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    Attributes:
        name: Bundled name or preset.
        bundled: Whether trained weights come with the package.
        unet_parameters: Number of weights of the denoiser.
        vae_parameters: Of the VAE.
        condition_parameters: Of the condition encoder.
        vocoder_parameters: Of the vocoder; 0 where Griffin-Lim makes the sound.
        total_parameters: Of all of them, and of the motion network where the similarity is a
            condition.
        bytes: Size of the checkpoint folder; 0 for a preset.
        files: Its files, relative to the folder.
        settings: The most important settings of all components.
        genres: Names of the genres it knows.
    """

    name: str
    bundled: bool
    unet_parameters: int
    vae_parameters: int
    condition_parameters: int
    vocoder_parameters: int
    total_parameters: int
    bytes: int
    files: list[str]
    settings: dict[str, Any]
    genres: tuple[str, ...] = genres.NAMES


# Figures of presets without bundled weights, so that listing them needs no torch; a test builds
# the networks and compares.
PRESETS = (
    ModelEntry(
        name="paper",
        bundled=False,
        unet_parameters=138_255_489,
        vae_parameters=83_607_691,
        condition_parameters=1,
        vocoder_parameters=0,
        total_parameters=221_863_181,
        bytes=0,
        files=[],
        settings={
            "preset": "paper",
            "block_out_channels": [128, 256, 512, 512],
            "cross_attention_dim": 370,
            "latent_shape": [1, 32, 32],
            "vae_block_out_channels": [128, 256, 512, 512],
            "train_steps": 1000,
            "inference_steps": 50,
            "guidance_scale": 1.0,
            "prediction_type": "epsilon",
            "scheduler": "DDIMScheduler",
            "features": "paper",
            "output_rate_hz": 22_050,
            "mel_rate_hz": 22_050,
            "hop_length": 512,
            "n_mels": 256,
            "window_frames": 256,
            "overlap_columns": 4,
            "reads_harmony": False,
            "attributes": [],
            "similarity": False,
        },
    ),
)


def list_models() -> list[ModelEntry]:
    """Return the bundled models, then the presets that have no bundled weights."""
    bundled = [describe(name, checkpoint.BUNDLED / name) for name in checkpoint.bundled_names()]
    known = {entry.name for entry in bundled}
    return bundled + [entry for entry in PRESETS if entry.name not in known]


def describe_named(name: str) -> ModelEntry:
    """Describe a model by its bundled name, folder or hub id, with an adapter if one is named.

    Raises:
        ModelError: It is missing or damaged.
    """
    base, adapter = split_name(name)
    entry = describe(str(name), checkpoint.resolve(base))
    size = adapter.stat().st_size if adapter is not None and adapter.is_file() else 0
    return replace(
        entry,
        bundled=str(base) in checkpoint.bundled_names(),
        bytes=entry.bytes + size,
        genres=(*genres.NAMES, *model_genres(name)),
    )


def describe(name: str, folder: Path) -> ModelEntry:
    """Describe a checkpoint folder without loading its weights."""
    checkpoint.check_folder(folder)
    index = checkpoint.read_json(folder / "model_index.json")
    configs = {
        part: checkpoint.read_json(folder / part / file)
        for part, file in checkpoint.COMPONENTS.items()
    }
    networks = checkpoint.networks_of(index)
    counts = {part: _parameters(folder / part) for part in networks if part != "normaliser"}
    configs["pipeline"] = index["settings"]
    if "vocoder" in networks:
        configs["vocoder"] = checkpoint.read_json(folder / "vocoder" / checkpoint.NETWORK_CONFIG)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return ModelEntry(
        name=name,
        bundled=True,
        **_counts(counts),
        bytes=sum(path.stat().st_size for path in files),
        files=[str(path.relative_to(folder)) for path in files],
        settings=_settings(configs),
        genres=(*genres.NAMES, *(configs["condition_encoder"].get("extra_genres") or ())),
    )


def _parameters(folder: Path) -> int:
    """Number of weights of a network."""
    return sum(map(prod, checkpoint.tensor_shapes(folder / checkpoint.WEIGHTS).values()))


def _counts(counts: dict[str, int]) -> dict[str, int]:
    return {
        "unet_parameters": counts["unet"],
        "vae_parameters": counts["vae"],
        "condition_parameters": counts["condition_encoder"],
        "vocoder_parameters": counts.get("vocoder", 0),
        "total_parameters": sum(counts.values()),
    }


def _settings(configs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    unet, vae, pipeline = configs["unet"], configs["vae"], configs["pipeline"]
    columns = pipeline["window_frames"] // 2 ** (len(vae["block_out_channels"]) - 1)
    height = 1 if "mel_frames" in configs["condition_encoder"] else columns
    return {
        "preset": pipeline["preset"],
        # A transformer has the same width throughout, and no cross-attention.
        "block_out_channels": list(unet.get("block_out_channels") or [unet["width"]]),
        "cross_attention_dim": unet.get("cross_attention_dim", 0),
        "latent_shape": [unet["in_channels"], height, columns],
        "vae_block_out_channels": list(vae["block_out_channels"]),
        "train_steps": configs["scheduler"]["num_train_timesteps"],
        "inference_steps": pipeline["inference_steps"],
        "guidance_scale": pipeline["guidance_scale"],
        "prediction_type": configs["scheduler"]["prediction_type"],
        "scheduler": configs["scheduler"].get("_class_name", ""),
        "features": configs["normaliser"]["features"],
        "output_rate_hz": configs.get("vocoder", configs["mel"])["rate_hz"],
        "mel_rate_hz": configs["mel"]["rate_hz"],
        "hop_length": configs["mel"]["hop_length"],
        "n_mels": configs["mel"].get("n_mels", vae.get("mel_bands")),
        "window_frames": pipeline["window_frames"],
        "overlap_columns": pipeline["overlap_columns"],
        "reads_harmony": bool(configs["condition_encoder"].get("reads_harmony")),
        "attributes": list(configs["condition_encoder"].get("attributes") or ()),
        "similarity": bool(configs["condition_encoder"].get("similarity")),
    }
