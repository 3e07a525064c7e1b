"""``kinetune generate``: a dance goes in, music comes out."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres, timebase
from kinetune.cli.grids import AskedGrid
from kinetune.errors import ConfigError, KinetuneError, OutputError
from kinetune.files import check_writable

if TYPE_CHECKING:
    from kinetune.audio.delivery import Delivery
    from kinetune.model.pipeline import DanceMusic, DanceToMusicPipeline, Progress
    from kinetune.motion.clip import MotionClip

# What a dance gets when neither the user nor the file's name says its genre.
FALLBACK_GENRE = "house"
# What --beat-map writes beside the sound.
_BEAT_MAPS = {"json": ".beats.json", "csv": ".beats.csv", "labels": ".beats.txt", "midi": ".mid"}


@dataclass(frozen=True)
class GenerateOptions:
    """What a user can turn; None leaves it to the dance or to the checkpoint."""

    genre: str | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    grid: AskedGrid = field(default_factory=AskedGrid)
    loop: bool = False
    plot: bool = False
    beat_maps: tuple[str, ...] = ()
    rate_hz: int = timebase.SAMPLE_RATE_HZ
    channels: int = 1
    loudness_lufs: float = -14.0


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
class Generated:
    """One finished piece of music; the fields of ``--json``.

    Attributes:
        seconds: Of each stage; ``total`` leaves the loading of the model out.
        real_time_factor: Total seconds over seconds of music.
        peak_memory_mb: Largest memory of the process so far.
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


def command(
    motion: Annotated[
        list[Path], typer.Argument(help="Dances: AIST++ or EDGE .pkl, AMASS .npz, BVH.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A .wav, .flac, .ogg or .mp3 file, or a folder. [default: here]"
        ),
    ] = None,
    genre: Annotated[
        str | None,
        typer.Option(help="Name or code, e.g. break or BR. [default: the file's name, or house]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another piece of music.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps. [default: the model's own]")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="How hard to hold to the dance; 1 is off. [default: the model's own]"),
    ] = None,
    bpm: Annotated[
        str, typer.Option(help="Beats a minute, or auto, half, double of what the dance says.")
    ] = "auto",
    first_beat: Annotated[
        float | None,
        typer.Option(help="Second at which a bar begins. [default: found in the dance]"),
    ] = None,
    beats: Annotated[
        Path | None,
        typer.Option(help="A file of beat times: a beat a line, JSON, or a DAW's MIDI tempo map."),
    ] = None,
    loop: Annotated[
        bool, typer.Option(help="Whole bars whose end flows into their beginning, for games.")
    ] = False,
    beat_map: Annotated[
        list[str] | None,
        typer.Option(help="Also write the beats: json, csv, labels (Audacity) or midi."),
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second of the sound.")] = (
        timebase.SAMPLE_RATE_HZ
    ),
    stereo: Annotated[bool, typer.Option(help="Two equal channels instead of one.")] = False,
    loudness: Annotated[float, typer.Option(help="Integrated loudness, LUFS.")] = -14.0,
    model: Annotated[
        str, typer.Option(help="A bundled name, a checkpoint folder, or a hub id.")
    ] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw body, spectrogram and beats.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list on stdout, nothing else.")
    ] = False,
) -> None:
    """Turn dances into music."""
    options = GenerateOptions(
        genre=genre,
        seed=seed,
        steps=steps,
        guidance=guidance,
        grid=AskedGrid(bpm, first_beat, beats),
        loop=loop,
        plot=plot,
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
    if len(motion) == 1 and failed:
        raise failed[motion[0]]
    if failed:
        print(f"kinetune: {len(failed)} of {len(motion)} failed:", file=sys.stderr)
        for error in failed.values():
            print(f"  {' '.join(str(error).split())}", file=sys.stderr)
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
        motions: Motion files.
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
    from kinetune.motion.formats import read_motion

    options = options or GenerateOptions()
    _check_options(options)
    targets = output_paths(motions, output)
    for folder in {target.parent for target in targets}:
        check_writable(folder)
    place = _Place(model, device)
    done, failed = [], {}
    for path, target in zip(motions, targets, strict=True):
        try:
            clip = read_motion(path)
        except KinetuneError as error:
            failed[path] = error
            continue
        place.load()
        try:
            done.append(_one(place, path, clip, target, options, quiet))
        except KinetuneError as error:
            failed[path] = error
    return done, failed


def output_paths(motions: Sequence[Path], output: Path | None) -> list[Path]:
    """Return the sound file of every motion; equal stems get numbers.

    Raises:
        OutputError: One file is named for several motions, or an unknown suffix.
    """
    from kinetune.audio.sound import check_suffix

    if output is not None and output.suffix and not output.is_dir():
        check_suffix(output)
        if len(motions) > 1:
            raise OutputError(f"{output}: one file for {len(motions)} dances; name a folder")
        return [output]
    folder = output or Path()
    targets: list[Path] = []
    for motion in motions:
        target, number = folder / f"{motion.stem}.wav", 2
        while target in targets:
            target, number = folder / f"{motion.stem}-{number}.wav", number + 1
        targets.append(target)
    return targets


def genre_of(path: Path, asked: str | None) -> str:
    """Return the genre code: asked for, told by an AIST++ file name, or the fallback."""
    if asked is not None:
        return genres.genre_code(asked)
    code = path.name[1:3].upper()
    if path.name[:1] == "g" and path.name[3:4] == "_" and code in genres.CODES:
        return code
    return genres.genre_code(FALLBACK_GENRE)


def _check_options(options: GenerateOptions) -> None:
    if options.genre is not None:
        genres.genre_code(options.genre)
    if options.steps is not None and not 1 <= options.steps <= 1000:
        raise ConfigError(f"--steps must be 1 to 1000, found {options.steps}")
    if options.guidance is not None and not 0.0 <= options.guidance <= 50.0:
        raise ConfigError(f"--guidance must be 0 to 50, found {options.guidance:g}")
    for name in options.beat_maps:
        if name not in _BEAT_MAPS:
            known = ", ".join(_BEAT_MAPS)
            raise ConfigError(f"--beat-map must be one of {known}; found {name!r}")
    _delivery(options)
    if options.seed < 0:
        raise ConfigError(f"--seed must not be negative, found {options.seed}")


def _delivery(options: GenerateOptions) -> "Delivery":
    from kinetune.audio.delivery import Delivery

    return Delivery(options.rate_hz, options.channels, options.loudness_lufs)


class _Place:
    """A pipeline that is loaded when the first readable dance asks for it."""

    def __init__(self, model: str, device: str) -> None:
        self.model, self.device, self.load_s = model, device, 0.0
        self._pipeline: DanceToMusicPipeline | None = None

    def load(self) -> "DanceToMusicPipeline":
        """Return the pipeline."""
        if self._pipeline is None:
            from kinetune.model.device import choose_device
            from kinetune.model.pipeline import DanceToMusicPipeline

            began = time.perf_counter()
            device = choose_device(self.device)
            self._pipeline = DanceToMusicPipeline.from_pretrained(self.model, device=device)
            self.load_s = time.perf_counter() - began
        return self._pipeline


def _one(
    place: _Place,
    path: Path,
    clip: "MotionClip",
    target: Path,
    options: GenerateOptions,
    quiet: bool,
) -> Generated:
    from kinetune.audio.delivery import delivered
    from kinetune.audio.sound import write_sound
    from kinetune.cli.memory import peak_memory_mb

    # A loop may move a tempo that nobody named.
    grid = None if options.loop and options.grid == AskedGrid() else options.grid.of(clip)
    genre = genre_of(path, options.genre)
    with _progress_bar(clip.name, quiet) as progress:
        music = place.load()(
            clip,
            genre=genre,
            seed=options.seed,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            grid=grid,
            loop=options.loop,
            progress=progress,
        )
    sound = delivered(music.sound, _delivery(options))
    write_sound(target, sound, loops=options.loop)
    _write_beat_maps(target, music, options)
    if options.plot:
        from kinetune.cli.pictures import draw_music

        draw_music(target.with_suffix(".png"), clip, music)
    spent = music.seconds
    seconds = Seconds(place.load_s, **asdict(spent), total=spent.total)
    duration_s = sound.duration_s
    piece = Generated(
        motion=str(path),
        output=str(target),
        genre=genre,
        seed=options.seed,
        sample_rate=sound.rate_hz,
        duration_s=duration_s,
        bpm=music.grid.bpm,
        beats_s=[round(float(beat), 4) for beat in music.grid.beats_s],
        seconds=seconds,
        real_time_factor=spent.total / duration_s,
        peak_memory_mb=peak_memory_mb(),
    )
    if not quiet:
        _tell(piece, music, options)
    return piece


def _write_beat_maps(target: Path, music: "DanceMusic", options: GenerateOptions) -> None:
    from kinetune.audio.beat_map import beat_map, write_beat_map

    grid = music.grid
    duration_s, loops = music.sound.duration_s, options.loop
    made = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, duration_s, loops=loops)
    for name in options.beat_maps:
        write_beat_map(target.with_suffix(_BEAT_MAPS[name]), made)


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
        print(f"  beats: {Path(piece.output).with_suffix(_BEAT_MAPS[name])}")
    if options.plot:
        print(f"  picture: {Path(piece.output).with_suffix('.png')}")


@contextmanager
def _progress_bar(name: str, quiet: bool) -> Iterator["Progress | None"]:
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{name}: denoising", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
