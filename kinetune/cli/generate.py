"""``kinetune generate``: generate music for motion files."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.cli.terminal.options import (
    FILES,
    GENRES,
    AccentOption,
    AnimationOption,
    BeatMapOption,
    BeatsOption,
    BlenderOption,
    BpmOption,
    ChordsOption,
    DeviceOption,
    EnergyOption,
    EngineOption,
    FirstBeatOption,
    ForceOption,
    FpsOption,
    GuidanceOption,
    KeyOption,
    LayersOption,
    MappingOption,
    MetreOption,
    MidiOption,
    ModelOption,
    OffsetOption,
    OntoOption,
    PackOption,
    PracticeOption,
    PromptOption,
    RayOption,
    ReadingOption,
    ScoreOption,
    SilenceOption,
    StemsOption,
    StepsOption,
    TakesOption,
    TogetherOption,
    VideoOption,
    beat_options,
    read_options,
    score_options,
)
from kinetune.cli.terminal.output import print_composed, print_line, print_note
from kinetune.errors import ConfigError, KinetuneError

if TYPE_CHECKING:
    from kinetune.tasks.generate import GeneratedPiece, GenerateRequest, GenerateResult, Scores
    from kinetune.tasks.requests.output_paths import Existing

_GENRE_SOURCES = {"default": "the default", "file name": "from the file name"}


def command(
    motion: Annotated[list[Path], typer.Argument(help=f"Motion files or folders: {FILES}.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Output .wav, .flac, .ogg or .mp3 file, or a folder. (default: this folder)",
        ),
    ] = None,
    file_format: Annotated[
        str,
        typer.Option(
            "--format", help="Format of files in an output folder: wav, flac, ogg or mp3."
        ),
    ] = "wav",
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Include subfolders of input folders.")
    ] = False,
    force: ForceOption = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip dances whose sound file exists.")
    ] = False,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    genre: Annotated[
        str | None,
        typer.Option(help=f"{GENRES}. (default: from an AIST++ file name, else house)"),
    ] = None,
    engine: EngineOption = "diffusion",
    key: KeyOption = None,
    chords: ChordsOption = None,
    prompt: PromptOption = None,
    redo: TakesOption = None,
    seed: Annotated[
        int, typer.Option(help="Random seed, 0 or more; each seed gives another piece.")
    ] = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    bpm: BpmOption = "auto",
    first_beat: FirstBeatOption = None,
    metre: MetreOption = None,
    reading: ReadingOption = 1,
    beats: BeatsOption = None,
    together: TogetherOption = False,
    loop: Annotated[
        bool, typer.Option(help="Make a seamless loop of whole bars, for games.")
    ] = False,
    loop_bars: Annotated[
        int | None, typer.Option(help="Bars of a loop. (default: all of the dance)")
    ] = None,
    score: ScoreOption = None,
    accent: AccentOption = None,
    silence: SilenceOption = None,
    energy: EnergyOption = 1.0,
    exact: Annotated[
        bool, typer.Option(help="Do not snap sections and silences to bar lines.")
    ] = False,
    variations: Annotated[
        int,
        typer.Option(help="Number of pieces, 1 to 64, ranked by how well they follow the motion."),
    ] = 1,
    beat_map: BeatMapOption = None,
    stems: StemsOption = "none",
    midi: MidiOption = False,
    layers: LayersOption = 0,
    practice: PracticeOption = None,
    pack: PackOption = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Sample rate in Hz, 8000 to 192000. (default: the model's own)"),
    ] = None,
    stereo: Annotated[
        bool | None,
        typer.Option("--stereo/--mono", help="Two channels or one. (default: the model's own)"),
    ] = None,
    loudness: Annotated[
        float, typer.Option(help="Integrated loudness in LUFS, -40 to -6.")
    ] = -14.0,
    video: VideoOption = None,
    onto: OntoOption = None,
    offset: OffsetOption = 0.0,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    plot: Annotated[
        bool, typer.Option(help="Also draw motion energy, spectrogram and beats (.png).")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only a JSON list of the results, on stdout.")
    ] = False,
    ray: RayOption = None,
) -> None:
    """Generate music for a dance."""
    from kinetune.audio.export import ExportFormat
    from kinetune.composer.options import parse_take
    from kinetune.model.adapters.names import declare_genres
    from kinetune.tasks.generate import GenerateRequest
    from kinetune.tasks.generating.prompt import with_prompt
    from kinetune.tasks.requests.composer_options import composer_options
    from kinetune.tasks.requests.composer_outputs import ComposerOutputs, practice_tempi
    from kinetune.tasks.requests.music_options import MusicOptions
    from kinetune.tasks.requests.output_paths import FilmOptions

    declare_genres(model, genre)
    options = MusicOptions(
        genre=genre,
        seed=seed,
        steps=steps,
        guidance=guidance,
        beats=beat_options(bpm, first_beat, beats, metre=metre, reading=reading),
        loop=loop or loop_bars is not None,
        loop_bars=loop_bars,
        score=score_options(score, accent, silence, energy, exact=exact),
        engine=engine,  # type: ignore[arg-type]
        composer=composer_options(key, chords, [parse_take(text, seed + 1) for text in redo or []]),
    )
    request = GenerateRequest(
        motions=tuple(motion),
        output=output,
        recursive=recursive,
        format=file_format,
        existing=_existing(force, skip_existing),
        read=read_options(mapping, animation, fps, blender),
        options=with_prompt(options, prompt),
        variations=variations,
        export=ExportFormat(rate, None if stereo is None else 1 + stereo, loudness),
        beat_maps=tuple(beat_map or ()),
        plot=plot,
        film=FilmOptions(video, onto, offset),
        composed=ComposerOutputs(stems, midi, layers, practice_tempi(practice)),  # type: ignore[arg-type]
        packs=tuple(pack or ()),
        model=model,
        device=device,
        together=together,
    )
    _run(request, as_json=as_json, ray=ray)


def _run(request: "GenerateRequest", *, as_json: bool, ray: str | None) -> None:
    """Generate, on a cluster if one is named, and print what was made."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.generate import generate

    if not as_json:
        _print_prompt(request)
    run = generate
    if ray is not None:
        from kinetune.cluster.actors import Cluster
        from kinetune.cluster.generating import generate_on_cluster

        run = partial(generate_on_cluster, cluster=Cluster(ray))
    with passing_bar(as_json) as progress:
        result = run(
            request,
            progress=progress,
            on_piece=None if as_json else lambda piece: _print_piece(piece, request),
        )
    failures = result.failures
    files = [failure.file for failure in failures]
    alone = len(request.motions) == 1 and files == [str(request.motions[0])]
    if alone or (request.together and failures):
        raise KinetuneError(failures[0].error)
    if as_json:
        print_json(result.pieces)
    _print_outcome(result, quiet=as_json)


def _print_prompt(request: "GenerateRequest") -> None:
    """Print what was understood of a prompt, and what the engine can't do of it."""
    from kinetune.tasks.composing.engine import pipeline_for
    from kinetune.tasks.generating.prompt import unheeded

    options = request.options
    if options.prompt is None:
        return
    print_note(options.prompt.summary())
    pipeline = pipeline_for(options, request.model, request.device)
    rest = unheeded(
        options, reads_harmony=pipeline.reads_harmony, attributes=pipeline.attribute_names
    )
    if rest:
        is_model = options.engine == "diffusion"
        who = "the model does" if is_model else "the composer does"
        hint = "; --engine composer plays them" if is_model else ""
        print_note(f"{who} not follow: {', '.join(rest)}{hint}")


def _existing(force: bool, skip: bool) -> "Existing":
    if force and skip:
        raise ConfigError("--force replaces files, --skip-existing keeps them; name one of them")
    return "replace" if force else "skip" if skip else "refuse"


def _print_piece(piece: "GeneratedPiece", request: "GenerateRequest") -> None:
    if piece.note and piece.rank == 1:
        print_note(piece.note)
    beats = request.options.beats
    genre = genres.genre_name(piece.genre)
    dancers = f" for {1 + len(piece.partners)} dancers" if piece.partners else ""
    print_line(
        f"{piece.output}: {piece.duration_s:.1f} s of {genre}{dancers} at {piece.bpm:.1f} bpm "
        f"({_tempo_source(piece, request)}), seed {piece.seed}, made in {piece.seconds.total:.1f} s"
    )
    _print_loop(piece, request)
    if piece.genre_source in _GENRE_SOURCES and piece.rank == 1:
        print_line(f"  genre {genre} ({_GENRE_SOURCES[piece.genre_source]})")
    if piece.scores is not None:
        print_line(f"  {_score_line(piece.scores)}")
    others = ", ".join(f"{bpm:.1f}" for bpm in piece.other_bpm[:3])
    if others and not (beats.sets_tempo or _hardly_moves(piece)):
        print_line(f"  other possible tempi: {others} bpm (choose with --bpm)")
    print_composed(piece.composed, piece.harmony)
    for path in piece.beat_maps:
        print_line(f"  beats: {path}")
    for title, made in (
        *(("pack", folder) for folder in piece.packs),
        ("picture", piece.picture),
        ("video", piece.film),
        ("variations side by side", piece.variation_sheet),
    ):
        if made is not None:
            print_line(f"  {title}: {made}")


def _tempo_source(piece: "GeneratedPiece", request: "GenerateRequest") -> str:
    """Where the tempo comes from."""
    if request.options.beats.sets_tempo:
        return "as requested"
    if _hardly_moves(piece):
        return "the default: the body hardly moves"
    if request.together and not request.options.loop:
        return "estimated from all dancers"
    fitted = request.options.loop and request.options.loop_bars is None
    return "fitted to whole bars of the dance" if fitted else "estimated from the motion"


def _hardly_moves(piece: "GeneratedPiece") -> bool:
    from kinetune.motion.beats.beat_grid import HARDLY_MOVES

    return piece.doubt == HARDLY_MOVES


def _print_loop(piece: "GeneratedPiece", request: "GenerateRequest") -> None:
    if request.options.loop:
        print_line(f"  loop of {piece.duration_s:.2f} s; the dance lasts {piece.motion_s:.2f} s")


def _score_line(scores: "Scores") -> str:
    parts = (
        ("beats", scores.beats),
        ("energy", scores.energy),
        ("accents", scores.accents),
        ("similarity", scores.similarity),
    )
    details = ", ".join(
        f"{name} {'not measurable' if value is None else f'{value:.2f}'}" for name, value in parts
    )
    return f"follows the motion: {scores.total:.2f} ({details})"


def _print_outcome(result: "GenerateResult", *, quiet: bool) -> None:
    """Summarise a batch, and exit with 1 if a dance failed."""
    from kinetune.cli.terminal.output import print_failures

    failures = result.failures
    total = len(result.pieces) + len(failures)
    if total > 1 and not quiet:
        print_line(f"{len(result.pieces)} of {total} made")
    if result.skipped and not quiet:
        print_line(f"{len(result.skipped)} skipped: their sound files exist")
    if failures:
        print_failures(f"{len(failures)} of {total} failed:", (f.error for f in failures))
        raise typer.Exit(1)
