"""The model of one run of a command, loaded when it is first needed."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline


class Place:
    """A pipeline that is loaded when the first readable dance asks for it.

    Args:
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.
    """

    def __init__(self, model: str, device: str) -> None:
        self.model, self.device, self.load_s = model, device, 0.0
        self._pipeline: DanceToMusicPipeline | None = None

    def load(self) -> "DanceToMusicPipeline":
        """Return the pipeline."""
        if self._pipeline is None:
            from kinetune.model.device import choose_device
            from kinetune.model.pipeline import DanceToMusicPipeline

            began = time.perf_counter()
            device = choose_device(self.device)
            self._pipeline = DanceToMusicPipeline.from_pretrained(self.model, device=device)
            self.load_s = time.perf_counter() - began
        return self._pipeline
