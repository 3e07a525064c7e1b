"""``kinetune generate``: a dance goes in, music comes out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.cli.terminal.options import (
    FILES,
    GENRES,
    AccentOption,
    AnimationOption,
    BeatsOption,
    BlenderOption,
    BpmOption,
    DeviceOption,
    EnergyOption,
    FirstBeatOption,
    ForceOption,
    FpsOption,
    GuidanceOption,
    MappingOption,
    MetreOption,
    ModelOption,
    OffsetOption,
    OntoOption,
    ReadingOption,
    ScoreOption,
    SilenceOption,
    StepsOption,
    VideoOption,
    beat_options,
    read_options,
    score_options,
)
from kinetune.cli.terminal.output import note, say
from kinetune.errors import ConfigError, KinetuneError

if TYPE_CHECKING:
    from kinetune.tasks.generate import GeneratedPiece, GenerateRequest, GenerateResult, Scores
    from kinetune.tasks.requests.output_paths import Existing

_GENRE_SOURCES = {"default": "none was given", "file name": "from the file's name"}


def command(
    motion: Annotated[list[Path], typer.Argument(help=f"Dances, or folders of them: {FILES}.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A .wav, .flac, .ogg or .mp3 file, or a folder. (default: here)"
        ),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="Of sound files in a folder: wav, flac, ogg or mp3.")
    ] = "wav",
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Look into the folders of a folder too.")
    ] = False,
    force: ForceOption = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out dances whose sound file exists.")
    ] = False,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    genre: Annotated[
        str | None,
        typer.Option(help=f"{GENRES}. (default: the file's name, or house)"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another piece of music.")] = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    bpm: BpmOption = "auto",
    first_beat: FirstBeatOption = None,
    metre: MetreOption = None,
    reading: ReadingOption = 1,
    beats: BeatsOption = None,
    loop: Annotated[
        bool, typer.Option(help="Whole bars whose end flows into their beginning, for games.")
    ] = False,
    score: ScoreOption = None,
    accent: AccentOption = None,
    silence: SilenceOption = None,
    energy: EnergyOption = 1.0,
    exact: Annotated[
        bool, typer.Option(help="Don't move sections and silences to bar lines.")
    ] = False,
    variations: Annotated[
        int, typer.Option(help="Several pieces, best first by how well they follow the body.")
    ] = 1,
    beat_map: Annotated[
        list[str] | None,
        typer.Option(help="Also write the beats: json, csv, labels (Audacity) or midi."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Samples a second of the sound. (default: the model's own)")
    ] = None,
    stereo: Annotated[
        bool | None,
        typer.Option("--stereo/--mono", help="Channels. (default: the model's own)"),
    ] = None,
    loudness: Annotated[float, typer.Option(help="Integrated loudness, LUFS.")] = -14.0,
    video: VideoOption = None,
    onto: OntoOption = None,
    offset: OffsetOption = 0.0,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw body, spectrogram and beats.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list on stdout, nothing else.")
    ] = False,
) -> None:
    """Turn dances into music."""
    from kinetune.audio.export import ExportFormat
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.generate import GenerateRequest, MusicOptions, generate
    from kinetune.tasks.requests.output_paths import FilmOptions

    options = MusicOptions(
        genre=genre,
        seed=seed,
        steps=steps,
        guidance=guidance,
        beats=beat_options(bpm, first_beat, beats, metre=metre, reading=reading),
        loop=loop,
        score=score_options(score, accent, silence, energy, exact=exact),
    )
    request = GenerateRequest(
        motions=tuple(motion),
        output=output,
        recursive=recursive,
        format=file_format,
        existing=_existing(force, skip_existing),
        read=read_options(mapping, animation, fps, blender),
        options=options,
        variations=variations,
        export=ExportFormat(rate, None if stereo is None else 1 + stereo, loudness),
        beat_maps=tuple(beat_map or ()),
        plot=plot,
        film=FilmOptions(video, onto, offset),
        model=model,
        device=device,
    )
    with passing_bar(as_json) as progress:
        result = generate(
            request,
            progress=progress,
            on_piece=None if as_json else lambda piece: _print_piece(piece, request),
        )
    failures = result.failures
    if len(motion) == 1 and [failure.file for failure in failures] == [str(motion[0])]:
        raise KinetuneError(failures[0].error)
    if as_json:
        print_json(result.pieces)
    _print_outcome(result, quiet=as_json)


def _existing(force: bool, skip: bool) -> "Existing":
    if force and skip:
        raise ConfigError("--force replaces files, --skip-existing keeps them; name one of them")
    return "replace" if force else "skip" if skip else "refuse"


def _print_piece(piece: "GeneratedPiece", request: "GenerateRequest") -> None:
    if piece.note and piece.rank == 1:
        note(piece.note)
    beats = request.options.beats
    genre = genres.genre_name(piece.genre)
    say(
        f"{piece.output}: {piece.duration_s:.1f} s of {genre} at {piece.bpm:.1f} bpm "
        f"({_tempo_source(request)}), seed {piece.seed}, made in {piece.seconds.total:.1f} s"
    )
    _print_loop(piece, request)
    if piece.genre_source in _GENRE_SOURCES and piece.rank == 1:
        say(f"  genre {genre} ({_GENRE_SOURCES[piece.genre_source]})")
    if piece.scores is not None:
        say(f"  {_score_line(piece.scores)}")
    others = ", ".join(f"{bpm:.1f}" for bpm in piece.other_bpm[:3])
    if not beats.sets_tempo and others:
        say(f"  other possible tempi: {others} bpm (choose with --bpm)")
    for path in piece.beat_maps:
        say(f"  beats: {path}")
    for title, made in (
        ("picture", piece.picture),
        ("film", piece.film),
        ("variations side by side", piece.variation_sheet),
    ):
        if made is not None:
            say(f"  {title}: {made}")


def _tempo_source(request: "GenerateRequest") -> str:
    """Where the tempo comes from."""
    if request.options.beats.sets_tempo:
        return "as requested"
    return "fitted to whole bars of the dance" if request.options.loop else "found in the dance"


def _print_loop(piece: "GeneratedPiece", request: "GenerateRequest") -> None:
    if request.options.loop:
        say(f"  loop of {piece.duration_s:.2f} s; the dance lasts {piece.motion_s:.2f} s")


def _score_line(scores: "Scores") -> str:
    parts = (("beats", scores.beats), ("energy", scores.energy), ("accents", scores.accents))
    details = ", ".join(
        f"{name} {'not measurable' if value is None else f'{value:.2f}'}" for name, value in parts
    )
    return f"follows the body: {scores.total:.2f} ({details})"


def _print_outcome(result: "GenerateResult", *, quiet: bool) -> None:
    """Summarise a batch, and exit with 1 if a dance failed."""
    from kinetune.cli.terminal.output import print_failures

    failures = result.failures
    total = len(result.pieces) + len(failures)
    if total > 1 and not quiet:
        say(f"{len(result.pieces)} of {total} made")
    if result.skipped and not quiet:
        say(f"{len(result.skipped)} left out: their sound files exist")
    if failures:
        print_failures(f"{len(failures)} of {total} failed:", (f.error for f in failures))
        raise typer.Exit(1)
