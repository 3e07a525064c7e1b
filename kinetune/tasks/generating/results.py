"""What was generated: one record per piece of music."""

from dataclasses import dataclass

from kinetune.tasks.composing.outputs import ComposedFiles
from kinetune.tasks.music import PlayedHarmony
from kinetune.tasks.requests.failures import Failure
from kinetune.tasks.run_costs import StageSeconds


@dataclass(frozen=True)
class Scores:
    """How well a piece follows the body, see ``metrics.ranking``; None where not measurable."""

    beats: float | None
    energy: float | None
    accents: float | None
    total: float
    similarity: float | None = None


@dataclass(frozen=True)
class GeneratedPiece:
    """One finished piece of music.

    Attributes:
        motion: The motion file, of a group the first.
        output: The sound file.
        recipe: The recipe beside it, see ``tasks.recipe``.
        genre: Genre code.
        genre_source: What decided the genre, see ``GenreChoice``.
        other_bpm: Other tempi the dance may have, best first.
        real_time_factor: Total seconds over seconds of music.
        peak_memory_mb: Largest memory of the process so far.
        rank: Position among the variations of one dance, best first, from 1.
        motion_s: Length of the dance; a loop may be shorter.
        scores: What the rank is by; None for a single piece.
        beat_maps: The beat maps written.
        picture: The picture written.
        film: The film written.
        variation_sheet: Picture of all variations of the dance, with the first only.
        partners: The motion files of the other dancers of a group.
        note: What had to be assumed to read the motion, one line; empty if nothing.
        doubt: What makes the beats uncertain, in a few words; empty if nothing does.
        composed: Key, chords, form and further files of composed music; None of other.
        packs: The folders of the packs.
        harmony: Key and chords of music by a model that reads them; None of other music.
    """

    motion: str
    output: str
    recipe: str
    genre: str
    genre_source: str
    seed: int
    sample_rate: int
    duration_s: float
    motion_s: float
    bpm: float
    other_bpm: tuple[float, ...]
    beats_s: tuple[float, ...]
    seconds: StageSeconds
    real_time_factor: float
    peak_memory_mb: float
    rank: int = 1
    scores: Scores | None = None
    beat_maps: tuple[str, ...] = ()
    picture: str | None = None
    film: str | None = None
    variation_sheet: str | None = None
    note: str = ""
    doubt: str = ""
    composed: ComposedFiles | None = None
    packs: tuple[str, ...] = ()
    harmony: PlayedHarmony | None = None
    partners: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenerateResult:
    """What became of a request.

    Attributes:
        pieces: What was made, dance by dance in the order of the request, best variation first.
        failures: Dances that failed.
        skipped: Dances left out because their files exist.
    """

    pieces: tuple[GeneratedPiece, ...]
    failures: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()
