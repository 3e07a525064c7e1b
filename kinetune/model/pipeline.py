"""The whole way from a dance to its music, as a diffusers pipeline.

Motion clip → features → condition windows → denoised latent → mel spectrogram → sound. Loading
never runs code from a checkpoint: weights are safetensors, settings are JSON, and only this
package's and diffusers' own classes are built.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, SchedulerMixin, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor

from kinetune import genres, timebase
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError, MotionError
from kinetune.model import checkpoint
from kinetune.model.condition import (
    ConditionBatch,
    DanceCondition,
    DanceInput,
    PaperCondition,
)
from kinetune.model.conditioning.accents import add_accents, mute
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.conditioning.control_score import (
    ControlScore,
    apply_silences,
    energy_at,
    fit_score,
    genre_weights,
    scale_times,
)
from kinetune.model.conditioning.dynamics import apply_dynamics, bar_dynamics
from kinetune.model.mel import Mel
from kinetune.model.normaliser import FeatureNormaliser
from kinetune.model.sampling.genre_mixing import (
    BatchedConditioning,
    Conditioning,
    WeightedCondition,
    blend_predictions,
    expand,
    stack_conditioning,
)
from kinetune.model.sampling.global_mean_guidance import GlobalMeanGuidance
from kinetune.model.sampling.initial_noise import phrase_locked_noise
from kinetune.model.sampling.inpainting import KnownLatents
from kinetune.model.sampling.loops import (
    Loop,
    crossfade_loop,
    fit_loop,
    pad_circular,
    tile_features,
)
from kinetune.model.sampling.loudness_subspace import loudness_directions
from kinetune.model.sampling.windows import WindowPlan, map_windows, plan_loop, plan_windows
from kinetune.model.unet import DanceUNet
from kinetune.model.vae import (
    MelVAE,
    decode_latents,
    frames_per_column,
    posterior_of,
    scale_latents,
)
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import features_named, mean_speed, scale_effort

# Called with the steps done and the steps in all.
Progress = Callable[[int, int], None]

# Shorter than this there is no step to hear; longer than this a machine's memory is at stake.
SHORTEST_S = 0.5
LONGEST_S = 2 * 3600.0


@dataclass(frozen=True)
class SamplingOptions:
    """How the latent is denoised.

    Attributes:
        seed: The same seed, dance and settings give the same samples.
        steps: Denoising steps.
        guidance: Weight of the dance against no dance; 1 switches guidance off.
        progress: Called after every step.

    Raises:
        ConfigError: A number is impossible.
    """

    seed: int
    steps: int
    guidance: float
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 1000:
            raise ConfigError(f"steps must be 1 to 1000, found {self.steps}")
        if not (np.isfinite(self.guidance) and 0.0 <= self.guidance <= 50.0):
            raise ConfigError(f"guidance must be 0 to 50, found {self.guidance}")

    @property
    def guided(self) -> bool:
        """Whether the model is also asked what it would do without a dance."""
        return self.guidance != 1.0


@dataclass(frozen=True, eq=False)
class WindowConditions:
    """The conditions of all windows of a plan.

    Attributes:
        genres: One condition a genre, with the genre's weight in each column.
        uncond: The unconditional input for classifier-free guidance; None without guidance.
        bars_s: Bar lines, seconds from the first column, ascending; none in a loop.
        bar_level: Level of each bar, see :mod:`kinetune.model.conditioning.dynamics`, from the
            dance's first frame on, at 30 fps; empty in a loop.
    """

    genres: list[WeightedCondition]
    uncond: Conditioning | None
    bars_s: NDArray[np.float64]
    bar_level: NDArray[np.float64]


@dataclass(frozen=True)
class StageSeconds:
    """Wall-clock seconds of each stage of one run."""

    features: float
    denoise: float
    decode: float
    vocode: float

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.features + self.denoise + self.decode + self.vocode


@dataclass(frozen=True, eq=False)
class DanceMusic:
    """What comes out.

    Attributes:
        sound: The music, as long as the dance; a loop may be shorter by less than a bar.
        mel: Its mel spectrogram in [-1, 1], (M, L), as the model made it and the score shaped it.
        grid: The beat grid it was made to.
        genre: Genre code.
        seconds: How long each stage took.
        seed: What it was made from.
    """

    sound: Sound
    mel: NDArray[np.float32]
    grid: BeatGrid
    genre: str
    seconds: StageSeconds
    seed: int = 0


class DanceToMusicPipeline(DiffusionPipeline):
    """Makes music for a dance.

    Args:
        vae: ``MelVAE`` or diffusers' ``AutoencoderKL``.
        unet: ``DanceUNet`` or diffusers' ``UNet2DConditionModel``.
        scheduler: Any diffusers scheduler with ``step``.
        condition_encoder: ``DanceCondition`` or ``PaperCondition``.
        normaliser: Scales the motion features.
        mel: Mel settings.
        settings: preset, window_frames, useful_frames, overlap_columns, inference_steps,
            guidance_scale.
    """

    def __init__(
        self,
        vae: MelVAE | AutoencoderKL,
        unet: DanceUNet | UNet2DConditionModel,
        scheduler: SchedulerMixin,
        condition_encoder: DanceCondition | PaperCondition,
        normaliser: FeatureNormaliser,
        mel: Mel,
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            unet=unet,
            scheduler=scheduler,
            condition_encoder=condition_encoder,
            normaliser=normaliser,
            mel=mel,
        )
        self.register_to_config(settings=dict(settings or {}))

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path = "default", *, device: str = "cpu", **options: Any
    ) -> "DanceToMusicPipeline":
        """Load a trained pipeline in float32.

        Args:
            name_or_path: A bundled name, a folder, or a hub id.
            device: Where to put it, as torch names devices.
            **options: Passed on to diffusers.

        Raises:
            ModelError: It is missing, damaged, or not a kinetune checkpoint.
        """
        folder = checkpoint.resolve(name_or_path)
        with checkpoint.loading_errors(folder):
            pipeline = super().from_pretrained(folder, use_safetensors=True, **options)
            for network in checkpoint.NETWORKS:
                getattr(pipeline, network).float()
        return pipeline.to(device)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Save everything as JSON and safetensors; networks as float16, the normaliser as is."""
        networks = [self.vae, self.unet, self.condition_encoder]
        with checkpoint.as_float16(networks), checkpoint.atomic_folder(Path(folder)) as aside:
            super().save_pretrained(aside, safe_serialization=True, **options)
            checkpoint.strip_origins(aside)

    @torch.no_grad()
    def __call__(  # noqa: PLR0913 - options by name, as diffusers' pipelines take them
        self,
        clip: MotionClip,
        *,
        genre: str,
        seed: int = 0,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        grid: BeatGrid | None = None,
        loop: bool = False,
        score: ControlScore | None = None,
        progress: Progress | None = None,
    ) -> DanceMusic:
        """Return music for ``clip``.

        Args:
            clip: The dance, 0.5 s to 2 h long.
            genre: Name or code.
            seed: The same seed, dance and settings give the same samples.
            num_inference_steps: Denoising steps; the checkpoint's own number if None.
            guidance_scale: Weight of the dance against no dance; 1 switches guidance off.
            grid: Beats to play to, from ``motion.beats``; found in the dance if None.
            loop: Make whole bars whose end flows into their beginning. With a grid that is given
                its tempo is held and the music ends with the last whole bar; otherwise the tempo
                moves to the nearest that fills the dance.
            score: Genres and energy by section, accents and silences; times within the loop if
                there is one.
            progress: Called after every denoising step.

        Raises:
            ConfigError: An unknown genre, an impossible number, or a score that doesn't fit.
            MotionError: The clip is too short or too long.
        """
        options = self.sampling_options(seed, num_inference_steps, guidance_scale, progress)
        check_length(clip)
        clock = [time.perf_counter()]
        beats = beat_grid(clip) if grid is None else grid
        fitted = self._fit_loop(clip, beats, hold_tempo=grid is not None) if loop else None
        score = _score_of(score, beats, clip.duration_s, fitted)
        # A loop is generated on whole latent columns, a little longer or shorter than its output.
        stretched = score if fitted is None else scale_times(score, fitted.stretch)
        plan = self.plan(clip.duration_s, fitted)
        if fitted is None:
            conditions = self.prepare_conditions(
                clip, beats, genre, plan, score=score, guided=options.guided
            )
        else:
            conditions = self._prepare_loop_conditions(
                fitted, genre, plan, score=stretched, guided=options.guided
            )
        clock.append(time.perf_counter())
        latents = self.denoise(plan, conditions, options)
        clock.append(time.perf_counter())
        mel = self.decode(plan, latents, clip.duration_s)
        mel = apply_dynamics(mel, conditions.bar_level, self.mel.settings)
        mel = add_accents(mel, stretched.accents, self.mel.settings, loop=loop)
        mel = mute(mel, stretched.silences, self.mel.settings)
        clock.append(time.perf_counter())
        sound = self.vocode(mel, clip.duration_s, seed=seed, loop=fitted)
        clock.append(time.perf_counter())
        return DanceMusic(
            apply_silences(sound, score.silences, loop=loop),
            mel[0].cpu().numpy(),
            beats if fitted is None else fitted.output_grid,
            genres.genre_code(genre),
            StageSeconds(*np.diff(clock).tolist()),
            seed,
        )

    def sampling_options(
        self,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        progress: Progress | None = None,
    ) -> SamplingOptions:
        """Return how to denoise; the checkpoint's own numbers where none are given."""
        settings = self.config.settings
        return SamplingOptions(
            seed,
            settings["inference_steps"] if steps is None else steps,
            settings["guidance_scale"] if guidance is None else guidance,
            progress,
        )

    def _fit_loop(self, clip: MotionClip, grid: BeatGrid, *, hold_tempo: bool) -> Loop:
        column_s, window_s = self.seconds_of(1), self.seconds_of(self._columns("window_frames"))
        return fit_loop(clip, grid, column_s=column_s, window_s=window_s, hold_tempo=hold_tempo)

    def prepare_conditions(
        self,
        clip: MotionClip,
        grid: BeatGrid,
        genre: str,
        plan: WindowPlan,
        *,
        guided: bool,
        from_s: float = 0.0,
        score: ControlScore | None = None,
    ) -> WindowConditions:
        """Return the conditions of every window of a plan.

        Args:
            clip: The dance.
            grid: Its beats.
            genre: Name or code.
            plan: The windows.
            guided: Whether to add the unconditional input.
            from_s: Time in the dance of the plan's first column.
            score: A fitted score.
        """
        score = score or ControlScore()
        dance = self.dance_input(clip, genre, grid, score)
        shares = genre_weights(score, dance.genre, from_s + self._column_times(plan))
        conditions, uncond = self._genre_conditions(
            dance, shares, plan, guided=guided, from_s=from_s
        )
        bars_s = bar_lines(grid, from_s + self.seconds_of(plan.total)) - from_s
        return WindowConditions(conditions, uncond, bars_s, dance.level)

    def _prepare_loop_conditions(
        self, loop: Loop, genre: str, plan: WindowPlan, *, score: ControlScore, guided: bool
    ) -> WindowConditions:
        round_s, window_s = self.seconds_of(plan.total), self.seconds_of(plan.width)
        dance = self.dance_input(loop.clip, genre, loop.grid, score, round_s=round_s)
        dance = tile_features(dance, period_s=round_s, window_s=window_s)
        shares = genre_weights(score, dance.genre, self._column_times(plan), round_s=round_s)
        conditions, uncond = self._genre_conditions(dance, shares, plan, guided=guided)
        return WindowConditions(conditions, uncond, np.empty(0), np.empty(0))

    def _column_times(self, plan: WindowPlan) -> NDArray[np.float64]:
        """Middle of every column, seconds from the first column's beginning."""
        return timebase.frame_times(plan.total, 1.0 / self.seconds_of(1)) + 0.5 * self.seconds_of(1)

    def _genre_conditions(
        self, dance: DanceInput, shares: dict[str, NDArray[np.float64]], plan: WindowPlan,
        *, guided: bool, from_s: float = 0.0,
    ) -> tuple[list[WeightedCondition], Conditioning | None]:  # fmt: skip
        """Return a weighted condition for every genre in use, and the unconditional input."""
        conditions: list[WeightedCondition] = []
        uncond: Conditioning | None = None
        for code, share in shares.items():
            if share.any():
                in_genre = replace(dance, genre=code)
                encoded, uncond = self.encode_windows(in_genre, plan, guided=guided, from_s=from_s)
                conditions.append(WeightedCondition(encoded, torch.from_numpy(share).float()))
        return conditions, uncond

    def dance_input(
        self,
        clip: MotionClip,
        genre: str,
        grid: BeatGrid,
        score: ControlScore | None = None,
        *,
        round_s: float | None = None,
    ) -> DanceInput:
        """Return the model's input: features scaled by score and bar dynamics, and beats.

        Args:
            clip: The dance.
            genre: Name or code.
            grid: Its beats.
            score: A fitted score.
            round_s: Length of the loop if the dance is one.
        """
        name = self.normaliser.config.features
        rows = features_named(name)(clip)
        if score is not None and score.sections:
            times_s = timebase.frame_times(len(rows), timebase.MOTION_FPS)
            rows = scale_effort(rows, energy_at(score, times_s, round_s=round_s), name)
        level = np.empty(0)
        if round_s is None:
            level = bar_dynamics(mean_speed(rows, name), bar_lines(grid, clip.duration_s))
            rows = scale_effort(rows, level, name) if level.min() < 1.0 else rows
        features = self.normaliser(torch.from_numpy(rows).to(self.device)).cpu()
        code = genres.genre_code(genre)
        return DanceInput(features, code, grid.beats_s, grid.bar_start_s, level)

    def plan(self, duration_s: float, loop: Loop | None = None) -> WindowPlan:
        """Return the windows that cover ``duration_s`` seconds, or a loop."""
        if loop is not None:
            return plan_loop(loop.columns, **self._window_shape())
        frames = timebase.mel_frames_in(
            timebase.samples_in(duration_s, self.mel.settings.rate_hz), self.mel.settings.hop_length
        )
        return self.plan_columns(-(-frames // frames_per_column(self.vae)))

    def plan_columns(self, columns: int) -> WindowPlan:
        """Return the windows that cover so many latent columns."""
        return plan_windows(columns, **self._window_shape())

    @property
    def window_s(self) -> float:
        """How much music a window carries."""
        return self.seconds_of(self._columns("useful_frames"))

    def _window_shape(self) -> dict[str, int]:
        return {
            "width": self._columns("window_frames"),
            "useful": self._columns("useful_frames"),
            "overlap": self.config.settings["overlap_columns"],
        }

    def _columns(self, setting: str) -> int:
        """A setting in mel frames, as latent columns."""
        return int(self.config.settings[setting]) // frames_per_column(self.vae)

    def seconds_of(self, columns: int) -> float:
        """Return how long so many latent columns last."""
        rate = timebase.mel_rate_hz(self.mel.settings.rate_hz, self.mel.settings.hop_length)
        return timebase.duration_of(columns * frames_per_column(self.vae), rate)

    def encode_windows(
        self, dance: DanceInput, plan: WindowPlan, *, guided: bool, from_s: float = 0.0
    ) -> tuple[BatchedConditioning, Conditioning | None]:
        """Encode the condition of every window, and the unconditional input if guided."""

        def gathered(start: int) -> ConditionBatch:
            start_s = from_s + self.seconds_of(start)
            batch: ConditionBatch = self.condition_encoder.gather(dance, start_s)
            return batch.to(self.device)

        windows = (self.condition_encoder(gathered(start)) for start in plan.starts)
        uncond = self.condition_encoder(gathered(0).dropped()) if guided else None
        return stack_conditioning(windows, len(plan.starts)), uncond

    def denoise(
        self,
        plan: WindowPlan,
        conditions: WindowConditions,
        options: SamplingOptions,
        known: KnownLatents | None = None,
    ) -> Tensor:
        """Return the clean latent (1, C, H, total); known columns keep their values."""
        noise = self._noise(plan, options.seed, conditions.bars_s)
        if known is None:
            known = KnownLatents(
                torch.zeros_like(noise), torch.zeros(plan.total, device=self.device)
            )
        mean_guidance = self._mean_guidance(plan, conditions)
        timesteps = known.set_timesteps(self.scheduler, options.steps)
        latents = known.init_latents(self.scheduler, noise, timesteps[0])
        for done, timestep in enumerate(timesteps, start=1):

            def predict(windows: Tensor, indices: slice, step: Tensor = timestep) -> Tensor:
                return self._guided(plan, conditions, options.guidance, windows, indices, step)

            latents = known.reinject_known(self.scheduler, latents, noise, timestep)
            scaled = self.scheduler.scale_model_input(latents, timestep)
            predicted = map_windows(plan, scaled, predict)
            if mean_guidance is not None:
                predicted = mean_guidance.correct(self.scheduler, predicted, latents, timestep)
            latents = self.scheduler.step(predicted, timestep, latents).prev_sample
            if options.progress is not None:
                options.progress(done, len(timesteps))
        return known.compose(latents)

    def _guided(
        self, plan: WindowPlan, conditions: WindowConditions, guidance: float,
        windows: Tensor, indices: slice, timestep: Tensor,
    ) -> Tensor:  # fmt: skip
        """Classifier-free guidance, uncond + w (cond - uncond) (Ho & Salimans 2022)."""

        def predict(rows: Tensor, conditioning: Conditioning) -> Tensor:
            output: Tensor = self.unet(rows, timestep, **conditioning).sample
            return output

        cond = blend_predictions(conditions.genres, plan, indices, windows, predict)
        if conditions.uncond is None:
            return cond
        uncond = predict(windows, expand(conditions.uncond, len(windows)))
        return uncond + guidance * (cond - uncond)

    def _mean_guidance(
        self, plan: WindowPlan, conditions: WindowConditions
    ) -> GlobalMeanGuidance | None:
        """Return the guidance to a common mean; None for one window, or the paper's preset."""
        if len(plan.starts) < 2 or self.scheduler.config.prediction_type != "v_prediction":
            return None
        channels, height = self.unet.config.in_channels, self._height
        loudness = loudness_directions(self.vae, channels=channels, height=height)
        weights = [genre.weight for genre in conditions.genres]
        return GlobalMeanGuidance(weights, loudness, width=plan.width, loop=bool(plan.loop_columns))

    def encode(self, plan: WindowPlan, mel: Tensor) -> Tensor:
        """Return the latent (1, C, H, total) of a spectrogram (1, M, total * frames a column).

        Window by window, as long as those the codec was trained on.
        """
        frames = frames_per_column(self.vae)
        folded = mel.unflatten(-1, (plan.total, frames)).permute(0, 1, 3, 2)  # (1, M, f, total)

        def encoded(windows: Tensor, _: slice) -> Tensor:
            mel = windows.permute(0, 1, 3, 2).flatten(2)
            return scale_latents(self.vae, posterior_of(self.vae, mel)[0])

        return map_windows(plan, folded, encoded)

    def decode(self, plan: WindowPlan, latents: Tensor, duration_s: float) -> Tensor:
        """Return the mel spectrogram (1, M, L) of a latent; a row is cut to the dance's length."""
        mel = map_windows(
            plan,
            latents,
            lambda windows, _: decode_latents(self.vae, windows),
            per_column=frames_per_column(self.vae),
        )
        if plan.loop_columns:
            return mel
        count = timebase.samples_in(duration_s, self.mel.settings.rate_hz)
        return mel[..., : timebase.mel_frames_in(count, self.mel.settings.hop_length)]

    def vocode(
        self, mel: Tensor, duration_s: float, *, seed: int = 0, loop: Loop | None = None
    ) -> Sound:
        """Return loudness-matched sound for a mel spectrogram (1, M, L)."""
        rate_hz, hop = self.mel.settings.rate_hz, self.mel.settings.hop_length
        if loop is None:
            count = timebase.samples_in(duration_s, rate_hz)
            return normalise_loudness(
                Sound(self.mel.decode(mel, n_samples=count, seed=seed)[0], rate_hz)
            )
        wide, before = pad_circular(mel)
        count = timebase.samples_of_mel_frames(wide.shape[-1], hop)
        samples = crossfade_loop(
            self.mel.decode(wide, n_samples=count, seed=seed)[0],
            before=timebase.samples_of_mel_frames(before, hop),
            count=timebase.samples_of_mel_frames(mel.shape[-1], hop),
            rate_hz=rate_hz,
            output=timebase.samples_in(loop.duration_s, rate_hz),
        )
        return normalise_loudness(Sound(samples, rate_hz))

    @property
    def _height(self) -> int:
        """H of the latent."""
        is_row = self.condition_encoder.config.get("mel_frames")
        return 1 if is_row else int(self.unet.config.sample_size)

    def _noise(self, plan: WindowPlan, seed: int, bars_s: NDArray[np.float64]) -> Tensor:
        """Draw the first latent on the CPU, so that a seed means the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, self.unet.config.in_channels, self._height, plan.total)
        fresh = torch.randn(shape, generator=generator)
        column_s = self.seconds_of(1)
        phrased = phrase_locked_noise(
            fresh, bars_s, column_s=column_s, window=plan.width, seed=seed
        )
        return phrased.to(self.device)


def check_length(clip: MotionClip) -> None:
    """See that a dance is neither too short nor too long.

    Raises:
        MotionError: It is.
    """
    if not SHORTEST_S <= clip.duration_s <= LONGEST_S:
        raise MotionError(
            f"{clip.name}: {clip.frame_count} frames at {clip.fps:g} fps last "
            f"{clip.duration_s:.2f} s; expected {SHORTEST_S:g} s to {LONGEST_S / 3600:g} h"
        )


def _score_of(
    score: ControlScore | None, grid: BeatGrid, duration_s: float, loop: Loop | None
) -> ControlScore:
    """The score as it is applied, or an empty one."""
    if score is None:
        return ControlScore()
    if loop is None:
        return fit_score(score, grid, duration_s)
    return fit_score(score, loop.output_grid, loop.duration_s, piece="loop")
