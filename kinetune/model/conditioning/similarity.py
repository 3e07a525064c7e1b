"""The learned similarity of motion and music as a condition: what of a dance the music answers.

The component holds the motion tower of a similarity network (``kinetune train similarity``), so
that a checkpoint gives the same vectors whichever network the metrics have. It isn't trained with
the model.

Axes: T motion frames at 30 fps, F features, T' = (T + 1) // 2 vectors at 15 per second, D numbers
of a vector.
"""

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from kinetune.motion.features import RHYTHM_FEATURE_COUNT, Features, rhythm_features
from kinetune.motion.group import Dancers, dancers_of, mean_over_dancers
from kinetune.tower import Tower


class MotionEmbedding(ModelMixin, ConfigMixin):
    """The motion tower of a similarity network.

    Args:
        channels: Channels of the tower.
        embedding: D.
        dilations: Dilation of each of its residual convolutions.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 80,
        embedding: int = 32,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1),
    ) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(RHYTHM_FEATURE_COUNT))
        self.deviation = nn.Parameter(torch.ones(RHYTHM_FEATURE_COUNT))
        self.tower = Tower(
            RHYTHM_FEATURE_COUNT, channels=channels, embedding=embedding, dilations=dilations
        )
        self.requires_grad_(False)

    @torch.no_grad()
    def of_features(self, rows: Features) -> Tensor:
        """Return the vectors (T', D), on the CPU, of rhythm features (T, F)."""
        scaled = (torch.from_numpy(rows).to(self.device) - self.mean) / self.deviation
        vectors: Tensor = self.tower(scaled[None])[0].cpu()
        return vectors

    def of_dance(self, dance: Dancers) -> Tensor:
        """Return the vectors (T', D), on the CPU, of a dance.

        Those of a group are the mean over the dancers who are still dancing.
        """
        parts = [self.of_features(rhythm_features(clip)).numpy() for clip in dancers_of(dance)]
        mean = parts[0] if len(parts) == 1 else mean_over_dancers(parts)
        return torch.from_numpy(mean.astype(np.float32))
