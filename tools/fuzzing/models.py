"""Readers of settings, lists, checkpoints, networks and what trainers keep."""

import json
import shutil
from pathlib import Path

import numpy as np

from fuzzing.motion import synthetic_dance
from fuzzing.mutations import change_integer, change_json, change_npy, change_number
from fuzzing.target import Target, folder_target
from kinetune import files
from kinetune.corpus.folder import read_manifest
from kinetune.corpus.styles import style
from kinetune.metrics.evaluation.pairing import read_genres
from kinetune.model.conditioning.control_score import read_control_score
from kinetune.motion.beats.beat_network import load_beat_network
from kinetune.training.data.aist import read_names

_CONFIGS = Path(__file__).parent.parent.parent / "configs"
_SCORE = b"""exact = true
[[sections]]
start_s = 2.0
end_s = 6.0
genre = "house"
energy = 1.5
[[accents]]
at_s = 7.4
strength = 1.2
[[silences]]
start_s = 8.0
end_s = 9.0
"""
_ITEM = {
    "id": "a", "genre": "HO", "bpm": 120.0, "beats_s": [0.0, 0.5, 1.0], "downbeats_s": [0.0],
    "energy": [0.5], "duration_s": 1.5, "seed": 3,
}  # fmt: skip
_WEIGHTS = (change_integer,)
_SLOW_BATCH = 60


def _configs(name: str) -> list[bytes]:
    return [(_CONFIGS / name).read_bytes()]


def _read_train_config(path: Path) -> object:
    from kinetune.training.config import read_train_config

    return read_train_config(path)


def _read_genre_config(path: Path) -> object:
    from kinetune.training.metric_networks.genre import read_genre_config

    return read_genre_config(path)


def _read_beat_config(path: Path) -> object:
    from kinetune.training.beats import read_beat_config

    return read_beat_config(path)


def _read_vocoder_config(path: Path) -> object:
    from kinetune.training.vocoder_config import read_vocoder_config

    return read_vocoder_config(path)


def _styles(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(style.__file__).parent.glob("*.toml"))]


def _build_corpus(folder: Path) -> list[str]:
    lines = [json.dumps(_ITEM | {"id": name}) for name in "abc"]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return ["manifest.jsonl"]


def _read_corpus(folder: Path) -> None:
    read_genres(folder / "manifest.jsonl")
    read_manifest(folder)


def _build_prepared(folder: Path) -> list[str]:
    from kinetune.audio.sound import Sound
    from kinetune.training.data.prepare import TrainingPair, write_prepared

    clip = synthetic_dance(30)
    sound = Sound(np.zeros(22_050, np.float32), 22_050)
    pair = TrainingPair("a", "HO", clip, sound, (0.0, 0.5), 0.0, held_out=False)
    write_prepared([lambda: pair], folder, features="rhythm")
    return ["prepared.json", "samples/a.npy", "features/a.npy"]


def _read_prepared(folder: Path) -> None:
    from kinetune.training.data.prepare import open_prepared

    prepared = open_prepared(folder)
    for item in prepared.items:
        prepared.samples(item)
        prepared.feature_rows(item)


def _build_checkpoint(folder: Path) -> list[str]:
    from dataclasses import replace

    from kinetune.model.presets import UNetConfig, VaeConfig, build_pipeline, preset_config

    config = replace(
        preset_config("mono"),
        n_mels=16,
        window_frames=128,
        overlap_columns=8,
        vae=VaeConfig(block_out_channels=(32, 32), latent_channels=2),
        unet=UNetConfig(block_out_channels=(32, 32), layers_per_block=1, condition_channels=32),
    )
    build_pipeline(config).save_pretrained(folder)
    settings = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.json"))]
    return [*settings, "normaliser/diffusion_pytorch_model.safetensors"]


def _read_checkpoint(folder: Path) -> None:
    from kinetune.model.pipeline import DanceToMusicPipeline

    DanceToMusicPipeline.from_pretrained(folder)


def _copy_network(name: str, folder: Path) -> list[str]:
    for path in (files.WEIGHTS / name).iterdir():
        shutil.copy(path, folder / path.name)
    return ["config.json", "model.safetensors"]


def _read_genre_network(folder: Path) -> None:
    from kinetune.metrics.networks.genre_network import load_network

    load_network(folder)


def _torch_files(folder: Path) -> list[bytes]:
    import torch

    path, tensors = folder / "seed.pth", {"a.weight": torch.ones(3, 2), "b": torch.zeros(4)}
    seeds = []
    for value in (tensors, {"state_dict": tensors, "epoch": 3}):
        for zipped in (True, False):
            torch.save(value, path, _use_new_zipfile_serialization=zipped)
            seeds.append(path.read_bytes())
    return seeds


def _read_torch_file(path: Path) -> object:
    from kinetune.metrics.networks.weights import read_weights

    return read_weights(path)


def _build_state(folder: Path) -> list[str]:
    _loop(folder, resume=False).save()
    return ["state/state.json", "state/state.safetensors"]


def _loop(folder: Path, *, resume: bool) -> "object":
    import torch

    from kinetune.training.config import LoopConfig
    from kinetune.training.loop import TrainingLoop
    from kinetune.training.run import Run

    config = LoopConfig(mixed_precision="no")
    return TrainingLoop(torch.nn.Linear(2, 3), config, Run(folder, resume=resume))


MODEL_TARGETS: dict[str, Target] = {
    "score": Target(".toml", lambda _: [_SCORE], read_control_score, mutators=(change_number,)),
    "style": Target(".toml", _styles, style.read_style, mutators=(change_number,)),
    "train-config": Target(
        ".toml", lambda _: _configs("tiny.toml") + _configs("paper-miniature.toml"),
        _read_train_config, mutators=(change_number,), uses_torch=True,
    ),
    "genre-config": Target(
        ".toml", lambda _: _configs("genre.toml"), _read_genre_config, mutators=(change_number,),
        uses_torch=True,
    ),
    "beat-config": Target(
        ".toml", lambda _: _configs("beats.toml"), _read_beat_config, mutators=(change_number,),
        uses_torch=True,
    ),
    "vocoder-config": Target(
        ".toml", lambda _: _configs("mono-vocoder.toml"), _read_vocoder_config,
        mutators=(change_number,), uses_torch=True,
    ),
    "genres": Target(".csv", lambda _: [b"name,genre\na,house\nb.wav,HO\n"], read_genres),
    "genres-json": Target(
        ".json", lambda _: [b'{"a": "house", "b": "hip-hop"}'], read_genres,
        mutators=(change_json,),
    ),
    "names": Target(".txt", lambda _: [b"gBR_sBM_cAll_d04_mBR0_ch01\n" * 3], read_names),
    "manifest": folder_target(
        _build_corpus, _read_corpus, mutators={".jsonl": (change_number, change_json)}
    ),
    "prepared": folder_target(
        _build_prepared, _read_prepared, uses_torch=True,
        mutators={".json": (change_json,), ".npy": (change_npy,)},
    ),
    "beat-network": folder_target(
        lambda folder: _copy_network("beats", folder), load_beat_network,
        mutators={".json": (change_json,), ".safetensors": _WEIGHTS}, batch=_SLOW_BATCH,
    ),
    "genre-network": folder_target(
        lambda folder: _copy_network("genre", folder), _read_genre_network,
        mutators={".json": (change_json,), ".safetensors": _WEIGHTS}, batch=_SLOW_BATCH,
        uses_torch=True,
    ),
    "checkpoint": folder_target(
        _build_checkpoint, _read_checkpoint,
        mutators={".json": (change_json,), ".safetensors": _WEIGHTS}, batch=_SLOW_BATCH,
        uses_torch=True,
    ),
    "weights": Target(".pth", _torch_files, _read_torch_file, mutators=_WEIGHTS, uses_torch=True),
    "training-state": folder_target(
        _build_state, lambda folder: _loop(folder, resume=True),
        mutators={".json": (change_json,), ".safetensors": _WEIGHTS}, batch=_SLOW_BATCH,
        uses_torch=True,
    ),
}  # fmt: skip
