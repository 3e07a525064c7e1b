"""Workers that are killed once in the middle of their work.

In a module of their own, because every worker imports it.
"""

import os
import signal
from pathlib import Path

from kinetune.cluster.evaluating import ItemWorker
from kinetune.cluster.generating import GenerateWorker
from kinetune.cluster.preparing import DanceWorker


class DyingWorker(GenerateWorker):
    """Dies once, after the sound of the dance ``b`` is written and before that is recorded."""

    def _make(self, key: str, motion: str, sound: str, film: str) -> str:
        folder = Path(sound).parent
        result = super()._make(key, motion, sound, film)
        with (folder / "calls.txt").open("a") as file:
            file.write(f"{Path(motion).stem}\n")
        died = folder / "died"
        if Path(motion).stem == "b" and not died.exists():
            died.touch()
            (folder / ".kinetune" / f"{key}.json").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class DyingItemWorker(ItemWorker):
    """Dies once, before the first item of two is done that two workers have."""

    def __call__(self, batch):
        died = Path(os.environ["KINETUNE_TEST_DIED"])
        if int(batch["index"][0]) == 1 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


class DyingDanceWorker(DanceWorker):
    """Dies once, after the samples and features of ``b`` are written and recorded."""

    def _prepare(self, name, *rest):
        reason = super()._prepare(name, *rest)
        died = self._out / "died"
        if name == "b" and not died.exists():
            died.touch()
            (self._out / "pairs" / "b.json").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return reason
