"""The pipeline from a dance to its music, in diffusers' form.

Motion clip → features → conditions of windows → denoised latent → mel spectrogram → sound. Loading
never runs code from a checkpoint: weights are safetensors, settings are JSON, and only classes of
a fixed list are built.
"""

import logging
import math
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin
from numpy.typing import NDArray
from torch import Tensor

from kinetune import genres, timebase
from kinetune.audio.loudness import integrated_lufs, normalise_loudness
from kinetune.audio.sound import Sound
from kinetune.config import build
from kinetune.errors import ConfigError, ModelError
from kinetune.model import checkpoint
from kinetune.model.adapters.adapter_file import apply_adapter, base_checksum, read_adapter
from kinetune.model.adapters.names import split_name
from kinetune.model.condition import DanceCondition, PaperCondition
from kinetune.model.conditioning.accents import add_accents, mute
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.conditioning.compression import compress
from kinetune.model.conditioning.control_score import (
    ControlScore,
    apply_silences,
    scale_times,
)
from kinetune.model.conditioning.dynamics import apply_dynamics
from kinetune.model.conditioning.harmony import Harmony
from kinetune.model.conditioning.similarity import MotionEmbedding
from kinetune.model.conditioning.window_conditions import ConditionMaker, WindowConditions
from kinetune.model.hub.publishing import publish
from kinetune.model.mel import Mel, MelVocoder, StereoMel
from kinetune.model.normaliser import FeatureNormaliser
from kinetune.model.results import DanceMusic, StageSeconds
from kinetune.model.sampling.denoiser import Denoiser, Progress, SamplingOptions
from kinetune.model.sampling.global_mean_guidance import GlobalMeanGuidance
from kinetune.model.sampling.initial_noise import phrase_locked_noise
from kinetune.model.sampling.inpainting import KnownLatents
from kinetune.model.sampling.loops import (
    Loop,
    fit_loop,
    score_for,
)
from kinetune.model.sampling.loudness_subspace import loudness_directions
from kinetune.model.sampling.window_codec import decode_windows, encode_windows
from kinetune.model.sampling.window_layout import WindowLayout
from kinetune.model.sampling.windows import WindowPlan
from kinetune.model.settings import PipelineSettings, check_length
from kinetune.model.synthesis import Synthesiser
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats.beat_grid import BeatGrid, group_beat_grid
from kinetune.motion.group import Dancers, dancers_of

_LOG = logging.getLogger(__name__)
_HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
# Whoever imports this module, as the file pipeline.py in a checkpoint does, can load one.
checkpoint.import_components()


class DanceToMusicPipeline(DiffusionPipeline):
    """Makes music for a dance.

    Args:
        vae: ``MelVAE`` or diffusers' ``AutoencoderKL``.
        unet: ``DanceUNet`` or diffusers' ``UNet2DConditionModel``.
        scheduler: Any diffusers scheduler with ``step``.
        condition_encoder: ``DanceCondition`` or ``PaperCondition``.
        normaliser: Scales the motion features.
        mel: Makes the spectrograms.
        vocoder: Makes the sound; Griffin-Lim does where there is none.
        similarity: Makes the motion vectors of a condition encoder that reads them; without it
            that condition is dropped.
        settings: The fields of :class:`~kinetune.model.settings.PipelineSettings`.

    Raises:
        ConfigError: The condition encoder reads other motion vectors than these.
    """

    _optional_components: ClassVar[list[str]] = list(checkpoint.OPTIONAL_NETWORKS)

    def __init__(  # noqa: PLR0913 - diffusers reads the components from the signature
        self,
        # Their common base, for diffusers reads these annotations when it loads.
        vae: ModelMixin,
        unet: ModelMixin,
        scheduler: SchedulerMixin,
        condition_encoder: DanceCondition | PaperCondition,
        normaliser: FeatureNormaliser,
        mel: Mel | StereoMel,
        vocoder: MelVocoder | None = None,
        similarity: MotionEmbedding | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        _check_similarity(condition_encoder, similarity)
        self.register_modules(
            vae=vae,
            unet=unet,
            scheduler=scheduler,
            condition_encoder=condition_encoder,
            normaliser=normaliser,
            mel=mel,
            vocoder=vocoder,
            similarity=similarity,
        )
        self.register_to_config(settings=dict(settings or {}))

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path = "default", *, device: str = "cpu", **options: Any
    ) -> "DanceToMusicPipeline":
        """Load a trained pipeline in float32.

        Args:
            name_or_path: A bundled name, a folder, or a hub id; ``BASE+FILE.safetensors`` is a
                model with an adapter.
            device: Where to put it, as torch names devices.
            **options: Passed on to diffusers; ``revision``, ``cache_dir``, ``token`` and
                ``local_files_only`` to the hub.

        Raises:
            ModelError: It is missing, damaged, or not a kinetune checkpoint.
        """
        hub = {name: options.pop(name) for name in _HUB_OPTIONS if name in options}
        base, adapter = split_name(name_or_path)
        folder = checkpoint.resolve(base, **hub)
        checkpoint.check_weights(folder)
        with checkpoint.loading_errors(str(folder)):
            # diffusers would warn if it had to find out for itself.
            options.setdefault("low_cpu_mem_usage", find_spec("accelerate") is not None)
            pipeline = super().from_pretrained(folder, use_safetensors=True, **options)
            for name in (*checkpoint.NETWORKS, *checkpoint.OPTIONAL_NETWORKS):
                network = getattr(pipeline, name)
                if network is not None:
                    network.float()
        if adapter is not None:
            pipeline._adapt(adapter, folder)
        _LOG.info("model %s on %s", folder, device)
        return pipeline.to(device)

    def _adapt(self, path: Path, folder: Path) -> None:
        """Change the pipeline, loaded from a folder, by an adapter."""
        adapter = read_adapter(path)
        if adapter.base_sha256 != base_checksum(folder):
            raise ModelError(
                f"{path}: made for another model than {folder.name}: for {adapter.base!r}, with "
                "other weights"
            )
        apply_adapter(self, adapter, path)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Save everything as JSON and safetensors; networks as float16, the normaliser as is."""
        networks = [self.vae, self.unet, self.condition_encoder]
        networks += [part for part in (self.vocoder, self.similarity) if part is not None]
        with checkpoint.as_float16(networks), checkpoint.atomic_folder(Path(folder)) as aside:
            super().save_pretrained(aside, safe_serialization=True, **options)
            checkpoint.strip_origins(aside)
            checkpoint.strip_absent(aside)
            checkpoint.write_pipeline_file(aside)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        card: str | None = None,
        commit_message: str = "Upload a kinetune model",
    ) -> str:
        """Put the pipeline with a model card on the Hugging Face hub; return the commit's address.

        Args:
            repo_id: ``user/name``; made if missing.
            private: Whether a new repository is private; the account's default if None.
            token: Access token; that of ``hf auth login`` if None.
            card: Text of the model card; one with the model's figures if None.
            commit_message: Of the commit.

        Raises:
            ModelError: The hub refuses, or can't be reached.
        """
        return publish(
            self, repo_id, card=card, private=private, token=token, commit_message=commit_message
        )

    @torch.no_grad()
    def __call__(  # noqa: PLR0913 - options by name, as diffusers' pipelines take them
        self,
        clip: Dancers,
        *,
        genre: str,
        seed: int = 0,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        grid: BeatGrid | None = None,
        loop: bool = False,
        hold_tempo: bool | None = None,
        score: ControlScore | None = None,
        harmony: Harmony | None = None,
        attributes: Mapping[str, float] | None = None,
        progress: Progress | None = None,
    ) -> DanceMusic:
        """Return music for ``clip``.

        Args:
            clip: The dance, 0.5 s to 2 h long, or a group of dancers: one piece for all of them.
            genre: Name or code.
            seed: The same seed, dance and settings give the same samples.
            num_inference_steps: Denoising steps; the checkpoint's own number if None.
            guidance_scale: Weight of the dance against no dance; 1 switches guidance off.
            grid: Beats to play to, from ``motion.beats``; estimated from the motion if None.
            loop: Make a seamless loop of whole bars.
            hold_tempo: In a loop, keep the grid's tempo and end with the last whole bar; otherwise
                the tempo moves to the nearest with which whole bars fill the dance. None holds the
                tempo of a grid that is given.
            score: Genres and energy by section, accents and silences; times within the loop if
                there is one.
            harmony: Key and chords of the music, with times of the output; free if None. Only
                models whose condition encoder reads the harmony follow it.
            attributes: Musical attributes by name, 1 for one that the music should have and -1 for
                one that it should lack; those that are left out, or all if None, are open. Only
                models with :attr:`attribute_names` follow them.
            progress: Called after every denoising step.

        Raises:
            ConfigError: An unknown genre, an impossible number, or a score that doesn't fit.
            MotionError: The clip is too short or too long.
        """
        options = self.sampling_options(seed, num_inference_steps, guidance_scale, progress)
        check_length(clip)
        clock = [time.perf_counter()]
        beats = group_beat_grid(dancers_of(clip)) if grid is None else grid
        hold_tempo = grid is not None if hold_tempo is None else hold_tempo
        fitted = self._fit_loop(clip, beats, hold_tempo=hold_tempo) if loop else None
        score = score_for(score, beats, clip.duration_s, fitted)
        # A loop is generated on whole latent columns, a little longer or shorter than its output.
        stretched = score if fitted is None else scale_times(score, fitted.stretch)
        plan = self.plan(clip.duration_s, fitted)
        music = MusicConditions(harmony, attributes or {})
        conditions = (
            self.conditions.of_dance(
                clip, beats, genre, plan, score=score, music=music, guided=options.guided
            )
            if fitted is None
            else self.conditions.of_loop(
                fitted, genre, plan, stretched, guided=options.guided, music=music
            )
        )
        clock.append(time.perf_counter())
        latents = self.denoise(plan, conditions, options)
        clock.append(time.perf_counter())
        mel = self.decode(plan, latents, clip.duration_s)
        mel = compress(mel, self.settings.compression, self.mel.settings, loop=loop)
        mel = apply_dynamics(mel, conditions.bar_level, self.mel.settings)
        mel = add_accents(mel, stretched.accents, self.mel.settings, loop=loop)
        mel = mute(mel, stretched.silences, self.mel.settings)
        clock.append(time.perf_counter())
        raw = self.synthesiser.sound(mel, clip.duration_s, seed=seed, loop=fitted)
        model_lufs = integrated_lufs(raw)
        sound = normalise_loudness(raw, loudness_lufs=model_lufs)
        clock.append(time.perf_counter())
        return DanceMusic(
            apply_silences(sound, score.silences, loop=loop),
            mel[0].cpu().numpy(),
            beats if fitted is None else fitted.output_grid,
            genres.genre_code(genre),
            StageSeconds(*np.diff(clock).tolist()),
            seed,
            harmony if self.reads_harmony else None,
            model_lufs if math.isfinite(model_lufs) else None,
            music.attributes if self.attribute_names else {},
        )

    @property
    def reads_harmony(self) -> bool:
        """Whether key and chords are a condition of the model."""
        return bool(self.condition_encoder.config.get("reads_harmony", False))

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Names of the musical attributes that are a condition of the model."""
        return tuple(self.condition_encoder.config.get("attributes", ()))

    @property
    def settings(self) -> PipelineSettings:
        """How the pipeline is run, from its configuration.

        Raises:
            ConfigError: A setting is missing, unknown or impossible.
        """
        return build(PipelineSettings, self.config.settings, context="model_index.json settings")

    def sampling_options(
        self,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        progress: Progress | None = None,
    ) -> SamplingOptions:
        """Return how to denoise; the checkpoint's own numbers where none are given."""
        settings = self.settings
        return SamplingOptions(
            seed,
            settings.inference_steps if steps is None else steps,
            settings.guidance_scale if guidance is None else guidance,
            progress,
        )

    @property
    def conditions(self) -> ConditionMaker:
        """What makes the conditions of windows."""
        return ConditionMaker(
            self.condition_encoder,
            self.normaliser,
            self.layout,
            self.settings.effort_contrast,
            self.similarity,
        )

    @property
    def layout(self) -> WindowLayout:
        """Shape of the windows."""
        settings, frames = self.settings, frames_per_column(self.vae)
        return WindowLayout(
            width=settings.window_frames // frames,
            useful=settings.useful_frames // frames,
            overlap=settings.overlap_columns,
            column_frames=frames,
            frame_rate_hz=self.mel.settings.frame_rate_hz,
        )

    def plan(self, duration_s: float, loop: Loop | None = None) -> WindowPlan:
        """Return the windows that cover ``duration_s`` seconds, or a loop."""
        if loop is not None:
            return self.layout.plan_loop(loop.columns)
        frames = timebase.mel_frames_in(
            timebase.samples_in(duration_s, self.mel.settings.rate_hz), self.mel.settings.hop_length
        )
        return self.layout.plan(-(-frames // frames_per_column(self.vae)))

    def _fit_loop(self, clip: Dancers, grid: BeatGrid, *, hold_tempo: bool) -> Loop:
        layout = self.layout
        return fit_loop(
            clip,
            grid,
            column_s=layout.seconds_of(1),
            window_s=layout.seconds_of(layout.width),
            hold_tempo=hold_tempo,
        )

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
        denoiser = Denoiser(
            self.unet,
            self.scheduler,
            plan,
            conditions,
            options.guidance,
            self._mean_guidance(plan, conditions),
        )
        return denoiser.run(noise, known, steps=options.steps, progress=options.progress)

    def _mean_guidance(
        self, plan: WindowPlan, conditions: WindowConditions
    ) -> GlobalMeanGuidance | None:
        """Return the guidance to a common mean; None for one window, or the paper's preset."""
        if len(plan.starts) < 2 or self.scheduler.config.prediction_type != "v_prediction":
            return None
        channels, height = self.unet.config.in_channels, self._height
        loudness = loudness_directions(self.vae, channels=channels, height=height)
        weights = [condition.weight for condition in conditions.genres]
        return GlobalMeanGuidance(weights, loudness, width=plan.width, loop=plan.is_loop)

    def encode(self, plan: WindowPlan, mel: Tensor) -> Tensor:
        """Return the latent (1, C, H, total) of a spectrogram (1, M, total * frames a column).

        See :func:`~kinetune.model.sampling.window_codec.encode_windows`.
        """
        return encode_windows(self.vae, plan, mel)

    def decode(self, plan: WindowPlan, latents: Tensor, duration_s: float) -> Tensor:
        """Return the mel spectrogram (1, M, L) of a latent; a row is cut to the dance's length."""
        mel = decode_windows(self.vae, plan, latents)
        if plan.is_loop:
            return mel
        count = timebase.samples_in(duration_s, self.mel.settings.rate_hz)
        return mel[..., : timebase.mel_frames_in(count, self.mel.settings.hop_length)]

    def vocode(
        self, mel: Tensor, duration_s: float, *, seed: int = 0, loop: Loop | None = None
    ) -> Sound:
        """Return loudness-matched sound for a mel spectrogram; see :meth:`Synthesiser.sound`."""
        return normalise_loudness(self.synthesiser.sound(mel, duration_s, seed=seed, loop=loop))

    @property
    def synthesiser(self) -> Synthesiser:
        """What makes the sound."""
        return Synthesiser(self.mel, self.vocoder)

    @property
    def output_rate_hz(self) -> int:
        """Samples per second of the sound."""
        return self.synthesiser.rate_hz

    @property
    def _height(self) -> int:
        """H of the latent."""
        is_row = self.condition_encoder.config.get("mel_frames")
        size = self.unet.config.sample_size
        return 1 if is_row else int(size if isinstance(size, int) else size[0])

    def _noise(self, plan: WindowPlan, seed: int, bars_s: NDArray[np.float64]) -> Tensor:
        """Draw the first latent on the CPU, so that a seed means the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, self.unet.config.in_channels, self._height, plan.total)
        fresh = torch.randn(shape, generator=generator)
        column_s = self.layout.seconds_of(1)
        noise = phrase_locked_noise(fresh, bars_s, column_s=column_s, window=plan.width, seed=seed)
        return noise.to(self.device)


def _check_similarity(
    encoder: DanceCondition | PaperCondition, similarity: MotionEmbedding | None
) -> None:
    needed = encoder.config.get("similarity", 0)
    given = 0 if similarity is None else similarity.config.embedding
    if needed != given:
        raise ConfigError(
            f"similarity: the condition encoder reads motion vectors of {needed} numbers, found "
            f"{given}"
        )
