"""Edits of existing music: regenerate a span, extend the end, vary the whole.

The music may have any rate, be mono or stereo, and come from any source. Outside the new part the
file's own samples are kept. The model is conditioned on the dance, and on the latent of the music
around the new part (inpainting). Times in seconds.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune import genres, timebase
from kinetune.audio.inpaint import inpaint_gap
from kinetune.audio.loudness import integrated_lufs, limit_peaks, normalise_loudness
from kinetune.audio.mel import loudest_power
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError
from kinetune.model.conditioning.accents import add_accents, mute
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.conditioning.compression import compress
from kinetune.model.conditioning.control_score import (
    ControlScore,
    Silence,
    apply_silences,
    fit_score,
)
from kinetune.model.sampling.edit_spec import EditSpec, edit_span
from kinetune.model.sampling.inpainting import KnownLatents
from kinetune.model.sampling.loudness_subspace import loudness_directions
from kinetune.model.sampling.windows import WindowPlan
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats.beat_grid import BeatGrid, group_beat_grid
from kinetune.motion.group import Dancers, dancers_of

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline
    from kinetune.model.sampling.denoiser import SamplingOptions

# Cross-fade at each join, before it: a beat on the join keeps its attack.
_CROSSFADE_S = 0.012
# Music around the new part that the model is conditioned on, at least.
_CONTEXT_S = 4.0


@dataclass(frozen=True, eq=False)
class EditedMusic:
    """Music with a part that is new.

    Attributes:
        sound: The music, at the rate and with the channels of what came in.
        start_s: Start of the new part.
        end_s: Its end.
        grid: The beat grid it was made to.
        genre: Genre code of the new part.
        seconds: Wall-clock seconds it took.
    """

    sound: Sound
    start_s: float
    end_s: float
    grid: BeatGrid
    genre: str
    seconds: float


@torch.no_grad()
def edit_music(  # noqa: PLR0913 - what an edit depends on, by name
    pipeline: "DanceToMusicPipeline",
    sound: Sound,
    clip: Dancers,
    spec: EditSpec,
    *,
    genre: str,
    sampling: "SamplingOptions",
    grid: BeatGrid | None = None,
    score: ControlScore | None = None,
    music: MusicConditions | None = None,
    model_lufs: float | None = None,
) -> EditedMusic:
    """Return existing music with a new part.

    Args:
        pipeline: The model.
        sound: The music; it begins with the dance.
        clip: The dance.
        spec: What to change.
        genre: Name or code of the new part.
        sampling: See ``pipeline.sampling_options``.
        grid: Beats to play to; estimated from the motion if None.
        score: Genres and energy by section, accents and silences of the piece; applied to the new
            part.
        music: Key, chords and musical attributes of the piece; free if None.
        model_lufs: Loudness of the music as the model made it, before it was matched to a target;
            that of the training music if None. What is new fits in at this level.

    Raises:
        ConfigError: The score doesn't fit the dance, or the span lies outside the music or the
            dance.
        AudioError: The music is silent.
    """
    began = time.perf_counter()
    beats = group_beat_grid(dancers_of(clip)) if grid is None else grid
    start_s, end_s = edit_span(spec, sound.duration_s, clip, beats)
    samples = _samples_for_model(sound, pipeline)
    level_lufs = pipeline.settings.training_lufs if model_lufs is None else model_lufs
    gain = _gain_to(level_lufs, Sound(samples.T, pipeline.mel.settings.rate_hz))
    samples = samples * gain
    fitted = ControlScore() if score is None else fit_score(score, beats, clip.duration_s)
    region = _region_around(pipeline, (start_s, end_s), sound.duration_s)
    conditions = pipeline.conditions.of_dance(
        clip, beats, genre, region.plan, guided=sampling.guided, from_s=region.start_s,
        score=fitted, music=music,
    )  # fmt: skip
    known = region.known_latents(samples, spec)
    latents = pipeline.denoise(region.plan, conditions, sampling, known)
    if spec.is_whole:
        mel = pipeline.decode(region.plan, latents, sound.duration_s)
        mel = compress(mel, _compression(pipeline, spec), pipeline.mel.settings)
        mel = add_accents(mel, fitted.accents, pipeline.mel.settings)
        mel = mute(mel, fitted.silences, pipeline.mel.settings)
        new = pipeline.vocode(mel, sound.duration_s, seed=sampling.seed)
        edited = _like_original(new, sound)
    else:
        level = Sound(sound.samples * gain, sound.rate_hz)
        new = region.synthesise(
            latents, samples, sampling.seed, spec=spec, score=fitted, sound=level
        )
        new = Sound(new.samples / gain, new.rate_hz)
        edited = crossfade_into(sound, new, region.start_s, region.new_s)
    edited = apply_silences(edited, _silences_within(fitted, (start_s, end_s)))
    code = genres.genre_code(genre)
    return EditedMusic(edited, start_s, end_s, beats, code, time.perf_counter() - began)


def _gain_to(lufs: float, sound: Sound) -> np.float32:
    """Return the gain that brings music to a loudness.

    Args:
        lufs: The loudness.
        sound: The music with as many channels as the model's: a stereo sound is louder by up to
            3 LU than its mono mix.

    Raises:
        AudioError: The file is silent.
    """
    loudness = integrated_lufs(sound)
    if not np.isfinite(loudness):
        raise AudioError("the music is silent: there is nothing to edit or to continue")
    return np.float32(10.0 ** ((lufs - loudness) / 20.0))


@dataclass(frozen=True, eq=False)
class _Region:
    """The part of the music that is encoded, in whole latent columns.

    Attributes:
        pipeline: The model.
        plan: Windows over it; they may reach beyond its end.
        first: Latent column of the music at which it begins.
        columns: Its latent columns.
        new_s: Start and end, in the music, of the new part.
    """

    pipeline: "DanceToMusicPipeline"
    plan: WindowPlan
    first: int
    columns: int
    new_s: tuple[float, float]

    @property
    def start_s(self) -> float:
        """Start of the region in the music."""
        return self.pipeline.layout.seconds_of(self.first)

    @property
    def gap(self) -> slice:
        """The new part, in samples of the region at the model's rate."""
        rate_hz = self.pipeline.mel.settings.rate_hz
        first, last = (timebase.samples_in(t - self.start_s, rate_hz) for t in self.new_s)
        return slice(max(0, first), last)

    def cut(self, samples: NDArray[np.float32], columns: int, *, margin: int = 0) -> Tensor:
        """Return ``columns`` columns of the music's samples, silence beyond its ends.

        Args:
            samples: Of the whole music at the model's rate, (N,) or (2, N).
            columns: Length of the cut.
            margin: More columns on either side.
        """
        size = self._samples_of(1)
        first, last = (self.first - margin) * size, (self.first + columns + margin) * size
        part = torch.from_numpy(samples[..., max(0, first) : max(0, last)])
        ahead = max(0, -first)
        return functional.pad(part, (ahead, last - first - ahead - part.shape[-1]))

    def known_latents(self, samples: NDArray[np.float32], spec: EditSpec) -> KnownLatents:
        """Return the latents of the music, and which columns are kept."""
        frames = frames_per_column(self.pipeline.vae)
        known = self.cut(samples, self.plan.total, margin=1).to(self.pipeline.device)
        mel = self.pipeline.mel.encode(known[None])
        mel = mel[..., frames : (self.plan.total + 1) * frames]
        latents = self.pipeline.encode(self.plan, mel)
        directions = None
        if spec.keep_rhythm:
            _, channels, height, _ = latents.shape
            directions = loudness_directions(self.pipeline.vae, channels=channels, height=height)
        return KnownLatents(latents, self._kept(samples.shape[-1]), spec.amount, directions)

    def _kept(self, n_samples: int) -> Tensor:
        """Return 1 where a column lies in the music and outside the new part, else 0."""
        size = self._samples_of(1)
        kept = torch.zeros(self.plan.total, device=self.pipeline.device)
        kept[: max(0, n_samples // size - self.first)] = 1.0
        kept[self.gap.start // size : -(-self.gap.stop // size)] = 0.0
        return kept

    def synthesise(
        self,
        latents: Tensor,
        samples: NDArray[np.float32],
        seed: int,
        *,
        spec: EditSpec,
        score: ControlScore,
        sound: Sound,
    ) -> Sound:
        """Return the region with the new part in it, at the output's rate and the model's level.

        Args:
            latents: Of the region.
            samples: Of the whole music at the model's rate, (N,) or (2, N).
            seed: Of the phases or the noise.
            spec: What is changed.
            score: Its accents are added to the new part.
            sound: The whole music at the model's level.
        """
        mel = self.pipeline.decode(
            self.plan, latents, self.pipeline.layout.seconds_of(self.columns)
        )
        mel = compress(mel, _compression(self.pipeline, spec), self.pipeline.mel.settings)
        accents = [
            replace(accent, at_s=accent.at_s - self.start_s)
            for accent in score.accents
            if self.new_s[0] <= accent.at_s < self.new_s[1]
        ]
        mel = add_accents(mel, accents, self.pipeline.mel.settings)[0]
        known = self.cut(samples, self.columns).to(mel)
        config = self.pipeline.mel.settings
        # Under "max" a spectrogram has no level of its own: take it from the samples.
        scale = loudest_power(known[None], config) ** 0.5 if config.reference == "max" else 1.0
        known = known / scale
        target = self.pipeline.mel.encode(known[None])[0]
        frames = slice(*(edge // config.hop_length for edge in (self.gap.start, self.gap.stop)))
        count = min(frames.stop, mel.shape[-1]) - frames.start
        target[:, frames.start : frames.start + count] = mel[:, frames.start :][:, :count]
        if self.pipeline.vocoder is not None:
            return self._vocoded(target[None], sound, seed)
        out = inpaint_gap(known, self.gap, target, config, seed=seed) * scale
        return Sound(out.cpu().numpy().astype(np.float32), config.rate_hz)

    def _vocoded(self, target: Tensor, sound: Sound, seed: int) -> Sound:
        """Return the region by the vocoder, continuing from the music before the new part."""
        rate_hz = self.pipeline.output_rate_hz
        # Ahead of the join by the cross-fade, where both sound.
        first, last = (
            timebase.samples_in(t, sound.rate_hz)
            for t in (self.start_s, self.new_s[0] - 2.0 * _CROSSFADE_S)
        )
        ahead = Sound(sound.samples[first : max(first + 1, last)], sound.rate_hz)
        before = _with_channels(resample(ahead, rate_hz).samples, 2)
        count = timebase.samples_in(self.pipeline.layout.seconds_of(self.columns), rate_hz)
        made = self.pipeline.synthesiser.samples(target, count, seed=seed, before=before)
        return Sound(made, rate_hz)

    def _samples_of(self, columns: int) -> int:
        frames = frames_per_column(self.pipeline.vae)
        hop = self.pipeline.mel.settings.hop_length
        return timebase.samples_of_mel_frames(columns * frames, hop)


def _compression(pipeline: "DanceToMusicPipeline", spec: EditSpec) -> float:
    """Compression of what is new; music that is kept in part has been compressed already."""
    return pipeline.settings.compression * spec.amount


def _samples_for_model(sound: Sound, pipeline: "DanceToMusicPipeline") -> NDArray[np.float32]:
    """Return the samples that the model's spectrogram is made of, (N,), or (2, N) for stereo."""
    rate_hz = pipeline.mel.settings.rate_hz
    if pipeline.mel.channels == 1:
        return resample(to_mono(sound), rate_hz).samples
    return np.ascontiguousarray(_with_channels(resample(sound, rate_hz).samples, 2).T)


def _silences_within(score: ControlScore, span_s: tuple[float, float]) -> list[Silence]:
    """Return the parts of the score's silences that lie in a stretch, its cross-fade included."""
    start_s, end_s = span_s[0] - _CROSSFADE_S, span_s[1]
    return [
        Silence(max(silence.start_s, start_s), min(silence.end_s, end_s))
        for silence in score.silences
        if silence.start_s < end_s and silence.end_s > start_s
    ]


def _region_around(
    pipeline: "DanceToMusicPipeline", new_s: tuple[float, float], music_s: float
) -> _Region:
    """Return the new part with context on both sides, a window long where the music allows."""
    column_s, window_s = pipeline.layout.seconds_of(1), pipeline.layout.window_s
    ends_s = max(music_s, new_s[1])
    context_s = max(_CONTEXT_S, 0.5 * (window_s - (new_s[1] - new_s[0])))
    # Where one side is short, the other side gives more.
    first_s = max(0.0, min(new_s[0] - context_s, ends_s - window_s))
    last_s = min(ends_s, max(new_s[1] + context_s, first_s + window_s))
    first, last = int(first_s / column_s), math.ceil(last_s / column_s - 1e-6)
    return _Region(pipeline, pipeline.layout.plan(last - first), first, last - first, new_s)


def crossfade_into(
    sound: Sound, region: Sound, region_s: float, new_s: tuple[float, float]
) -> Sound:
    """Return the sound with the new part of a region in it, cross-faded at both joins.

    Args:
        sound: The music.
        region: The region, mono or stereo, at any rate.
        region_s: Start of the region in the music, seconds.
        new_s: Start and end of the new part in the music, seconds.
    """
    rate_hz = sound.rate_hz
    first, start, end = (timebase.samples_in(t, rate_hz) for t in (region_s, *new_s))
    out = np.array(sound.samples)
    if end > len(out):
        out = np.concatenate([out, np.zeros((end - len(out), *out.shape[1:]), np.float32)])
    fresh = limit_peaks(resample(region, rate_hz)).samples
    fresh = _with_channels(fresh, 1 if out.ndim == 1 else out.shape[1])
    part = slice(max(first, start - timebase.samples_in(_CROSSFADE_S, rate_hz), 0), end)
    missing = max(0, end - first - len(fresh))
    fresh = np.pad(fresh, ((0, missing), (0, 0)))[part.start - first : end - first]
    weight = _crossfade_weight(part, start, end if end < len(sound.samples) else None, rate_hz)
    if out.ndim == 2:
        weight = weight[:, None]
    else:
        fresh = fresh[:, 0]
    out[part] += weight * (fresh - out[part])
    return Sound(out, rate_hz)


def _with_channels(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return samples (N,) or (N, channels) as (N, ``channels``)."""
    rows = samples[:, None] if samples.ndim == 1 else samples
    if rows.shape[1] == channels:
        return rows
    return rows.mean(axis=1, keepdims=True).repeat(channels, axis=1)


def _crossfade_weight(
    part: slice, start: int, end: int | None, rate_hz: int
) -> NDArray[np.float32]:
    """Return the weight of the new part at each sample of ``part``: it fades before both joins."""
    fade = max(1, timebase.samples_in(_CROSSFADE_S, rate_hz))
    index = np.arange(part.start, part.stop)
    weight = (index - (start - fade)) / fade if part.start > 0 else np.ones(len(index))
    if end is not None:
        weight = np.minimum(weight, (end - index) / fade)
    return np.clip(weight, 0.0, 1.0).astype(np.float32)


def _like_original(new: Sound, sound: Sound) -> Sound:
    """Return new music with the original's rate, channels, length and loudness."""
    at_rate = resample(new, sound.rate_hz).samples
    count = len(sound.samples)
    rows = _with_channels(at_rate, 1 if sound.samples.ndim == 1 else sound.samples.shape[1])
    rows = np.pad(rows, ((0, max(0, count - len(rows))), (0, 0)))[:count]
    samples = rows[:, 0] if sound.samples.ndim == 1 else rows
    return normalise_loudness(Sound(samples, sound.rate_hz), target_lufs=integrated_lufs(sound))
