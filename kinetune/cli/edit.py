"""``kinetune edit``: music that is there, changed to a dance."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from kinetune import genres
from kinetune.cli.generate import FALLBACK_GENRE
from kinetune.cli.grids import AskedGrid
from kinetune.cli.motions import AnimationOption, AskedReading, FpsOption, MappingOption
from kinetune.cli.options import (
    BpmOption,
    DeviceOption,
    GenerateOptions,
    GuidanceOption,
    ModelOption,
    StepsOption,
    check_options,
)
from kinetune.cli.place import Place
from kinetune.errors import AudioError, ConfigError
from kinetune.files import check_writable

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.model.sampling.editing import EditSpec
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip


@dataclass(frozen=True)
class Edited:
    """One changed piece of music; the fields of ``--json``.

    Attributes:
        start_s: Where what is new begins.
        end_s: Where it ends.
        seconds: Wall-clock seconds of the change, without loading.
    """

    music: str
    motion: str
    output: str
    genre: str
    seed: int
    sample_rate: int
    duration_s: float
    start_s: float
    end_s: float
    strength: float
    bpm: float
    seconds: float


def command(
    music: Annotated[Path, typer.Argument(help="Music to change, ours or yours: a sound file.")],
    motion: Annotated[Path, typer.Option(help="The dance; the music begins with it.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A sound file. (default: NAME-edit.wav, here)"),
    ] = None,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    redo: Annotated[
        str | None, typer.Option(help="A stretch to make anew, in seconds, such as 12.0:16.5.")
    ] = None,
    go_on: Annotated[
        float | None,
        typer.Option("--continue", help="Go on from the end for so many seconds."),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(help="How much is new, 0 to 1. (default: 0.3 of a whole, all of a stretch)"),
    ] = None,
    genre: Annotated[
        str | None,
        typer.Option(
            help="Another style. Of a whole it keeps the rhythm. (default: the music's own)"
        ),
    ] = None,
    keep_rhythm: Annotated[
        bool | None,
        typer.Option(
            "--keep-rhythm/--new-rhythm",
            help="Keep the loudness from moment to moment. (default: with --genre, of a whole)",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option(help="Don't move times to bar lines.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed, another change.")] = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    bpm: BpmOption = "auto",
    first_beat: Annotated[
        float | None, typer.Option(help="Second at which a bar begins. (default: found)")
    ] = None,
    beats: Annotated[
        Path | None, typer.Option(help="A file of beat times; see kinetune generate --beats.")
    ] = None,
    beat_of: Annotated[
        str, typer.Option(help="Whose beat to play to where none is named: dance or music.")
    ] = "dance",
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw before and after.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Change music: make a stretch anew, go on from its end, vary it, or change its style."""
    from kinetune.model.sampling.editing import EditSpec

    change = EditSpec(
        redo=None if redo is None else stretch(redo),
        continue_s=go_on,
        strength=strength,
        keep_rhythm=_keeps_rhythm(keep_rhythm, genre, redo, go_on),
        exact=exact,
    )
    if change.is_whole and strength is None and genre is None and keep_rhythm is None:
        raise ConfigError("nothing to change; name --redo, --continue, --strength or --genre")
    asked = GenerateOptions(
        genre=genre, seed=seed, steps=steps, guidance=guidance,
        grid=AskedGrid(bpm, first_beat, beats), plot=plot,
        reading=AskedReading(mapping, animation, fps),
    )  # fmt: skip
    done = edit(
        music, motion, change, output=output, options=asked, beat_of=beat_of, model=model,
        device=device, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print(json.dumps(asdict(done), indent=2))


def edit(
    music: Path,
    motion: Path,
    change: "EditSpec",
    *,
    output: Path | None = None,
    options: GenerateOptions | None = None,
    beat_of: str = "dance",
    model: str = "default",
    device: str = "auto",
    quiet: bool = False,
) -> Edited:
    """Change a music file to a dance and write the result.

    Args:
        music: A sound file.
        motion: A motion file; the music begins with it.
        change: What to change.
        output: A sound file; None is NAME-edit.wav in the current folder.
        options: Genre, seed, steps, guidance, grid, reading and plot are looked at.
        beat_of: ``dance`` or ``music``: where beats that nobody named are looked for.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.
        quiet: Say nothing but errors.

    Raises:
        KinetuneError: Anything is impossible; nothing was written.
    """
    from kinetune.audio.sound import check_suffix, read_sound, write_sound
    from kinetune.cli.progress import step_bar
    from kinetune.model.sampling.editing import edit_music
    from kinetune.motion.io.formats import read_motion_file

    options = options or GenerateOptions()
    check_options(options)
    target = output or Path(f"{music.stem}-edit.wav")
    check_suffix(target)
    sound, clip = read_sound(music), read_motion_file(motion, options.reading.of()).clip
    grid = _grid(options.grid, beat_of, sound, clip)
    own = genre_of_music(music, sound, motion)
    genre = own.code if options.genre is None else genres.genre_code(options.genre)
    check_writable(target.parent)
    pipeline = Place(model, device).load()
    with step_bar(f"{music.name}: denoising", quiet) as progress:
        sampling = pipeline.sampling_options(
            options.seed, options.steps, options.guidance, progress
        )
        made = edit_music(pipeline, sound, clip, change, genre=genre, sampling=sampling, grid=grid)
    kept = genre if change.is_whole else own.code
    write_sound(target, made.sound, genre=genres.genre_name(kept))
    if options.plot:
        from kinetune.render.pictures import draw_edit

        draw_edit(target.with_suffix(".png"), sound, made)
    done = Edited(
        str(music), str(motion), str(target), genre, options.seed, made.sound.rate_hz,
        made.sound.duration_s, made.start_s, made.end_s, change.amount, made.grid.bpm,
        made.seconds,
    )  # fmt: skip
    if not quiet:
        _tell(done, change)
        if own.heard and options.genre is None:
            print(f"  heard as {genres.genre_name(own.code)}; --genre says another")
    return done


@dataclass(frozen=True)
class OwnGenre:
    """The genre of music that is there, and whether nothing but its sound told it."""

    code: str
    heard: bool = False


def genre_of_music(music: Path, sound: "Sound", motion: Path) -> OwnGenre:
    """Return the genre of a sound file: what it says itself, or its dance's name, or its sound.

    Args:
        music: The file.
        sound: What is in it.
        motion: The dance's file; AIST++ names begin with a genre.
    """
    from kinetune.audio.sound import read_genre

    told = genres.genre_called(read_genre(music)) or genres.genre_told_by(motion.name)
    if told is not None:
        return OwnGenre(told)
    from kinetune.metrics.genre import genre_probabilities

    try:
        likely = int(np.argmax(genre_probabilities(sound)))
    except AudioError:
        # Too short to be heard as anything.
        return OwnGenre(genres.genre_code(FALLBACK_GENRE))
    return OwnGenre(genres.CODES[likely], heard=True)


def stretch(text: str) -> tuple[float, float]:
    """Return start and end of a stretch written ``START:END``, seconds.

    Raises:
        ConfigError: It is not two numbers.
    """
    start, colon, end = text.partition(":")
    try:
        times = float(start), float(end)
    except ValueError:
        times = np.nan, np.nan
    if not colon or not np.isfinite(times).all():
        raise ConfigError(f"a stretch is START:END in seconds, such as 12.0:16.5; found {text!r}")
    return times


def _keeps_rhythm(
    asked: bool | None, genre: str | None, redo: str | None, go_on: float | None
) -> bool:
    if asked is not None:
        return asked
    return genre is not None and redo is None and go_on is None


def _grid(asked: AskedGrid, beat_of: str, sound: "Sound", clip: "MotionClip") -> "BeatGrid":
    if beat_of not in ("dance", "music"):
        raise ConfigError(f"--beat-of must be dance or music, found {beat_of!r}")
    if beat_of == "dance" or asked != AskedGrid():
        return asked.of(clip)
    from kinetune.audio.beats import music_beats
    from kinetune.motion.beats.beat_grid import grid_of_beats

    _, beats = music_beats(sound)
    if len(beats) < 2:
        raise ConfigError("no beat is heard in the music; leave --beat-of out or name --bpm")
    return grid_of_beats(beats, max(sound.duration_s, clip.duration_s))


def _tell(done: Edited, change: "EditSpec") -> None:
    what = f"{done.strength:.0%} new" if change.is_whole else "new"
    print(
        f"{done.output}: {done.start_s:.2f} to {done.end_s:.2f} s {what}, "
        f"{genres.genre_name(done.genre)} at {done.bpm:.1f} bpm, made in {done.seconds:.1f} s"
    )
