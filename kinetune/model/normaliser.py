"""Normalisation of motion features; saved with the weights.

Two kinds: the paper's min-max to [0, 1] with clipping, and zero mean with unit standard
deviation. Axes: T frames, F features.
"""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from kinetune.errors import ConfigError


class FeatureNormaliser(ModelMixin, ConfigMixin):
    """Normalise features column by column: (..., F) -> (..., F).

    Args:
        features: The name of the features, see ``motion.features.features_named``.
        feature_count: F.
        kind: ``"minmax"`` (to [0, 1], clipped) or ``"standard"`` (mean 0, deviation 1, clipped at
            five deviations).
    """

    @register_to_config
    def __init__(
        self, features: str = "rhythm", feature_count: int = 58, kind: str = "standard"
    ) -> None:
        super().__init__()
        if kind not in ("minmax", "standard"):
            raise ConfigError(f"unknown normaliser {kind!r}; choose minmax or standard")
        self.offset = torch.nn.Parameter(torch.zeros(feature_count), requires_grad=False)
        self.scale = torch.nn.Parameter(torch.ones(feature_count), requires_grad=False)

    def fit(self, features: Tensor) -> None:
        """Measure the figures on training features (T, F), all clips one after the other."""
        if self.config.kind == "minmax":
            low, high = features.amin(dim=0), features.amax(dim=0)
            offset, scale = low, high - low
        else:
            offset, scale = features.mean(dim=0), features.std(dim=0)
        self.offset.data.copy_(offset)
        # A column that never changes carries nothing; leave it at its offset.
        self.scale.data.copy_(torch.where(scale > 1e-6, scale, torch.ones_like(scale)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the normalised features, same shape."""
        value = (features - self.offset) / self.scale
        low, high = (0.0, 1.0) if self.config.kind == "minmax" else (-5.0, 5.0)
        return value.clamp(low, high)
