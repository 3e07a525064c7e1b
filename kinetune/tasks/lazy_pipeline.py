"""The model of a task, loaded when it is first needed."""

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.tasks.recipe import model_sha256, versions

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline


class LazyPipeline:
    """A pipeline that is loaded on the first call, so that bad input is found before.

    Args:
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.
        pipeline: That model, if it is loaded already.

    Attributes:
        load_s: Seconds that loading took; 0 before.
    """

    def __init__(
        self,
        model: str = "default",
        device: str = "auto",
        *,
        pipeline: "DanceToMusicPipeline | None" = None,
    ) -> None:
        self.model, self.device, self.load_s = model, device, 0.0
        self._pipeline = pipeline

    @classmethod
    def around(cls, pipeline: "DanceToMusicPipeline") -> "LazyPipeline":
        """Return one that is loaded: its recipes can't name where the model is."""
        loaded = cls("in memory", pipeline=pipeline)
        loaded.sha256 = ""
        return loaded

    @cached_property
    def sha256(self) -> str:
        """Checksum of the checkpoint's files; empty for one that is not on this disk."""
        return model_sha256(self.model)

    @property
    def versions(self) -> dict[str, str]:
        """What makes the music: packages by version, and the device."""
        return versions(str(self.load().device))

    @property
    def output_rate_hz(self) -> int:
        """Samples per second of the sound unless the request sets another rate."""
        return self.load().output_rate_hz

    @cached_property
    def reads_harmony(self) -> bool:
        """Whether key and chords are a condition of the model.

        Raises:
            ModelError: The model is missing or damaged.
        """
        if self._pipeline is not None:
            return self._pipeline.reads_harmony
        from kinetune.model import checkpoint

        return checkpoint.reads_harmony(self._folder())

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """Names of the musical attributes that are a condition of the model.

        Raises:
            ModelError: The model is missing or damaged.
        """
        if self._pipeline is not None:
            return self._pipeline.attribute_names
        from kinetune.model import checkpoint

        return checkpoint.attribute_names(self._folder())

    def _folder(self) -> Path:
        """Where the model is, without an adapter."""
        from kinetune.model import checkpoint
        from kinetune.model.adapters.names import split_name

        return Path(checkpoint.resolve(split_name(self.model)[0]))

    def load(self) -> "DanceToMusicPipeline":
        """Return the pipeline.

        Raises:
            ModelError: The model is missing or damaged.
            ConfigError: There is no such device.
        """
        if self._pipeline is None:
            from kinetune.model.device import choose_device
            from kinetune.model.pipeline import DanceToMusicPipeline

            began = time.perf_counter()
            device = choose_device(self.device)
            self._pipeline = DanceToMusicPipeline.from_pretrained(self.model, device=device)
            self.load_s = time.perf_counter() - began
        return self._pipeline
