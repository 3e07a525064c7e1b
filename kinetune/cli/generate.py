"""``kinetune generate``: a dance goes in, music comes out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres, timebase
from kinetune.cli.options import (
    FILES,
    AnimationOption,
    BeatsOption,
    BpmOption,
    DeviceOption,
    FirstBeatOption,
    FpsOption,
    GuidanceOption,
    MappingOption,
    ModelOption,
    StepsOption,
    beat_options,
    read_options,
)
from kinetune.errors import KinetuneError

if TYPE_CHECKING:
    from kinetune.tasks.generate import GeneratedPiece, GenerateRequest, GenerateResult


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
    first_beat: FirstBeatOption = None,
    beats: BeatsOption = None,
    loop: Annotated[
        bool, typer.Option(help="Whole bars whose end flows into their beginning, for games.")
    ] = False,
    score: Annotated[
        Path | None,
        typer.Option(help="A TOML file of sections (genre, energy), accents and silences."),
    ] = None,
    variations: Annotated[
        int, typer.Option(help="Several pieces, best first by how well they follow the body.")
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
    from kinetune.audio.export import ExportFormat
    from kinetune.cli.output import print_json
    from kinetune.cli.progress import passing_bar
    from kinetune.model.conditioning.control_score import read_control_score
    from kinetune.tasks.generate import GenerateRequest, MusicOptions, generate
    from kinetune.tasks.requests.output_paths import FilmOptions

    music = MusicOptions(
        genre=genre,
        seed=seed,
        steps=steps,
        guidance=guidance,
        beats=beat_options(bpm, first_beat, beats),
        loop=loop,
        score=None if score is None else read_control_score(score),
    )
    request = GenerateRequest(
        motions=tuple(motion),
        output=output,
        read=read_options(mapping, animation, fps),
        music=music,
        variations=variations,
        export=ExportFormat(rate, 2 if stereo else 1, loudness),
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
    if as_json:
        print_json(result.pieces)
    _print_outcome(result, motion, quiet=as_json)


def _print_piece(piece: "GeneratedPiece", request: "GenerateRequest") -> None:
    if piece.note and piece.rank == 1:
        print(piece.note, file=sys.stderr)
    beats = request.music.beats
    source = "as requested" if beats.sets_tempo else "found in the dance"
    print(
        f"{piece.output}: {piece.duration_s:.1f} s of {genres.genre_name(piece.genre)} at "
        f"{piece.bpm:.1f} bpm ({source}), made in {piece.seconds.total:.1f} s"
    )
    others = ", ".join(f"{bpm:.1f}" for bpm in piece.other_bpm[:3])
    if not beats.sets_tempo and others:
        print(f"  other possible tempi: {others} bpm (choose with --bpm)")
    for path in piece.beat_maps:
        print(f"  beats: {path}")
    for title, made in (
        ("picture", piece.picture),
        ("film", piece.film),
        ("variations side by side", piece.variation_sheet),
    ):
        if made is not None:
            print(f"  {title}: {made}")


def _print_outcome(result: "GenerateResult", named: list[Path], *, quiet: bool) -> None:
    """Summarise a batch, and exit with 2 if the only dance failed, 1 if one of several did."""
    from kinetune.cli.output import print_failures

    failures = result.failures
    if len(named) == 1 and [failure.file for failure in failures] == [str(named[0])]:
        raise KinetuneError(failures[0].error)
    total = len(result.pieces) + len(failures)
    if total > 1 and not quiet:
        print(f"{len(result.pieces)} of {total} made:")
        for piece in result.pieces:
            genre = genres.genre_name(piece.genre)
            length = f"{piece.duration_s:.1f} s of {genre} at {piece.bpm:.1f} bpm"
            print(f"  {piece.motion}: {piece.output}, {length}")
    if failures:
        print_failures(f"{len(failures)} of {total} failed:", (f.error for f in failures))
        raise typer.Exit(1)
