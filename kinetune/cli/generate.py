"""``kinetune generate``: a dance goes in, music comes out."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from kinetune import genres, timebase
from kinetune.cli.grids import AskedGrid
from kinetune.cli.motions import (
    FILES,
    AnimationOption,
    AskedReading,
    FpsOption,
    MappingOption,
    motions_in,
    report,
)
from kinetune.cli.options import (
    BEAT_MAPS,
    BpmOption,
    DeviceOption,
    FilmOptions,
    GenerateOptions,
    GuidanceOption,
    ModelOption,
    StepsOption,
    check_options,
    delivery,
)
from kinetune.cli.place import Place
from kinetune.cli.targets import Targets, targets_of
from kinetune.errors import KinetuneError
from kinetune.files import check_writable

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.pipeline import DanceMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip

# What a dance gets when neither the user nor the file's name says its genre.
FALLBACK_GENRE = "house"


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds of each stage."""

    load: float
    features: float
    denoise: float
    decode: float
    vocode: float
    total: float


@dataclass(frozen=True)
class Scores:
    """How well a take follows the body, see ``metrics.ranking``; None where it can't be said."""

    beats: float | None
    energy: float | None
    accents: float | None
    total: float


@dataclass(frozen=True)
class Generated:
    """One finished piece of music; the fields of ``--json``.

    Attributes:
        seconds: Of each stage; ``total`` leaves the loading of the model out.
        real_time_factor: Total seconds over seconds of music.
        peak_memory_mb: Largest memory of the process so far.
        rank: Place among the takes of one dance, best first.
        scores: What the rank is by; None for a single take.
    """

    motion: str
    output: str
    genre: str
    seed: int
    sample_rate: int
    duration_s: float
    bpm: float
    beats_s: list[float]
    seconds: Seconds
    real_time_factor: float
    peak_memory_mb: float
    rank: int = 1
    scores: Scores | None = None


def command(
    motion: Annotated[list[Path], typer.Argument(help=f"Dances, or folders of them: {FILES}.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A .wav, .flac, .ogg or .mp3 file, or a folder. (default: here)"
        ),
    ] = None,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    genre: Annotated[
        str | None,
        typer.Option(help="Name or code, e.g. break or BR. (default: the file's name, or house)"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another piece of music.")] = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    bpm: BpmOption = "auto",
    first_beat: Annotated[
        float | None,
        typer.Option(help="Second at which a bar begins. (default: found in the dance)"),
    ] = None,
    beats: Annotated[
        Path | None,
        typer.Option(help="A file of beat times: a beat a line, JSON, or a DAW's MIDI tempo map."),
    ] = None,
    loop: Annotated[
        bool, typer.Option(help="Whole bars whose end flows into their beginning, for games.")
    ] = False,
    score: Annotated[
        Path | None,
        typer.Option(help="A TOML file of sections (genre, energy), accents and silences."),
    ] = None,
    variations: Annotated[
        int, typer.Option(help="Several takes, best first by how well they follow the body.")
    ] = 1,
    beat_map: Annotated[
        list[str] | None,
        typer.Option(help="Also write the beats: json, csv, labels (Audacity) or midi."),
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second of the sound.")] = (
        timebase.SAMPLE_RATE_HZ
    ),
    stereo: Annotated[bool, typer.Option(help="Two equal channels instead of one.")] = False,
    loudness: Annotated[float, typer.Option(help="Integrated loudness, LUFS.")] = -14.0,
    video: Annotated[
        Path | None, typer.Option(help="Also film the dancer with the music on it: an .mp4 file.")
    ] = None,
    onto: Annotated[
        Path | None, typer.Option(help="Put the music on this film instead; --video says where.")
    ] = None,
    offset: Annotated[float, typer.Option(help="Second of that film at which it begins.")] = 0.0,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw body, spectrogram and beats.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list on stdout, nothing else.")
    ] = False,
) -> None:
    """Turn dances into music."""
    options = GenerateOptions(
        genre=genre,
        reading=AskedReading(mapping, animation, fps),
        seed=seed,
        steps=steps,
        guidance=guidance,
        grid=AskedGrid(bpm, first_beat, beats),
        loop=loop,
        score=score,
        variations=variations,
        plot=plot,
        film=FilmOptions(video, onto, offset),
        beat_maps=tuple(beat_map or ()),
        rate_hz=rate,
        channels=2 if stereo else 1,
        loudness_lufs=loudness,
    )
    done, failed = generate(
        motion, output=output, options=options, model=model, device=device, quiet=as_json
    )
    if as_json:
        print(json.dumps([asdict(piece) for piece in done], indent=2))
    if list(failed) == motion and len(motion) == 1:
        raise failed[motion[0]]
    report(done, failed, quiet=as_json)
    if failed:
        raise typer.Exit(1)


def generate(
    motions: Sequence[Path],
    *,
    output: Path | None = None,
    options: GenerateOptions | None = None,
    model: str = "default",
    device: str = "auto",
    quiet: bool = False,
) -> tuple[list[Generated], dict[Path, KinetuneError]]:
    """Make music for every motion file; one that fails doesn't stop the others.

    Args:
        motions: Motion files, or folders of them.
        output: A sound file (one motion only) or a folder; None is the current folder.
        options: What to turn.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.
        quiet: Say nothing but errors.

    Returns:
        What was made, and the error of every file that failed.

    Raises:
        KinetuneError: An option is impossible, the model can't be loaded, or the output place
            can't be written to: nothing was made.
    """
    from kinetune.motion.io.formats import read_motion_file

    options = options or GenerateOptions()
    check_options(options)
    reading, motions = options.reading.of(), motions_in(motions)
    targets = targets_of(motions, output, options.film)
    files = [path for both in targets for path in (both.sound, both.film) if path is not None]
    for folder in {path.parent for path in files}:
        check_writable(folder)
    place = Place(model, device)
    done, failed = [], {}
    for path, target in zip(motions, targets, strict=True):
        try:
            file = read_motion_file(path, reading)
        except KinetuneError as error:
            failed[path] = error
            continue
        if file.note and not quiet:
            print(file.note, file=sys.stderr)
        place.load()
        try:
            done += _takes(place, path, file.clip, target, options, quiet)
        except KinetuneError as error:
            failed[path] = error
    return done, failed


def genre_of(path: Path, asked: str | None) -> str:
    """Return the genre code: asked for, told by an AIST++ file name, or the fallback."""
    if asked is not None:
        return genres.genre_code(asked)
    return genres.genre_told_by(path.name) or genres.genre_code(FALLBACK_GENRE)


def _takes(
    place: Place,
    path: Path,
    clip: "MotionClip",
    targets: Targets,
    options: GenerateOptions,
    quiet: bool,
) -> list[Generated]:
    """Make all takes for one dance; nothing is written before the last is made."""
    from kinetune.cli.takes import check_takes, draw_takes, ranked

    check_takes(clip, options.variations)
    # A loop may move a tempo that nobody named.
    grid = None if options.loop and options.grid == AskedGrid() else options.grid.of(clip)
    made = [
        _make(place, path, clip, grid, options, seed, quiet)
        for seed in range(options.seed, options.seed + options.variations)
    ]
    if len(made) == 1:
        return [_hand_over(place, path, clip, targets, made[0], options, quiet)]
    best_first = ranked(clip, made)
    done = []
    for rank, take in enumerate(best_first, start=1):
        # Only the best is filmed.
        mine = Targets(
            targets.sound.with_stem(f"{targets.sound.stem}-{rank}"),
            targets.film if rank == 1 else None,
        )
        piece = _hand_over(place, path, clip, mine, take.music, options, quiet)
        done.append(replace(piece, rank=rank, scores=_scores(take.scores)))
    sheet = targets.sound.with_name(f"{targets.sound.stem}-takes.png")
    draw_takes(sheet, clip, best_first)
    if not quiet:
        print(f"  takes side by side: {sheet}")
    return done


def _make(
    place: Place,
    path: Path,
    clip: "MotionClip",
    grid: "BeatGrid | None",
    options: GenerateOptions,
    seed: int,
    quiet: bool,
) -> "DanceMusic":
    from kinetune.cli.progress import step_bar
    from kinetune.model.conditioning.control_score import read_control_score

    with step_bar(f"{clip.name}: denoising", quiet) as progress:
        return place.load()(
            clip,
            genre=genre_of(path, options.genre),
            seed=seed,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            grid=grid,
            loop=options.loop,
            score=None if options.score is None else read_control_score(options.score),
            progress=progress,
        )


def _hand_over(
    place: Place,
    path: Path,
    clip: "MotionClip",
    targets: Targets,
    music: "DanceMusic",
    options: GenerateOptions,
    quiet: bool,
) -> Generated:
    """Write everything that was asked for of one take."""
    from kinetune.audio.export import export
    from kinetune.audio.sound import write_sound

    sound = export(music.sound, delivery(options))
    target = targets.sound
    write_sound(target, sound, loops=options.loop, genre=genres.genre_name(music.genre))
    _write_beat_maps(target, music, options)
    if options.plot:
        from kinetune.render.pictures import draw_music

        draw_music(target.with_suffix(".png"), clip, music)
    if targets.film is not None:
        _write_film(targets.film, clip, music, sound, options.film, quiet)
    piece = _described(place, path, target, music, sound)
    if not quiet:
        _tell(piece, music, options)
        if targets.film is not None:
            print(f"  film: {targets.film}")
    return piece


def _described(
    place: Place, path: Path, target: Path, music: "DanceMusic", sound: "Sound"
) -> Generated:
    from kinetune.cli.memory import peak_memory_mb

    spent = music.seconds
    return Generated(
        motion=str(path),
        output=str(target),
        genre=music.genre,
        seed=music.seed,
        sample_rate=sound.rate_hz,
        duration_s=sound.duration_s,
        bpm=music.grid.bpm,
        beats_s=[round(float(beat), 4) for beat in music.grid.beats_s],
        seconds=Seconds(place.load_s, **asdict(spent), total=spent.total),
        real_time_factor=spent.total / sound.duration_s,
        peak_memory_mb=peak_memory_mb(),
    )


def _scores(found: "MotionFit") -> Scores:
    """The scores as JSON can hold them."""
    beats, energy, accents = (
        round(part, 4) if np.isfinite(part) else None
        for part in (found.beats, found.energy, found.accents)
    )
    return Scores(beats, energy, accents, round(found.total, 4))


def _write_film(
    path: Path,
    clip: "MotionClip",
    music: "DanceMusic",
    sound: "Sound",
    options: FilmOptions,
    quiet: bool,
) -> None:
    from kinetune.audio.beat_map import beat_map
    from kinetune.cli.progress import step_bar
    from kinetune.render import mux, skeleton_video

    if options.onto is not None:
        mux.write_onto(path, options.onto, sound, offset_s=options.offset_s)
        return
    grid = music.grid
    beats = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, music.sound.duration_s)
    title = f"{clip.name}: {genres.genre_name(music.genre)} at {grid.bpm:.1f} bpm"
    scene = skeleton_video.Scene(clip, np.array(beats.beats_s), np.array(beats.downbeats_s), title)
    with step_bar(f"{clip.name}: filming", quiet) as progress:
        mux.write_film(path, scene, sound, progress=progress)


def _write_beat_maps(target: Path, music: "DanceMusic", options: GenerateOptions) -> None:
    from kinetune.audio.beat_map import beat_map, write_beat_map

    grid = music.grid
    duration_s, loops = music.sound.duration_s, options.loop
    made = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, duration_s, loops=loops)
    for name in options.beat_maps:
        write_beat_map(target.with_suffix(BEAT_MAPS[name]), made)


def _tell(piece: Generated, music: "DanceMusic", options: GenerateOptions) -> None:
    how = "as asked" if options.grid.is_named else "found in the dance"
    print(
        f"{piece.output}: {piece.duration_s:.1f} s of {genres.genre_name(piece.genre)} at "
        f"{piece.bpm:.1f} bpm ({how}), made in {piece.seconds.total:.1f} s"
    )
    others = ", ".join(f"{rival.bpm:.1f}" for rival in music.grid.alternatives[:3])
    if not options.grid.is_named and others:
        print(f"  other tempi it could be danced to: {others} bpm (choose with --bpm)")
    for name in options.beat_maps:
        print(f"  beats: {Path(piece.output).with_suffix(BEAT_MAPS[name])}")
    if options.plot:
        print(f"  picture: {Path(piece.output).with_suffix('.png')}")
