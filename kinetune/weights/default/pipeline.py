"""For diffusers' ``from_pretrained(FOLDER, custom_pipeline=FOLDER)``.

kinetune itself never runs this file; ``DanceToMusicPipeline.from_pretrained`` needs none.
"""

from kinetune.model.pipeline import DanceToMusicPipeline

__all__ = ["DanceToMusicPipeline"]
