"""``kinetune edit``: music that exists, changed to a dance."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.cli.terminal.options import (
    AccentOption,
    AnimationOption,
    BeatsOption,
    BlenderOption,
    BpmOption,
    DeviceOption,
    FirstBeatOption,
    ForceOption,
    FpsOption,
    GuidanceOption,
    JsonOption,
    MappingOption,
    MetreOption,
    OffsetOption,
    OntoOption,
    ReadingOption,
    ScoreOption,
    SilenceOption,
    StepsOption,
    VideoOption,
    beat_options,
    open_span,
    read_options,
    score_options,
)
from kinetune.cli.terminal.output import say

if TYPE_CHECKING:
    from kinetune.tasks.edit import EditRequest, EditResult


def command(
    music: Annotated[Path, typer.Argument(help="Music to change, ours or yours: a sound file.")],
    motion: Annotated[
        Path | None,
        typer.Option(
            help="The dance; the music begins with it. (default: the one the music was made for)"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A sound file. (default: NAME-edit.wav, here)"),
    ] = None,
    force: ForceOption = False,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
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
    first_beat: FirstBeatOption = None,
    metre: MetreOption = None,
    reading: ReadingOption = 1,
    beats: BeatsOption = None,
    score: ScoreOption = None,
    accent: AccentOption = None,
    silence: SilenceOption = None,
    beat_of: Annotated[
        str, typer.Option(help="Whose beat to play to where none is given: dance or music.")
    ] = "dance",
    video: VideoOption = None,
    onto: OntoOption = None,
    offset: OffsetOption = 0.0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="A bundled name, a checkpoint folder, or a hub id. (default: as before)"
        ),
    ] = None,
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw before and after.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change music: make a stretch anew, go on from its end, vary it, or change its style."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.edit import EditRequest, edit
    from kinetune.tasks.requests.music_options import MusicOptions
    from kinetune.tasks.requests.output_paths import FilmOptions

    request = EditRequest(
        music=music,
        motion=motion,
        output=output,
        redo=None if redo is None else open_span(redo),
        continue_s=go_on,
        strength=strength,
        keep_rhythm=keep_rhythm,
        exact=exact,
        options=MusicOptions(
            genre=genre,
            seed=seed,
            steps=steps,
            guidance=guidance,
            beats=beat_options(bpm, first_beat, beats, metre=metre, reading=reading),
            score=score_options(score, accent, silence, 1.0, exact=exact),
        ),
        beats_of=beat_of,  # type: ignore[arg-type]
        read=read_options(mapping, animation, fps, blender),
        plot=plot,
        film=FilmOptions(video, onto, offset),
        existing="replace" if force else "refuse",
        model=model,
        device=device,
    )
    with passing_bar(as_json) as progress:
        result = edit(request, progress=progress)
    if as_json:
        print_json(result)
    else:
        _print_result(result, request)


def _print_result(result: "EditResult", request: "EditRequest") -> None:
    amount = f"{result.strength:.0%} new" if request.is_whole else "new"
    genre = genres.genre_name(result.genre)
    say(
        f"{result.output}: {result.start_s:.2f} to {result.end_s:.2f} s {amount}, "
        f"{genre} at {result.bpm:.1f} bpm, seed {result.seed}, made in {result.seconds:.1f} s"
    )
    if result.from_recipe:
        say(f"  dance, beats and score as {result.music} was made with")
    if result.genre_source == "classifier":
        say(f"  genre {genre} (from its sound; choose another with --genre)")
    for title, made in (("picture", result.picture), ("film", result.film)):
        if made is not None:
            say(f"  {title}: {made}")
