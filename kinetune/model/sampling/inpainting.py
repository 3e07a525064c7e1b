"""Denoising with known columns (inpainting), and from partial noise (image-to-image).

Known columns are replaced at every step by the clean latent with that step's noise, so that what is
generated beside them fits (Lugmayr et al. 2022, RePaint). With a strength below 1 the sampler
starts from a partly noised latent (Meng et al. 2022, SDEdit). Positions are latent columns.
"""

import math
from dataclasses import dataclass

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from kinetune.errors import ConfigError

_MOST_STEPS = 1000


@dataclass(frozen=True, eq=False)
class KnownLatents:
    """The latent of existing music, and what is kept of it.

    Attributes:
        clean: Its latent, (1, C, H, total).
        kept: 1 where a column is kept, 0 where it is regenerated, (total,).
        strength: Share of the noise schedule the new columns go through: 1 starts from pure
            noise, near 0 hardly changes them.
        directions: Directions in which the new columns keep their values too, orthonormal,
            (C * H, k); none if None.

    Raises:
        ConfigError: The strength is not above 0 and at most 1.
    """

    clean: Tensor
    kept: Tensor
    strength: float = 1.0
    directions: Tensor | None = None

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def set_timesteps(self, scheduler: SchedulerMixin, steps: int) -> Tensor:
        """Set the scheduler and return its timesteps, ``steps`` of them.

        A weak change takes as many steps as a strong one, closer together.
        """
        device = self.clean.device
        scheduler.set_timesteps(min(_MOST_STEPS, math.ceil(steps / self.strength)), device=device)
        timesteps: Tensor = scheduler.timesteps
        return timesteps[-min(steps, len(timesteps)) :]

    def init_latents(self, scheduler: SchedulerMixin, noise: Tensor, timestep: Tensor) -> Tensor:
        """Return the initial latents at the first timestep."""
        if self.strength >= 1.0:
            return noise * scheduler.init_noise_sigma
        return self._noised(scheduler, noise, timestep)

    def reinject_known(
        self, scheduler: SchedulerMixin, latents: Tensor, noise: Tensor, timestep: Tensor
    ) -> Tensor:
        """Return the latents with the kept columns noised to that timestep."""
        if self.directions is None and not self.kept.any():
            return latents
        known = self._noised(scheduler, noise, timestep)
        if self.directions is not None:
            difference = (known - latents).flatten(1, 2)  # (1, C, H, W) -> (1, C * H, W)
            along = self.directions @ (self.directions.T @ difference)
            latents = latents + along.view_as(latents)
        return torch.lerp(latents, known, self._kept(latents))

    def compose(self, latents: Tensor) -> Tensor:
        """Return the clean latents with the kept columns restored."""
        return torch.lerp(latents, self.clean, self._kept(latents))

    def _noised(self, scheduler: SchedulerMixin, noise: Tensor, timestep: Tensor) -> Tensor:
        noised: Tensor = scheduler.add_noise(self.clean, noise, timestep.reshape(1))
        return noised

    def _kept(self, like: Tensor) -> Tensor:
        return self.kept.to(like)


def check_strength(strength: float) -> None:
    """See that a strength is possible.

    Raises:
        ConfigError: It is not above 0 and at most 1.
    """
    if not 0.0 < strength <= 1.0:
        raise ConfigError(f"the strength must be above 0 and at most 1, found {strength:g}")
