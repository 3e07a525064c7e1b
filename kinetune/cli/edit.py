"""``kinetune edit``: music that exists, changed to a dance."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.cli.options import (
    AnimationOption,
    BeatsOption,
    BpmOption,
    DeviceOption,
    FirstBeatOption,
    FpsOption,
    GuidanceOption,
    JsonOption,
    MappingOption,
    ModelOption,
    StepsOption,
    beat_options,
    read_options,
    time_span,
)

if TYPE_CHECKING:
    from kinetune.tasks.edit import EditRequest, EditResult


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
    first_beat: FirstBeatOption = None,
    beats: BeatsOption = None,
    beat_of: Annotated[
        str, typer.Option(help="Whose beat to play to where none is given: dance or music.")
    ] = "dance",
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw before and after.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change music: make a stretch anew, go on from its end, vary it, or change its style."""
    from kinetune.cli.output import print_json
    from kinetune.cli.progress import passing_bar
    from kinetune.tasks.edit import EditRequest, edit
    from kinetune.tasks.requests.music_options import MusicOptions

    request = EditRequest(
        music=music,
        motion=motion,
        output=output,
        redo=None if redo is None else time_span(redo),
        continue_s=go_on,
        strength=strength,
        keep_rhythm=keep_rhythm,
        exact=exact,
        options=MusicOptions(
            genre=genre,
            seed=seed,
            steps=steps,
            guidance=guidance,
            beats=beat_options(bpm, first_beat, beats),
        ),
        beats_of=beat_of,  # type: ignore[arg-type]
        read=read_options(mapping, animation, fps),
        plot=plot,
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
    print(
        f"{result.output}: {result.start_s:.2f} to {result.end_s:.2f} s {amount}, "
        f"{genre} at {result.bpm:.1f} bpm, made in {result.seconds:.1f} s"
    )
    if result.genre_source == "classifier":
        print(f"  genre {genre} (from its sound; choose another with --genre)")
    if result.picture is not None:
        print(f"  picture: {result.picture}")
