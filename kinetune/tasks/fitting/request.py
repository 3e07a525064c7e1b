"""Requests and results of fitting songs to dances. Seconds."""

from dataclasses import dataclass, field
from pathlib import Path

from kinetune.errors import ConfigError
from kinetune.fitting.markers import warp_suffix
from kinetune.fitting.search import Candidate
from kinetune.fitting.time_map import LARGEST_STRETCH
from kinetune.motion.io.formats import ReadOptions
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.failures import Failure


@dataclass(frozen=True)
class FitRequest:
    """Songs and dances, and the files to write for the best song of each dance.

    Attributes:
        songs: Sound files and folders of them.
        dances: Motion files and folders of them.
        output: The fitted song, or a folder; None writes none.
        video: A video of the dance with the fitted song, or a folder; None writes none.
        retimed: The dance retimed to the song, which then keeps its speed; or a folder. None
            stretches the song.
        warp: Kinds of warp markers to write: ``csv``, ``reaper``, ``ableton``.
        plot: Whether to draw the fit.
        limit: Largest stretch, above 0 to 0.1.
        from_start: Whether the song begins with the dance.
        per_beat: Whether to map beat by beat; one ratio if not.
        beats: Beats of the dance; estimated from the motion where not set.
        read: What the motion files don't state themselves.
        force: Whether to replace files that exist.

    Raises:
        ConfigError: Songs or dances are missing, the limit is out of range, or a kind of warp
            markers is unknown.
    """

    songs: tuple[Path, ...]
    dances: tuple[Path, ...]
    output: Path | None = None
    video: Path | None = None
    retimed: Path | None = None
    warp: tuple[str, ...] = ()
    plot: bool = False
    limit: float = LARGEST_STRETCH
    from_start: bool = False
    per_beat: bool = False
    beats: BeatOptions = field(default_factory=BeatOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False

    def __post_init__(self) -> None:
        if not self.songs or not self.dances:
            lacking = "song" if not self.songs else "dance"
            raise ConfigError(f"fit needs a song and a dance, found no {lacking}")
        check_limit(self.limit)
        for kind in self.warp:
            warp_suffix(kind)


def check_limit(limit: float) -> None:
    """Check the largest stretch.

    Raises:
        ConfigError: It isn't above 0 and at most 0.1.
    """
    if not 0.0 < limit <= LARGEST_STRETCH:
        raise ConfigError(
            f"the largest stretch must be above 0 and at most {LARGEST_STRETCH:.0%}, found "
            f"{limit:.1%}"
        )


@dataclass(frozen=True)
class SongFit:
    """How one song fits a dance; see :class:`kinetune.fitting.search.Fit`.

    Attributes:
        song: The song's file.
        verdict: ``fits``, ``unsure`` or ``no fit``.
        reason: Why it isn't ``fits``; else empty.
        offset_s: Time in the dance at which the song begins, or None.
        stretch: Dance seconds over song seconds, or None.
        score: Share of the body's beat activation at the song's beats, 0 to 1.
        chance_score: The same at random offsets.
        p_value: Share of other tempi that gain as much over chance.
        energy: Rank correlation of body speed and loudness, -1 to 1, or None.
        accents: Share of the body's accents at a strong onset, or None.
        song_bpm: Tempo of the song as it was tracked, or None.
        dance_bpm: Tempo of the dance.
        readings: All ways to bring the beats together, most likely first.
        similarity: Learned similarity of dance and song, -1 to 1, or None.
    """

    song: str
    verdict: str
    reason: str
    offset_s: float | None
    stretch: float | None
    score: float
    chance_score: float
    p_value: float
    energy: float | None
    accents: float | None
    song_bpm: float | None
    dance_bpm: float
    readings: tuple[Candidate, ...]
    similarity: float | None = None


@dataclass(frozen=True)
class FitFiles:
    """What was written for a dance.

    Attributes:
        song: The fitted song.
        retimed: The retimed dance.
        video: The video.
        warp: Files of warp markers.
        picture: The picture.
        stretcher: What stretched the song: ``none``, ``signalsmith`` or ``phase vocoder``.
    """

    song: str | None = None
    retimed: str | None = None
    video: str | None = None
    warp: tuple[str, ...] = ()
    picture: str | None = None
    stretcher: str = "none"


@dataclass(frozen=True)
class RankedFits:
    """The songs of a dance, best first.

    Attributes:
        dance: The dance's file.
        duration_s: Its length.
        fits: How each song fits, best first.
        files: What was written, of the best song.
    """

    dance: str
    duration_s: float
    fits: tuple[SongFit, ...]
    files: FitFiles


@dataclass(frozen=True)
class FitResult:
    """Every dance with its songs.

    Attributes:
        dances: In the order of the request.
        failures: Files that could not be used.
    """

    dances: tuple[RankedFits, ...]
    failures: tuple[Failure, ...] = ()
