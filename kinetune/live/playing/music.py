"""The composer's music ahead of a body: bars written, beats placed and sound rendered as it dances.

A bar's notes are written just before its first beat is placed. A beat is placed, with the one after
it, a little before the sound that may contain its notes is rendered; so a moved beat moves notes
that are not rendered yet, and nothing is joined. Seconds of the body's time.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kinetune import timebase
from kinetune.composer.compose import compose_piece
from kinetune.composer.options import ComposerOptions
from kinetune.composer.output.mastering import master_mix
from kinetune.composer.piece import Piece, PieceRequest
from kinetune.corpus.composition.music_score import Note
from kinetune.corpus.rendering.block_filters import Block
from kinetune.corpus.rendering.mastering import BLOCK_S
from kinetune.corpus.rendering.note_player import MAX_LEAD_S
from kinetune.errors import ConfigError
from kinetune.genres import TEMPO_RANGE_BPM, genre_code
from kinetune.live.following.follower import BeatFollower
from kinetune.live.playing.bar_writer import BarNote, BarWriter
from kinetune.live.playing.mastering import LiveMaster, calibrate
from kinetune.live.playing.mixing import LiveMix
from kinetune.motion import skeleton
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.motion.clip import MotionClip, clip_from_axis_angle

# Bars that instruments and master are calibrated on, and how long they ring.
_REFERENCE_BARS, _REFERENCE_ENERGY, _RINGING_S = 8, 0.65, 6.0
# A note may begin so long before its beat: a slow instrument's rise and a player's timing.
_LEAD_S = MAX_LEAD_S + 0.1
# Half of a beat's energy is the body's one bar before, half that bar's mean.
_PATTERN_SHARE = 0.5
_OTHER_BPM = 110.0


@dataclass(frozen=True)
class MusicOptions:
    """What is played.

    Attributes:
        genre: Name or code.
        seed: Of song and notes.
        key: Such as ``A minor``; drawn if None.
        chords: A chord a bar, over and over; drawn if None.
        metre: Beats to the bar, 3 or 4.
        bpm: Tempo that the song is drawn for; the middle of the genre's if None.
        count_in: Whether a stroke a beat leads to the first bar.
        rate_hz: Samples per second.
        channels: 1 or 2.
        block_s: Sound that is rendered at once, seconds.
        ahead_s: How long before it is played it is rendered.

    Raises:
        ConfigError: A number is out of range.
    """

    genre: str = "house"
    seed: int = 0
    key: str | None = None
    chords: str | None = None
    metre: int = timebase.BEATS_IN_BAR
    bpm: float | None = None
    count_in: bool = True
    rate_hz: int = 44_100
    channels: int = 2
    block_s: float = 0.1
    ahead_s: float = 0.4

    def __post_init__(self) -> None:
        if self.metre not in (3, 4):
            raise ConfigError(f"the metre must be 3 or 4 beats to the bar, found {self.metre}")
        if not 8_000 <= self.rate_hz <= 192_000:
            raise ConfigError(f"expected 8000 to 192000 samples a second, found {self.rate_hz}")
        if not 0.0 <= self.ahead_s <= 5.0:
            raise ConfigError(f"expected to render 0 to 5 s ahead, found {self.ahead_s:g}")

    @property
    def song_bpm(self) -> float:
        """Tempo that the song is drawn for."""
        if self.bpm is not None:
            return self.bpm
        low, high = TEMPO_RANGE_BPM.get(genre_code(self.genre), (_OTHER_BPM, _OTHER_BPM))
        return 0.5 * (low + high)

    @property
    def block_samples(self) -> int:
        """Samples that are rendered at once: whole blocks of the master's gain."""
        step = timebase.samples_in(BLOCK_S, self.rate_hz)
        return step * max(1, round(self.block_s * self.rate_hz / step))


@dataclass(frozen=True, eq=False)
class RenderedBlock:
    """Sound that is to be played next.

    Attributes:
        start_s: When it is to be played.
        samples: (N, channels).
        seconds: What it took to compose and render.
    """

    start_s: float
    samples: Block
    seconds: float


@dataclass(frozen=True)
class PlayedBar:
    """A bar that was written.

    Attributes:
        start_s: Its first beat.
        energy: Mean energy it was written for.
        written_s: Time of the body when it was written.
    """

    start_s: float
    energy: float
    written_s: float


class LiveMusic:
    """The music of a body that dances now.

    Args:
        follower: The body's beat.
        options: What is played.
    """

    def __init__(self, follower: BeatFollower, options: MusicOptions) -> None:
        self.follower, self.options = follower, options
        self._writer = BarWriter(
            options.genre, options.seed, bpm=options.song_bpm, metre=options.metre,
            key=options.key, chords=options.chords,
        )  # fmt: skip
        self._mix, self._master = _prepared(self._writer, options)
        self.position = 0
        self.bars: list[PlayedBar] = []
        self._beat = 0
        self._first_bar = 0
        self._pending: list[list[BarNote]] = []
        self._is_ending = False

    @property
    def beats_s(self) -> list[float]:
        """The music's beats until now, those that are about to come included."""
        clock = self.follower.clock
        return clock.beats_s if clock is not None else []

    @property
    def placed_ahead_s(self) -> float:
        """How long before it is played a note may have been placed, without the beat's length."""
        return self.options.ahead_s + self.options.block_samples / self.options.rate_hz + _LEAD_S

    def end(self) -> None:
        """Write no more notes: what was written rings out."""
        self._is_ending = True

    def advance(self, now_s: float, until_s: float | None = None) -> Iterator[RenderedBlock]:
        """Yield the sound until some time after now.

        Args:
            now_s: Now.
            until_s: Where to end; so far ahead as the options have it if None.
        """
        until_s = now_s + self.options.ahead_s if until_s is None else until_s
        self.follower.update(now_s)
        count, rate_hz = self.options.block_samples, self.options.rate_hz
        while self.position < until_s * rate_hz:
            began = time.perf_counter()
            start_s = self.position / rate_hz
            end_s = (self.position + count) / rate_hz
            self._schedule_beats(now_s, end_s + _LEAD_S)
            samples = self._master.next_block(self._mix.next_block(count)).T
            self.position += count
            yield RenderedBlock(start_s, samples, time.perf_counter() - began)

    def _schedule_beats(self, now_s: float, until_s: float) -> None:
        if self._is_ending:
            return
        follower = self.follower
        if follower.clock is None:
            if not follower.start(now_s, until_s):
                return
            self._first_bar = follower.beats_to_bar(self.beats_s[0]) or self.options.metre
        while self.beats_s[self._beat] < until_s:
            follower.next_beat()
            self._schedule(now_s)
            self._beat += 1

    def _schedule(self, now_s: float) -> None:
        """Place the notes of one beat."""
        start_s, end_s = self.beats_s[self._beat : self._beat + 2]
        number = (self._beat - self._first_bar) % self.options.metre
        if self._beat < self._first_bar:
            notes = self._writer.count_in()[:1] if self.options.count_in else []
            number = 0
        else:
            if number == 0:
                self._write_bar(now_s, start_s, end_s - start_s)
            notes = self._pending[number]
            self._mix.set_energy(self.bars[-1].energy)
        period_s = end_s - start_s
        placed = (
            replace(
                each.note,
                start_s=start_s + (each.beat - number) * period_s,
                duration_s=each.beats * period_s,
            )
            for each in notes
        )
        self._mix.add(placed)

    def _write_bar(self, now_s: float, start_s: float, period_s: float) -> None:
        metre = self.options.metre
        energy = self.follower.recent_energy(start_s, period_s, metre, now_s)
        energy = _PATTERN_SHARE * energy + (1.0 - _PATTERN_SHARE) * energy.mean()
        self.bars.append(PlayedBar(start_s, float(energy.mean()), now_s))
        self._pending = [[] for _ in range(metre)]
        for note in self._writer.next_bar(energy.tolist()):
            self._pending[int(np.clip(np.floor(note.beat), 0, metre - 1))].append(note)


def _prepared(writer: BarWriter, options: MusicOptions) -> tuple[LiveMix, LiveMaster]:
    """Instruments and master, warmed up on some bars of the song before time 0."""
    piece = _reference_piece(options)
    played: dict[str, list[Note]] = {v.part.name: list(v.notes) for v in piece.voices}
    count = options.block_samples
    length_s = piece.duration_s + _RINGING_S
    first = -count * int(np.ceil(length_s * options.rate_hz / count))
    mix = LiveMix(
        writer.parts, writer.mix, options.rate_hz, channels=options.channels, reference=played,
        first=first,
    )  # fmt: skip
    shift_s = first / options.rate_hz + MAX_LEAD_S
    notes = [note for part in played.values() for note in part if note.part in writer.parts]
    notes.sort(key=lambda note: note.start_s)
    mix.add(replace(note, start_s=note.start_s + shift_s) for note in notes)
    mix.set_energy(_REFERENCE_ENERGY)
    blocks = []
    while mix.position < 0:
        blocks.append(mix.next_block(count))
    master = master_mix(piece, np.concatenate(blocks, axis=1).T, options.rate_hz)
    live = LiveMaster(calibrate(writer.mix, master), options.rate_hz, options.channels)
    # The master's delay is rendered away, so that a note is played on its time.
    live.next_block(mix.next_block(live.delay))
    return mix, live


def _reference_piece(options: MusicOptions) -> Piece:
    bpm = options.song_bpm
    length_s = _REFERENCE_BARS * options.metre * timebase.beat_period_s(bpm)
    grid = replace(fixed_grid(bpm, 0.0, length_s), metre=options.metre)
    request = PieceRequest(
        _still_clip(length_s), grid, options.genre, options.seed,
        ComposerOptions(key=options.key, chords=options.chords),
        steady_energy=_REFERENCE_ENERGY,
    )  # fmt: skip
    return compose_piece(request)


def _still_clip(duration_s: float) -> MotionClip:
    count = timebase.frames_in(duration_s, timebase.MOTION_FPS)
    pose = np.zeros((count, 3 * skeleton.JOINT_COUNT))
    return clip_from_axis_angle(pose, np.zeros((count, 3)), fps=timebase.MOTION_FPS)
