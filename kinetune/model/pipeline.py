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
from kinetune.audio.loudness import normalise
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError, MotionError
from kinetune.model import checkpoint
from kinetune.model.condition import (
    ConditionBatch,
    DanceCondition,
    DanceInput,
    PaperCondition,
)
from kinetune.model.conditioning.accents import accented, hushed
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.conditioning.control_score import (
    Score,
    energy_at,
    fitted,
    genre_shares,
    silenced,
    stretched,
)
from kinetune.model.conditioning.dynamics import levels, played
from kinetune.model.mel import Mel
from kinetune.model.normaliser import FeatureNormaliser
from kinetune.model.sampling.genre_mixing import AllTold, Told, Voice, alike, all_told, mixed
from kinetune.model.sampling.global_mean_guidance import SharedMean
from kinetune.model.sampling.initial_noise import in_phrases
from kinetune.model.sampling.inpainting import Held
from kinetune.model.sampling.loops import Loop, closed, fit_loop, repeated, twice_around
from kinetune.model.sampling.loudness_subspace import rhythm_directions
from kinetune.model.sampling.windows import WindowPlan, over_windows, plan_ring, plan_windows
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
from kinetune.motion.features import effort_of, features_named, with_effort

# Called with the steps done and the steps in all.
Progress = Callable[[int, int], None]

# Shorter than this there is no step to hear; longer than this a machine's memory is at stake.
SHORTEST_S = 0.5
LONGEST_S = 2 * 3600.0


@dataclass(frozen=True)
class Sampling:
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
class Heard:
    """What all windows are told of the dance.

    Attributes:
        voices: One a genre.
        untold: What any window is told without the dance; None means no guidance.
        bars_s: Bar lines, seconds from the first column, ascending; none in a loop.
        level: The dance's long arc from its first frame on, at 30 fps; empty in a loop.
    """

    voices: list[Voice]
    untold: Told | None
    bars_s: NDArray[np.float64]
    level: NDArray[np.float64]


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
        with checkpoint.reading(folder):
            pipeline = super().from_pretrained(folder, use_safetensors=True, **options)
            for network in checkpoint.NETWORKS:
                getattr(pipeline, network).float()
        return pipeline.to(device)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Save everything as JSON and safetensors; networks as float16, the normaliser as is."""
        networks = [self.vae, self.unet, self.condition_encoder]
        with checkpoint.as_float16(networks), checkpoint.atomic_folder(Path(folder)) as aside:
            super().save_pretrained(aside, safe_serialization=True, **options)
            checkpoint.forget_origins(aside)

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
        score: Score | None = None,
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
        sampling = self.sampling(seed, num_inference_steps, guidance_scale, progress)
        check_length(clip)
        clock = [time.perf_counter()]
        beats = beat_grid(clip) if grid is None else grid
        ring = self._loop(clip, beats, hold_tempo=grid is not None) if loop else None
        score = _score_of(score, beats, clip.duration_s, ring)
        # A loop is made a little longer or shorter than it is heard.
        drawn = score if ring is None else stretched(score, ring.stretch)
        plan = self.plan(clip.duration_s, ring)
        if ring is None:
            heard = self.hear(clip, beats, genre, plan, score=score, guided=sampling.guided)
        else:
            heard = self._hear_ring(ring, genre, plan, score=drawn, guided=sampling.guided)
        clock.append(time.perf_counter())
        latents = self.denoise(plan, heard, sampling)
        clock.append(time.perf_counter())
        mel = self.decode(plan, latents, clip.duration_s)
        mel = played(mel, heard.level, self.mel.settings)
        mel = accented(mel, drawn.accents, self.mel.settings, ring=loop)
        mel = hushed(mel, drawn.silences, self.mel.settings)
        clock.append(time.perf_counter())
        sound = self.vocode(mel, clip.duration_s, seed=seed, ring=ring)
        clock.append(time.perf_counter())
        return DanceMusic(
            silenced(sound, score.silences, ring=loop),
            mel[0].cpu().numpy(),
            beats if ring is None else ring.heard_grid,
            genres.genre_code(genre),
            StageSeconds(*np.diff(clock).tolist()),
            seed,
        )

    def sampling(
        self,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        progress: Progress | None = None,
    ) -> Sampling:
        """Return how to denoise; the checkpoint's own numbers where none are given."""
        settings = self.config.settings
        return Sampling(
            seed,
            settings["inference_steps"] if steps is None else steps,
            settings["guidance_scale"] if guidance is None else guidance,
            progress,
        )

    def _loop(self, clip: MotionClip, grid: BeatGrid, *, hold_tempo: bool) -> Loop:
        column_s, window_s = self.seconds_of(1), self.seconds_of(self._columns("window_frames"))
        return fit_loop(clip, grid, column_s=column_s, window_s=window_s, hold_tempo=hold_tempo)

    def hear(
        self,
        clip: MotionClip,
        grid: BeatGrid,
        genre: str,
        plan: WindowPlan,
        *,
        guided: bool,
        from_s: float = 0.0,
        score: Score | None = None,
    ) -> Heard:
        """Return what every window is told of the dance.

        Args:
            clip: The dance.
            grid: Its beats.
            genre: Name or code.
            plan: The windows.
            guided: Whether to say what a window is told without the dance.
            from_s: Time in the dance of the plan's first column.
            score: A fitted score.
        """
        score = score or Score()
        dance = self.read_dance(clip, genre, grid, score)
        shares = genre_shares(score, dance.genre, from_s + self._column_times(plan))
        voices, untold = self._voices(dance, shares, plan, guided=guided, from_s=from_s)
        bars_s = bar_lines(grid, from_s + self.seconds_of(plan.total)) - from_s
        return Heard(voices, untold, bars_s, dance.level)

    def _hear_ring(
        self, ring: Loop, genre: str, plan: WindowPlan, *, score: Score, guided: bool
    ) -> Heard:
        round_s, window_s = self.seconds_of(plan.total), self.seconds_of(plan.width)
        dance = self.read_dance(ring.clip, genre, ring.grid, score, round_s=round_s)
        dance = repeated(dance, period_s=round_s, window_s=window_s)
        shares = genre_shares(score, dance.genre, self._column_times(plan), round_s=round_s)
        voices, untold = self._voices(dance, shares, plan, guided=guided)
        return Heard(voices, untold, np.empty(0), np.empty(0))

    def _column_times(self, plan: WindowPlan) -> NDArray[np.float64]:
        """Middle of every column, seconds from the first column's beginning."""
        return timebase.frame_times(plan.total, 1.0 / self.seconds_of(1)) + 0.5 * self.seconds_of(1)

    def _voices(
        self, dance: DanceInput, shares: dict[str, NDArray[np.float64]], plan: WindowPlan,
        *, guided: bool, from_s: float = 0.0,
    ) -> tuple[list[Voice], Told | None]:  # fmt: skip
        """A voice for every genre that has a say somewhere; and what is told without a dance."""
        voices: list[Voice] = []
        untold: Told | None = None
        for code, share in shares.items():
            if share.any():
                heard = replace(dance, genre=code)
                told, untold = self.conditions(heard, plan, guided=guided, from_s=from_s)
                voices.append(Voice(told, torch.from_numpy(share).float()))
        return voices, untold

    def read_dance(
        self,
        clip: MotionClip,
        genre: str,
        grid: BeatGrid,
        score: Score | None = None,
        *,
        round_s: float | None = None,
    ) -> DanceInput:
        """Return what the model is told of the dance, its effort as score and long arc have it.

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
            rows = with_effort(rows, energy_at(score, times_s, round_s=round_s), name)
        level = np.empty(0)
        if round_s is None:
            level = levels(effort_of(rows, name), bar_lines(grid, clip.duration_s))
            rows = with_effort(rows, level, name) if level.min() < 1.0 else rows
        features = self.normaliser(torch.from_numpy(rows).to(self.device)).cpu()
        code = genres.genre_code(genre)
        return DanceInput(features, code, grid.beats_s, grid.bar_start_s, level)

    def plan(self, duration_s: float, ring: Loop | None = None) -> WindowPlan:
        """Return the windows that cover ``duration_s`` seconds, or a loop."""
        if ring is not None:
            return plan_ring(ring.columns, **self._window_shape())
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

    def conditions(
        self, dance: DanceInput, plan: WindowPlan, *, guided: bool, from_s: float = 0.0
    ) -> tuple[AllTold, Told | None]:
        """Encode the condition of every window, and of any window that is told nothing."""

        def gathered(start: int) -> ConditionBatch:
            start_s = from_s + self.seconds_of(start)
            batch: ConditionBatch = self.condition_encoder.gather(dance, start_s)
            return batch.to(self.device)

        told = (self.condition_encoder(gathered(start)) for start in plan.starts)
        untold = self.condition_encoder(gathered(0).dropped()) if guided else None
        return all_told(told, len(plan.starts)), untold

    def denoise(
        self, plan: WindowPlan, heard: Heard, sampling: Sampling, held: Held | None = None
    ) -> Tensor:
        """Return the clean latent (1, C, H, total); what is held stays as it is."""
        noise = self._noise(plan, sampling.seed, heard.bars_s)
        if held is None:
            nothing = torch.zeros(plan.total, device=self.device)
            held = Held(torch.zeros_like(noise), nothing)
        shared = self._shared_mean(plan, heard)
        timesteps = held.steps_of(self.scheduler, sampling.steps)
        latents = held.started(self.scheduler, noise, timesteps[0])

        for done, timestep in enumerate(timesteps, start=1):

            def predict(windows: Tensor, places: slice, step: Tensor = timestep) -> Tensor:
                def ask(some: Tensor, told: Told) -> Tensor:
                    answer: Tensor = self.unet(some, step, **told).sample
                    return answer

                given = mixed(heard.voices, plan, places, windows, ask)
                if heard.untold is None:
                    return given
                free = ask(windows, alike(heard.untold, len(windows)))
                return free + sampling.guidance * (given - free)

            latents = held.put_back(self.scheduler, latents, noise, timestep)
            scaled = self.scheduler.scale_model_input(latents, timestep)
            joint = over_windows(plan, scaled, predict)
            if shared is not None:
                joint = shared.of(self.scheduler, joint, latents, timestep)
            latents = self.scheduler.step(joint, timestep, latents).prev_sample
            if sampling.progress is not None:
                sampling.progress(done, len(timesteps))
        return held.finished(latents)

    def _shared_mean(self, plan: WindowPlan, heard: Heard) -> SharedMean | None:
        """What brings the windows of a piece together; nothing for one window, or the paper's."""
        if len(plan.starts) < 2 or self.scheduler.config.prediction_type != "v_prediction":
            return None
        channels, height = self.unet.config.in_channels, self._height
        loudness = rhythm_directions(self.vae, channels=channels, height=height)
        shares = [voice.share for voice in heard.voices]
        return SharedMean(shares, loudness, width=plan.width, ring=bool(plan.ring))

    def encode(self, plan: WindowPlan, mel: Tensor) -> Tensor:
        """Return the latent (1, C, H, total) of a spectrogram (1, M, total * frames a column).

        Window by window, as long as those the codec was trained on.
        """
        frames = frames_per_column(self.vae)
        folded = mel.unflatten(-1, (plan.total, frames)).permute(0, 1, 3, 2)  # (1, M, f, total)

        def encoded(windows: Tensor, _: slice) -> Tensor:
            mel = windows.permute(0, 1, 3, 2).flatten(2)
            return scale_latents(self.vae, posterior_of(self.vae, mel)[0])

        return over_windows(plan, folded, encoded)

    def decode(self, plan: WindowPlan, latents: Tensor, duration_s: float) -> Tensor:
        """Return the mel spectrogram (1, M, L) of a latent; a row is cut to the dance's length."""
        mel = over_windows(
            plan,
            latents,
            lambda windows, _: decode_latents(self.vae, windows),
            per_column=frames_per_column(self.vae),
        )
        if plan.ring:
            return mel
        count = timebase.samples_in(duration_s, self.mel.settings.rate_hz)
        return mel[..., : timebase.mel_frames_in(count, self.mel.settings.hop_length)]

    def vocode(
        self, mel: Tensor, duration_s: float, *, seed: int = 0, ring: Loop | None = None
    ) -> Sound:
        """Return loudness-matched sound for a mel spectrogram (1, M, L)."""
        rate_hz, hop = self.mel.settings.rate_hz, self.mel.settings.hop_length
        if ring is None:
            count = timebase.samples_in(duration_s, rate_hz)
            return normalise(Sound(self.mel.decode(mel, n_samples=count, seed=seed)[0], rate_hz))
        wide, before = twice_around(mel)
        count = timebase.samples_of_mel_frames(wide.shape[-1], hop)
        samples = closed(
            self.mel.decode(wide, n_samples=count, seed=seed)[0],
            before=timebase.samples_of_mel_frames(before, hop),
            count=timebase.samples_of_mel_frames(mel.shape[-1], hop),
            rate_hz=rate_hz,
            heard=timebase.samples_in(ring.duration_s, rate_hz),
        )
        return normalise(Sound(samples, rate_hz))

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
        phrased = in_phrases(fresh, bars_s, column_s=column_s, window=plan.width, seed=seed)
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


def _score_of(score: Score | None, grid: BeatGrid, duration_s: float, ring: Loop | None) -> Score:
    """The score as it is played, or an empty one."""
    if score is None:
        return Score()
    if ring is None:
        return fitted(score, grid, duration_s)
    return fitted(score, ring.heard_grid, ring.duration_s, piece="loop")
