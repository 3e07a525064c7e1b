"""What the diffusion model is told of the music: the user's, or drawn as the composer draws it.

A genre's grammar and the seed decide what the user leaves open, so one seed has the same key,
chords and musical attributes (such as instruments) with both engines.
"""

from typing import TYPE_CHECKING

from kinetune import genres
from kinetune.composer.harmony import TimedChord, parse_key
from kinetune.composer.options import ComposerOptions
from kinetune.corpus.composition.grammar import pitch_classes
from kinetune.errors import ConfigError
from kinetune.model.conditioning.harmony import Chord, Harmony
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.music_options import MusicOptions

if TYPE_CHECKING:
    from kinetune.composer.piece import PieceRequest
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

_STYLE_OF_NEW_GENRES = "HO"


def check_harmony(options: MusicOptions, pipeline: LazyPipeline) -> None:
    """Check that what makes the music knows the key and the chords of a request.

    Raises:
        ConfigError: It does not.
        ModelError: The model is missing or damaged.
    """
    is_model = options.engine == "diffusion"
    if is_model and options.composer != ComposerOptions() and not pipeline.reads_harmony:
        raise ConfigError(
            f"model {pipeline.model}: has no key and chords as a condition; add --engine composer"
        )


def draw_harmony(
    clip: "Dancers", options: MusicOptions, *, genre: str, grid: "BeatGrid | None" = None
) -> Harmony:
    """Return the key and chords of a piece for a dance, with times of the output.

    Args:
        clip: The dance, or a group of dancers.
        options: Its seed, loop, score, and the user's key and chords.
        genre: Name or code; a new genre has no grammar of its own and takes that of house.
        grid: The beats; None takes them from the options.

    Raises:
        KinetuneError: The options don't fit the dance.
    """
    from kinetune.composer.compose import compose_harmony

    key, chords = compose_harmony(_request(clip, options, genre, grid))
    return harmony_of(key.name, chords)


def draw_attributes(
    clip: "Dancers", options: MusicOptions, *, genre: str, grid: "BeatGrid | None" = None
) -> tuple[str, ...]:
    """Return the musical attributes of the piece that the composer writes for a dance.

    A prompt decides what it names; genre, dance and seed the rest.

    Args:
        clip: The dance, or a group of dancers.
        options: Its seed, loop, score and prompt.
        genre: Name or code; a new genre has no styles of its own and takes those of house.
        grid: The beats; None takes them from the options.

    Raises:
        KinetuneError: The options don't fit the dance.
    """
    from kinetune.composer.compose import compose_piece
    from kinetune.composer.prompts.attributes import piece_attributes

    return piece_attributes(compose_piece(_request(clip, options, genre, grid)))


def _request(
    clip: "Dancers", options: MusicOptions, genre: str, grid: "BeatGrid | None"
) -> "PieceRequest":
    """What the composer's piece for a dance is made from."""
    from kinetune.tasks.composing.engine import piece_request

    if genres.is_new(genres.genre_code(genre)):
        genre = _STYLE_OF_NEW_GENRES
    return piece_request(clip, options, genre=genre, grid=grid)


def harmony_of(key: str, chords: tuple[TimedChord, ...]) -> Harmony:
    """Return a key and timed chords as a condition.

    Raises:
        ConfigError: The key can't be parsed.
    """
    return Harmony(
        parse_key(key).tonic,
        tuple(
            Chord(
                chord.start_s,
                chord.symbol.root,
                pitch_classes(chord.symbol.root, chord.symbol.tones),
                chord.symbol.name,
            )
            for chord in chords
        ),
        key,
    )
