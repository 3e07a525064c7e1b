"""Condition encoders: from motion features, beat grid and genre to the denoiser's inputs.

Two condition encoders with one interface: ``gather`` extracts a window's inputs from the whole
dance as arrays; ``forward`` turns a batch of them into the denoiser's keyword arguments.
:class:`PaperCondition` is the paper's: features and one-hot genre as cross-attention context.
:class:`DanceCondition` is ours: motion and beat grid aligned to the latent's columns, so that the
network need not learn the alignment, and a few tokens for cross-attention.

Axes: B batch, T motion frames, F features, L mel frames, W latent columns, D condition width.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetune import genres, timebase
from kinetune.errors import ConfigError
from kinetune.model.conditioning.attributes import MusicConditions, attribute_vector
from kinetune.model.conditioning.harmony import HARMONY_CHANNELS, harmony_channels
from kinetune.model.networks.layers import ResBlock, TimeConv, sinusoid
from kinetune.motion.features import genre_one_hot
from kinetune.tower import VECTORS_PER_S

# Sine and cosine of the beat's and of the bar's phase, a pulse on the beat, relative tempo.
GRID_CHANNELS = 6
# Rows of attributes begin at zero and catch up this much faster with the other conditions.
_ATTRIBUTE_GAIN = 4.0
# The same for motion vectors, of which the bundled similarity network's deviate by about 14.
_SIMILARITY_GAIN = _ATTRIBUTE_GAIN / 14.0
# The middle of the tempo prior; only a scale for the tempo channel.
_REFERENCE_BPM = 105.0


@dataclass(frozen=True, eq=False)
class DanceInput:
    """One dance before it is cut into windows.

    Attributes:
        features: Normalised motion features at 30 fps, (T, F).
        genre: Genre code.
        beats_s: Beat times, seconds, ascending; at least two, or empty if unknown.
        bar_start_s: Time of any beat that begins a bar.
        level: Level of each bar, see :mod:`kinetune.model.conditioning.dynamics`, at 30 fps, (T,);
            empty if there is none.
        metre: Beats per bar.
        music: Key, chords and musical attributes of the music.
        similarity: Motion vectors of the similarity network, (T', D), see
            :class:`~kinetune.model.conditioning.similarity.MotionEmbedding`; None if there are
            none.
    """

    features: Tensor
    genre: str
    beats_s: NDArray[np.float64]
    bar_start_s: float
    level: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    metre: int = timebase.BEATS_IN_BAR
    music: MusicConditions = field(default_factory=MusicConditions)
    similarity: Tensor | None = None


@dataclass(frozen=True)
class ConditionBatch:
    """A batch of windows, before the encoder: tensors stacked over B.

    Attributes:
        features: (B, T or L, F).
        grid: (B, L, 6), see :func:`grid_channels`.
        genre: Index of the genre, (B,), int64.
        keep_motion: 1 where the motion is given, 0 where it is dropped, (B,).
        keep_grid: The same for the beat grid, (B,).
        keep_genre: The same for the genre, (B,).
        harmony: (B, L, 36), see :func:`~kinetune.model.conditioning.harmony.harmony_channels`;
            (B, 1, 36) for encoders that don't read it.
        keep_harmony: The same for the harmony, (B,).
        attributes: Musical attributes (B, A), see
            :func:`~kinetune.model.conditioning.attributes.attribute_vector`; zeros where they are
            open, (B, 0) for encoders that don't read them.
        similarity: Motion vectors of the similarity network at the mel frames, (B, L, D); zeros
            where they are dropped, (B, 1, 0) for encoders that don't read them.
    """

    features: Tensor
    grid: Tensor
    genre: Tensor
    keep_motion: Tensor
    keep_grid: Tensor
    keep_genre: Tensor
    harmony: Tensor
    keep_harmony: Tensor
    attributes: Tensor
    similarity: Tensor

    def dropped(self) -> "ConditionBatch":
        """Return the same windows with all conditions dropped, for classifier-free guidance."""
        none = torch.zeros_like(self.keep_motion)
        return replace(
            self, keep_motion=none, keep_grid=none, keep_genre=none, keep_harmony=none,
            attributes=torch.zeros_like(self.attributes),
            similarity=torch.zeros_like(self.similarity),
        )  # fmt: skip

    def to(self, device: torch.device | str) -> "ConditionBatch":
        """Return the batch on another device."""
        return ConditionBatch(*(part.to(device) for part in self.parts()))

    def parts(self) -> tuple[Tensor, ...]:
        """Return the tensors in the order of the fields."""
        return tuple(getattr(self, part.name) for part in fields(self))


def stack(batches: "list[ConditionBatch]") -> ConditionBatch:
    """Join batches along B."""
    return ConditionBatch(
        *(torch.cat(parts) for parts in zip(*(b.parts() for b in batches), strict=True))
    )


def grid_channels(
    beats_s: NDArray[np.float64],
    bar_start_s: float,
    times_s: NDArray[np.float64],
    *,
    metre: int = timebase.BEATS_IN_BAR,
) -> Tensor:
    """Return the beat grid at given times as channels, (len(times_s), 6), float32.

    Args:
        beats_s: Beat times, seconds, ascending; fewer than two give zeros.
        bar_start_s: Time of any beat that begins a bar.
        times_s: Times of the rows, seconds.
        metre: Beats per bar.
    """
    if len(beats_s) < 2:
        return torch.zeros(len(times_s), GRID_CHANNELS)
    position = _beat_position(beats_s, times_s)
    bar_beat = round(float(_beat_position(beats_s, np.array([bar_start_s]))[0]))
    beat = 2.0 * np.pi * position
    bar = 2.0 * np.pi * (position - bar_beat) / metre
    distance = np.abs(position - np.round(position))
    period_s = np.maximum(np.gradient(times_s) / np.maximum(np.gradient(position), 1e-9), 1e-6)
    # 30 ms wide: about one mel frame, so the pulse marks the column the beat falls in.
    pulse = np.exp(-0.5 * (distance * period_s / 0.03) ** 2)
    tempo = np.log2(timebase.bpm_of(1.0) / period_s / _REFERENCE_BPM)
    channels = [np.sin(beat), np.cos(beat), np.sin(bar), np.cos(bar), pulse, tempo]
    return torch.from_numpy(np.stack(channels, axis=-1).astype(np.float32))


def _beat_position(beats_s: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray:
    """Return the beat number (with fraction) at each time; straight on beyond both ends."""
    index = np.clip(np.searchsorted(beats_s, times_s, side="right") - 1, 0, len(beats_s) - 2)
    start, end = beats_s[index], beats_s[index + 1]
    return index + (times_s - start) / (end - start)


def resample_rows(
    rows: Tensor,
    start_s: float,
    count: int,
    rate_hz: float,
    *,
    rows_hz: float = timebase.MOTION_FPS,
) -> Tensor:
    """Read rows (T, F) of ``rows_hz`` at ``count`` times from ``start_s`` on: (count, F).

    Straight lines between rows; the first and last row are repeated beyond the ends.
    """
    position = (start_s + timebase.frame_times(count, rate_hz)) * rows_hz
    position = np.clip(position, 0, len(rows) - 1)
    low = torch.from_numpy(np.floor(position).astype(np.int64))
    high = (low + 1).clamp(max=len(rows) - 1)
    fraction = torch.from_numpy((position - np.floor(position)).astype(np.float32))[:, None]
    return rows[low] * (1.0 - fraction) + rows[high] * fraction


class PaperCondition(ModelMixin, ConfigMixin):
    """The paper's condition: (B, 150, 370) straight into cross-attention; no parameters.

    Args:
        motion_frames: Frames a window at 30 fps.
        feature_count: F, the one-hot genre not counted.
    """

    @register_to_config
    def __init__(self, motion_frames: int = 150, feature_count: int = 360) -> None:
        super().__init__()
        # diffusers reads a model's dtype and device from its parameters; an empty model has none.
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

    def gather(self, dance: DanceInput, start_s: float) -> ConditionBatch:
        """Cut the window that begins at ``start_s`` out of the dance, B = 1."""
        count = self.config.motion_frames
        rows = resample_rows(dance.features, start_s, count, timebase.MOTION_FPS)
        hot = torch.from_numpy(genre_one_hot(dance.genre, count))
        rows = torch.cat([rows, hot], dim=-1)  # (T, F) -> (T, F + 10)
        index = torch.tensor([genres.genre_index(dance.genre)])
        grid = torch.zeros(1, 1, GRID_CHANNELS)
        return ConditionBatch(
            rows[None], grid, index, *_keep_all(), *_no_harmony(), torch.zeros(1, 0),
            torch.zeros(1, 1, 0),
        )  # fmt: skip

    def forward(self, batch: ConditionBatch) -> dict[str, Tensor]:
        """Return the denoiser's keyword arguments; dropping shows the network zeros."""
        keep = (batch.keep_motion * batch.keep_genre)[:, None, None]
        return {"encoder_hidden_states": batch.features * keep}


class DanceCondition(ModelMixin, ConfigMixin):
    """Our condition: motion and grid on the latent's columns, tokens, and a genre vector.

    Args:
        feature_count: F of the motion features.
        mel_frames: L of a window.
        frames_per_column: Mel frames a latent column.
        channels: D, width of the columns and of the tokens, a multiple of 16.
        columns_per_token: Latent columns averaged into one cross-attention token.
        sample_rate_hz: Rate of the sound behind the mel frames.
        hop_length: Samples a mel frame.
        reads_harmony: Whether the harmony lane is a condition.
        attributes: Names of the musical attributes that are a condition.
        similarity: Numbers D of a motion vector of the similarity network; 0 if the similarity is
            no condition.
        extra_genres: Names of genres beyond the ten, each a further row of the genre vectors.

    Raises:
        ConfigError: One of them is no name for a new genre, or stands there twice.
    """

    @register_to_config
    def __init__(  # noqa: PLR0913 - diffusers reads a model's settings from its signature
        self,
        feature_count: int = 58,
        mel_frames: int = 512,
        frames_per_column: int = 4,
        channels: int = 128,
        columns_per_token: int = 4,
        sample_rate_hz: int = timebase.SAMPLE_RATE_HZ,
        hop_length: int = timebase.HOP_LENGTH,
        reads_harmony: bool = False,
        extra_genres: tuple[str, ...] = (),
        attributes: tuple[str, ...] = (),
        similarity: int = 0,
    ) -> None:
        super().__init__()
        genres.declare(extra_genres)
        if len(set(extra_genres)) < len(extra_genres):
            raise ConfigError(f"extra_genres: one stands there twice: {', '.join(extra_genres)}")
        self.motion_in = TimeConv(
            feature_count,
            channels,
            2 * frames_per_column,
            stride=frames_per_column,
            padding=frames_per_column // 2,
        )
        self.motion_blocks = nn.ModuleList([ResBlock(channels, channels) for _ in range(2)])
        self.grid_in = nn.Linear(GRID_CHANNELS * frames_per_column, channels)
        self.no_motion = nn.Parameter(torch.zeros(channels))
        self.no_grid = nn.Parameter(torch.zeros(channels))
        # The ten, one for no genre, and the further ones.
        self.genre = nn.Embedding(len(genres.CODES) + 1 + len(extra_genres), channels)
        self.token_in = nn.Linear(channels, channels)
        if reads_harmony:
            self.harmony_in = nn.Linear(HARMONY_CHANNELS * frames_per_column, channels)
            self.no_harmony = nn.Parameter(torch.zeros(channels))
        if attributes:
            self.attributes_in = nn.Linear(len(attributes), channels, bias=False)
            # From zero, so that a model that is trained further begins as it was.
            nn.init.zeros_(self.attributes_in.weight)
        if similarity:
            self.similarity_in = nn.Linear(similarity * frames_per_column, channels, bias=False)
            # From zero for the same reason.
            nn.init.zeros_(self.similarity_in.weight)

    def genre_row(self, code: str) -> int:
        """Return the row of a genre's vector.

        Raises:
            ConfigError: This model was not trained on it.
        """
        if not genres.is_new(code):
            return genres.genre_index(code)
        extra = list(self.config.extra_genres)
        if code not in extra:
            more = f" and {', '.join(extra)}" if extra else ""
            raise ConfigError(f"this model knows the ten genres{more}, but not {code!r}")
        return len(genres.CODES) + 1 + extra.index(code)

    @property
    def mel_rate_hz(self) -> float:
        """Mel frames per second."""
        return timebase.mel_rate_hz(self.config.sample_rate_hz, self.config.hop_length)

    def gather(self, dance: DanceInput, start_s: float) -> ConditionBatch:
        """Cut the window that begins at ``start_s`` out of the dance, B = 1."""
        count = self.config.mel_frames
        rows = resample_rows(dance.features, start_s, count, self.mel_rate_hz)
        times = start_s + timebase.frame_times(count, self.mel_rate_hz)
        grid = grid_channels(dance.beats_s, dance.bar_start_s, times, metre=dance.metre)
        index = torch.tensor([self.genre_row(dance.genre)])
        motion, on_grid, genre = _keep_all()
        if len(dance.beats_s) < 2:
            on_grid = torch.zeros(1)
        harmony, keep_harmony = _no_harmony()
        music = dance.music
        if self.config.reads_harmony and music.harmony is not None:
            harmony, keep_harmony = harmony_channels(music.harmony, times)[None], torch.ones(1)
        elif self.config.reads_harmony:
            harmony = torch.zeros(1, count, HARMONY_CHANNELS)
        names = tuple(self.config.attributes)
        attributes = attribute_vector(music.attributes if names else {}, names)
        return ConditionBatch(
            rows[None], grid[None], index, motion, on_grid, genre, harmony, keep_harmony,
            attributes[None], self._similarity_rows(dance, start_s)[None],
        )  # fmt: skip

    def _similarity_rows(self, dance: DanceInput, start_s: float) -> Tensor:
        """Return the motion vectors at the window's mel frames, (L, D); zeros without any."""
        width, count = self.config.similarity, self.config.mel_frames
        if not width:
            return torch.zeros(1, 0)
        if dance.similarity is None:
            return torch.zeros(count, width)
        return resample_rows(
            dance.similarity, start_s, count, self.mel_rate_hz, rows_hz=VECTORS_PER_S
        )

    def forward(self, batch: ConditionBatch) -> dict[str, Tensor]:
        """Return the denoiser's arguments: columns (B, D, W), tokens (B, S, D), vector (B, D)."""
        motion = self.motion_in(batch.features.transpose(1, 2))  # (B, L, F) -> (B, D, W)
        for block in self.motion_blocks:
            motion = block(motion)
        folded = batch.grid.reshape(len(batch.grid), motion.shape[-1], -1)  # (B, L, 6) -> (B, W, .)
        grid = self.grid_in(folded).transpose(1, 2)
        columns = _or_absent(motion, self.no_motion, batch.keep_motion) + _or_absent(
            grid, self.no_grid, batch.keep_grid
        )
        if self.config.reads_harmony:
            folded = batch.harmony.reshape(len(batch.harmony), motion.shape[-1], -1)
            harmony = self.harmony_in(folded).transpose(1, 2)
            columns = columns + _or_absent(harmony, self.no_harmony, batch.keep_harmony)
        if self.config.similarity:
            folded = batch.similarity.reshape(len(batch.similarity), motion.shape[-1], -1)
            columns = columns + _SIMILARITY_GAIN * self.similarity_in(folded).transpose(1, 2)
        unknown = torch.full_like(batch.genre, len(genres.CODES))
        vector = self.genre(torch.where(batch.keep_genre > 0.5, batch.genre, unknown))
        if self.config.attributes:
            known = batch.attributes.to(vector.dtype)
            vector = vector + _ATTRIBUTE_GAIN * self.attributes_in(known)
        return {
            "columns": columns,
            "encoder_hidden_states": self._tokens(columns, vector),
            "vector": vector,
        }

    def _tokens(self, columns: Tensor, vector: Tensor) -> Tensor:
        """Average columns (B, D, W) into tokens with time positions, and put the vector first."""
        pooled = nn.functional.avg_pool1d(columns, self.config.columns_per_token).transpose(1, 2)
        index = torch.arange(pooled.shape[1], device=columns.device)
        coded = self.token_in(pooled) + sinusoid(index, pooled.shape[-1]).to(pooled.dtype)
        return torch.cat([vector[:, None], coded], dim=1)


def _or_absent(value: Tensor, absent: Tensor, keep: Tensor) -> Tensor:
    """Choose between ``value`` (B, D, W) and the learned ``absent`` (D,) by ``keep`` (B,)."""
    keep = keep[:, None, None].to(value.dtype)
    return keep * value + (1.0 - keep) * absent[None, :, None]


def _keep_all() -> tuple[Tensor, Tensor, Tensor]:
    return torch.ones(1), torch.ones(1), torch.ones(1)


def _no_harmony() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 1, HARMONY_CHANNELS), torch.zeros(1)
