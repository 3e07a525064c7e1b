"""Music that is there, changed: a stretch made anew, the end gone on from, the whole varied.

The music may be anyone's, at any rate, mono or stereo. Around the stretch the file's own samples
stay; the model hears them and makes what fits between. Seconds unless named otherwise.
"""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetune import genres, timebase
from kinetune.audio.inpaint import inpaint_gap
from kinetune.audio.loudness import integrated_lufs, limit_peaks, normalise_loudness
from kinetune.audio.mel import loudest_power
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError, ConfigError
from kinetune.model.conditioning.bars import bar_lines, nearest_bar, snap_to_bars
from kinetune.model.sampling.inpainting import KnownLatents, check_strength
from kinetune.model.sampling.loudness_subspace import loudness_directions
from kinetune.model.sampling.windows import WindowPlan
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid
from kinetune.motion.clip import MotionClip

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline, SamplingOptions

# The loudness of what the model learned from (the corpus, docs/results.md), and so what it goes on
# from as loudly as it was: heard 5 dB louder, it would answer 2.5 dB too softly.
_MODEL_LUFS = -19.0
# What stays melts into what is new over so long, ahead of the join: a beat on it keeps its attack.
_MELT_S = 0.012
# The model hears this much around a stretch at least.
_AROUND_S = 4.0
_SHORTEST_S, _MOST_BEYOND_S = 0.2, 0.5


@dataclass(frozen=True)
class EditSpec:
    """What is to be changed.

    Attributes:
        redo: Start and end of a stretch to make anew.
        continue_s: Go on from the end for so long.
        strength: How much of it is new, 0 to 1; None is all of a stretch or of one whose rhythm
            is kept, 0.3 of a whole.
        keep_rhythm: Keep its loudness from moment to moment, however new its sound is.
        exact: Take times as they are, not moved to bar lines.

    Raises:
        ConfigError: A number is impossible, or both ``redo`` and ``continue_s`` are named.
    """

    redo: tuple[float, float] | None = None
    continue_s: float | None = None
    strength: float | None = None
    keep_rhythm: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if self.redo is not None and self.continue_s is not None:
            raise ConfigError("redo a stretch or continue the music, not both at once")
        if self.redo is not None and not 0.0 <= self.redo[0] < self.redo[1] < np.inf:
            raise ConfigError(
                f"a stretch must begin at 0 s or later and before it ends, found "
                f"{self.redo[0]:g} to {self.redo[1]:g} s"
            )
        if self.continue_s is not None and not _SHORTEST_S <= self.continue_s < np.inf:
            raise ConfigError(
                f"continue for {_SHORTEST_S:g} s or more, found {self.continue_s:g} s"
            )
        if self.continue_s is not None and (self.keep_rhythm or self.strength not in (None, 1.0)):
            raise ConfigError(
                "what comes after the end is all new: there is no strength and no rhythm to keep"
            )
        check_strength(self.amount)

    @property
    def is_whole(self) -> bool:
        """Whether the whole piece is varied."""
        return self.redo is None and self.continue_s is None

    @property
    def amount(self) -> float:
        """The strength, or its default."""
        if self.strength is not None:
            return self.strength
        return 0.3 if self.is_whole and not self.keep_rhythm else 1.0


@dataclass(frozen=True, eq=False)
class EditedMusic:
    """What comes out.

    Attributes:
        sound: The music, at the rate and with the channels of what came in.
        start_s: Where what is new begins.
        end_s: Where it ends.
        grid: The beat grid it was made to.
        genre: Genre code of what is new.
        seconds: Wall-clock seconds it took.
    """

    sound: Sound
    start_s: float
    end_s: float
    grid: BeatGrid
    genre: str
    seconds: float


@torch.no_grad()
def edit_music(
    pipeline: "DanceToMusicPipeline",
    sound: Sound,
    clip: MotionClip,
    change: EditSpec,
    *,
    genre: str,
    sampling: "SamplingOptions",
    grid: BeatGrid | None = None,
) -> EditedMusic:
    """Return music that is there, changed.

    Args:
        pipeline: The model.
        sound: The music; it begins with the dance.
        clip: The dance.
        change: What to change.
        genre: Name or code of what is new.
        sampling: See ``pipeline.sampling``.
        grid: Beats to play to; found in the dance if None.

    Raises:
        ConfigError: The stretch lies outside the music or the dance.
        AudioError: The music is silent.
    """
    began = time.perf_counter()
    beats = beat_grid(clip) if grid is None else grid
    start_s, end_s = edit_span(change, sound.duration_s, clip, beats)
    gain = _gain_to_model(sound)
    mono = Sound(to_mono(sound).samples * gain, sound.rate_hz)
    samples = resample(mono, pipeline.mel.settings.rate_hz).samples
    piece = _piece(pipeline, (start_s, end_s), sound.duration_s)
    heard = pipeline.prepare_conditions(
        clip, beats, genre, piece.plan, guided=sampling.guided, from_s=piece.start_s
    )
    held = piece.held(samples, change)
    latents = pipeline.denoise(piece.plan, heard, sampling, held)
    if change.is_whole:
        mel = pipeline.decode(piece.plan, latents, sound.duration_s)
        out = _whole(pipeline.vocode(mel, sound.duration_s, seed=sampling.seed), sound)
    else:
        made = piece.made(latents, samples, sampling.seed)
        made = Sound(made.samples / gain, made.rate_hz)
        out = _set_in(sound, made, piece.start_s, piece.new_s)
    code = genres.genre_code(genre)
    return EditedMusic(out, start_s, end_s, beats, code, time.perf_counter() - began)


def edit_span(
    change: EditSpec, music_s: float, clip: MotionClip, grid: BeatGrid
) -> tuple[float, float]:
    """Return where what is new begins and ends, at bar lines unless it shall be exact.

    Args:
        change: What to change.
        music_s: Length of the music.
        clip: The dance.
        grid: Its beats.

    Raises:
        ConfigError: It would lie outside the music or the dance.
    """
    dance_s = clip.duration_s
    if change.continue_s is not None:
        return _beyond(change.continue_s, music_s, clip, grid, exact=change.exact)
    if change.redo is None:
        if music_s > dance_s + _MOST_BEYOND_S:
            raise ConfigError(
                f"{clip.name}: the dance lasts {dance_s:.2f} s, the music {music_s:.2f} s; "
                f"redo a stretch that is danced to instead, such as 0:{dance_s:.1f}"
            )
        return 0.0, music_s
    start_s, end_s = change.redo
    reach_s = min(music_s, dance_s + _MOST_BEYOND_S)
    # A tenth of a second is forgiven to who types a length that was printed rounded.
    if end_s > reach_s + 0.1:
        what, length_s = ("music", music_s) if music_s <= dance_s else ("dance", dance_s)
        raise ConfigError(f"the stretch ends at {end_s:g} s, but the {what} lasts {length_s:.2f} s")
    if not change.exact:
        return snap_to_bars(grid, start_s, end_s, reach_s)
    return start_s, min(end_s, reach_s)


def _beyond(
    continue_s: float, music_s: float, clip: MotionClip, grid: BeatGrid, *, exact: bool
) -> tuple[float, float]:
    dance_s = clip.duration_s
    if music_s + continue_s > dance_s + _MOST_BEYOND_S:
        raise ConfigError(
            f"{clip.name}: the dance lasts {dance_s:.2f} s; music of {music_s:.2f} s with "
            f"{continue_s:g} s more needs {music_s + continue_s:.2f} s of it"
        )
    if exact:
        return music_s, music_s + continue_s
    # The last bar line of the music, unless that would throw a whole bar away.
    lines = bar_lines(grid, music_s)
    start_s = float(lines[-1]) if len(lines) and lines[-1] > 0.0 else music_s
    end_s = nearest_bar(grid, music_s + continue_s, dance_s)
    return start_s, max(end_s, start_s + _SHORTEST_S)


def _gain_to_model(sound: Sound) -> np.float32:
    """The gain from a file's level to the one that the model knows.

    Raises:
        AudioError: The file is silent.
    """
    loudness = integrated_lufs(to_mono(sound))
    if not np.isfinite(loudness):
        raise AudioError("the music is silent: there is nothing to go on from")
    return np.float32(10.0 ** ((_MODEL_LUFS - loudness) / 20.0))


@dataclass(frozen=True, eq=False)
class _Piece:
    """The part of the music that the model looks at, in whole columns.

    Attributes:
        pipeline: The model.
        plan: Windows over it; they may reach beyond its end.
        first: Latent column of the music at which it begins.
        columns: Latent columns that count.
        new_s: Start and end, in the music, of what is new.
    """

    pipeline: "DanceToMusicPipeline"
    plan: WindowPlan
    first: int
    columns: int
    new_s: tuple[float, float]

    @property
    def start_s(self) -> float:
        """Where it begins in the music."""
        return self.pipeline.seconds_of(self.first)

    @property
    def gap(self) -> slice:
        """What is new, in samples of the piece at the model's rate."""
        rate_hz = self.pipeline.mel.settings.rate_hz
        first, last = (timebase.samples_in(t - self.start_s, rate_hz) for t in self.new_s)
        return slice(max(0, first), last)

    def cut(self, samples: NDArray[np.float32], columns: int, *, margin: int = 0) -> Tensor:
        """Return ``columns`` columns of the music's samples, silence beyond its ends.

        Args:
            samples: Of the whole music at the model's rate, (N,).
            columns: How many to cut.
            margin: Columns more, before and behind.
        """
        size = self._samples_of(1)
        first, last = (self.first - margin) * size, (self.first + columns + margin) * size
        part = samples[max(0, first) : max(0, last)]
        padded = np.pad(part, (max(0, -first), 0))
        return torch.from_numpy(np.pad(padded, (0, last - first - len(padded))))

    def held(self, samples: NDArray[np.float32], change: EditSpec) -> KnownLatents:
        """Return the music as the denoiser finds it."""
        frames = frames_per_column(self.pipeline.vae)
        known = self.cut(samples, self.plan.total, margin=1).to(self.pipeline.device)
        mel = self.pipeline.mel.encode(known[None])
        mel = mel[..., frames : (self.plan.total + 1) * frames]
        latents = self.pipeline.encode(self.plan, mel)
        directions = None
        if change.keep_rhythm:
            _, channels, height, _ = latents.shape
            directions = loudness_directions(self.pipeline.vae, channels=channels, height=height)
        return KnownLatents(latents, self._kept(len(samples)), change.amount, directions)

    def _kept(self, n_samples: int) -> Tensor:
        """1 where a column holds nothing new and lies within the music of ``n_samples``."""
        size = self._samples_of(1)
        kept = torch.zeros(self.plan.total, device=self.pipeline.device)
        kept[: max(0, n_samples // size - self.first)] = 1.0
        kept[self.gap.start // size : -(-self.gap.stop // size)] = 0.0
        return kept

    def made(self, latents: Tensor, samples: NDArray[np.float32], seed: int) -> Sound:
        """Return the piece with what is new in it, at the model's rate and level."""
        mel = self.pipeline.decode(self.plan, latents, self.pipeline.seconds_of(self.columns))[0]
        known = self.cut(samples, self.columns).to(mel)
        config = self.pipeline.mel.settings
        # A spectrogram relative to its loudest point says nothing of the level; the piece does.
        scale = loudest_power(known[None], config) ** 0.5 if config.reference == "max" else 1.0
        known = known / scale
        wanted = self.pipeline.mel.encode(known[None])[0]
        frames = slice(*(edge // config.hop_length for edge in (self.gap.start, self.gap.stop)))
        count = min(frames.stop, mel.shape[-1]) - frames.start
        wanted[:, frames.start : frames.start + count] = mel[:, frames.start :][:, :count]
        out = inpaint_gap(known, self.gap, wanted, config, seed=seed) * scale
        return Sound(out.cpu().numpy().astype(np.float32), config.rate_hz)

    def _samples_of(self, columns: int) -> int:
        frames = frames_per_column(self.pipeline.vae)
        hop = self.pipeline.mel.settings.hop_length
        return timebase.samples_of_mel_frames(columns * frames, hop)


def _piece(pipeline: "DanceToMusicPipeline", new_s: tuple[float, float], music_s: float) -> _Piece:
    """Return a piece with what is new in its middle, a window long where there is so much."""
    column_s, window_s = pipeline.seconds_of(1), pipeline.window_s
    ends_s = max(music_s, new_s[1])
    around_s = max(_AROUND_S, 0.5 * (window_s - (new_s[1] - new_s[0])))
    # Where one side has little to hear, the other gives more.
    first_s = max(0.0, min(new_s[0] - around_s, ends_s - window_s))
    last_s = min(ends_s, max(new_s[1] + around_s, first_s + window_s))
    first, last = int(first_s / column_s), math.ceil(last_s / column_s - 1e-6)
    return _Piece(pipeline, pipeline.plan_columns(last - first), first, last - first, new_s)


def _set_in(sound: Sound, piece: Sound, piece_s: float, new_s: tuple[float, float]) -> Sound:
    """Return the sound with what is new of a piece in it, the joins melted.

    Args:
        sound: The music.
        piece: The piece, mono, at any rate.
        piece_s: Where the piece begins in the music.
        new_s: Start and end of what is new.
    """
    rate_hz = sound.rate_hz
    first, start, end = (timebase.samples_in(t, rate_hz) for t in (piece_s, *new_s))
    out = np.array(sound.samples)
    if end > len(out):
        out = np.concatenate([out, np.zeros((end - len(out), *out.shape[1:]), np.float32)])
    fresh = limit_peaks(resample(piece, rate_hz)).samples
    part = slice(max(first, start - timebase.samples_in(_MELT_S, rate_hz), 0), end)
    fresh = np.pad(fresh, (0, max(0, end - first - len(fresh))))[part.start - first : end - first]
    weight = _melting(part, start, end if end < len(sound.samples) else None, rate_hz)
    if out.ndim == 2:
        fresh, weight = fresh[:, None], weight[:, None]
    out[part] += weight * (fresh - out[part])
    return Sound(out, rate_hz)


def _melting(part: slice, start: int, end: int | None, rate_hz: int) -> NDArray[np.float32]:
    """How much of what is new is heard at each sample of ``part``: fades ahead of both joins."""
    melt = max(1, timebase.samples_in(_MELT_S, rate_hz))
    place = np.arange(part.start, part.stop)
    weight = (place - (start - melt)) / melt if part.start > 0 else np.ones(len(place))
    if end is not None:
        weight = np.minimum(weight, (end - place) / melt)
    return np.clip(weight, 0.0, 1.0).astype(np.float32)


def _whole(made: Sound, sound: Sound) -> Sound:
    """Return music made anew as the file was: its rate, channels, length and loudness."""
    at_rate = resample(made, sound.rate_hz).samples
    count = len(sound.samples)
    samples = np.pad(at_rate, (0, max(0, count - len(at_rate))))[:count]
    if sound.samples.ndim == 2:
        samples = np.repeat(samples[:, None], sound.samples.shape[1], axis=1)
    return normalise_loudness(Sound(samples, sound.rate_hz), target_lufs=integrated_lufs(sound))
