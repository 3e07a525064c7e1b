"""The denoising loop: windows, classifier-free guidance, known columns, a common mean.

Axes: C latent channels, H latent height, latent columns last.
"""

from collections.abc import Callable
from dataclasses import dataclass

from diffusers import SchedulerMixin
from torch import Tensor, nn

from kinetune.model.conditioning.window_conditions import WindowConditions
from kinetune.model.sampling.genre_mixing import Conditioning, blend_predictions, expand
from kinetune.model.sampling.global_mean_guidance import GlobalMeanGuidance
from kinetune.model.sampling.inpainting import KnownLatents
from kinetune.model.sampling.windows import WindowPlan, map_windows
from kinetune.model.settings import check_guidance, check_steps

# Called with the steps done and the steps in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SamplingOptions:
    """How the latent is denoised.

    Attributes:
        seed: The same seed, dance and settings give the same samples.
        steps: Denoising steps, 1 to 1000.
        guidance: Guidance scale w, 0 to 50; 1 switches guidance off.
        progress: Called after every step.

    Raises:
        ConfigError: A number is out of range.
    """

    seed: int
    steps: int
    guidance: float
    progress: Progress | None = None

    def __post_init__(self) -> None:
        check_steps(self.steps)
        check_guidance(self.guidance)

    @property
    def guided(self) -> bool:
        """Whether the unconditional prediction is needed."""
        return self.guidance != 1.0


@dataclass(frozen=True, eq=False)
class Denoiser:
    """What predicts, and under which conditions.

    Attributes:
        unet: Called as ``unet(windows, timestep, **conditioning).sample``.
        scheduler: Any diffusers scheduler with ``step``.
        plan: The windows.
        conditions: Of all windows.
        guidance: Guidance scale w.
        mean_guidance: Moves the windows towards a common mean; None for one window.
    """

    unet: nn.Module
    scheduler: SchedulerMixin
    plan: WindowPlan
    conditions: WindowConditions
    guidance: float
    mean_guidance: GlobalMeanGuidance | None = None

    def run(
        self, noise: Tensor, known: KnownLatents, *, steps: int, progress: Progress | None = None
    ) -> Tensor:
        """Return clean latents.

        Args:
            noise: Unit Gaussian noise, (1, C, H, total).
            known: Columns that keep their values.
            steps: Denoising steps.
            progress: Called after every step.
        """
        timesteps = known.set_timesteps(self.scheduler, steps)
        latents = known.init_latents(self.scheduler, noise, timesteps[0])
        for done, timestep in enumerate(timesteps, start=1):
            latents = known.reinject_known(self.scheduler, latents, noise, timestep)
            predicted = self.predict(latents, timestep)
            latents = self.scheduler.step(predicted, timestep, latents).prev_sample
            if progress is not None:
                progress(done, len(timesteps))
        return known.compose(latents)

    def predict(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the joint prediction of all windows for noisy latents (1, C, H, total)."""
        predicted = map_windows(
            self.plan,
            self.scheduler.scale_model_input(latents, timestep),
            lambda windows, indices: self._guided(windows, indices, timestep),
        )
        if self.mean_guidance is None:
            return predicted
        return self.mean_guidance.correct(self.scheduler, predicted, latents, timestep)

    def _guided(self, windows: Tensor, indices: slice, timestep: Tensor) -> Tensor:
        """Classifier-free guidance, uncond + w (cond - uncond) (Ho & Salimans 2022)."""

        def predict(rows: Tensor, conditioning: Conditioning) -> Tensor:
            output: Tensor = self.unet(rows, timestep, **conditioning).sample
            return output

        cond = blend_predictions(self.conditions.genres, self.plan, indices, windows, predict)
        if self.conditions.uncond is None:
            return cond
        uncond = predict(windows, expand(self.conditions.uncond, len(windows)))
        return uncond + self.guidance * (cond - uncond)
