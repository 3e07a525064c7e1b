"""``kinetune edit``: regenerate, extend or restyle existing music to fit a dance."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres
from kinetune.cli.terminal.options import (
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
    StepsOption,
    VideoOption,
    beat_options,
    changed_score,
    open_span,
    read_options,
    score_additions,
)
from kinetune.cli.terminal.output import print_composed, print_line

if TYPE_CHECKING:
    from kinetune.tasks.edit import EditRequest, EditResult

# Times are printed in hundredths.
_SHOWN_S = 0.01


def command(
    music: Annotated[
        Path, typer.Argument(help="Sound file to change, from kinetune or elsewhere.")
    ],
    motion: Annotated[
        Path | None,
        typer.Option(
            help="Motion file that starts with the music. (default: from the music's recipe)"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Output sound file. (default: NAME-edit.wav in this folder)"
        ),
    ] = None,
    force: ForceOption = False,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    redo: Annotated[
        str | None,
        typer.Option(help="Regenerate this span, START:END in seconds, such as 12.0:16.5."),
    ] = None,
    extend_s: Annotated[
        float | None,
        typer.Option("--continue", help="Extend the music by this many seconds; above 0."),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="Amount of change, 0 (none) to 1 (all new). "
            "(default: 1 for a span or a new genre, else 0.3)"
        ),
    ] = None,
    genre: Annotated[
        str | None,
        typer.Option(
            help="New genre; alone, it keeps the rhythm of the piece. (default: the music's own)"
        ),
    ] = None,
    keep_rhythm: Annotated[
        bool | None,
        typer.Option(
            "--keep-rhythm/--new-rhythm",
            help="Keep the loudness envelope. (default: on when only --genre changes)",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option(help="Do not snap times to bar lines.")] = False,
    seed: Annotated[
        int, typer.Option(help="Random seed, 0 or more; each seed gives another result.")
    ] = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    bpm: BpmOption = "auto",
    first_beat: FirstBeatOption = None,
    metre: MetreOption = None,
    reading: ReadingOption = 1,
    beats: BeatsOption = None,
    score: Annotated[
        Path | None,
        typer.Option(help="Control score (.toml) in place of the music's own; see generate."),
    ] = None,
    accent: Annotated[
        list[str] | None,
        typer.Option(
            help="Add an accent at SECONDS or SECONDS:STRENGTH (0 removes one there); repeatable. "
            "Without --redo, its bar is regenerated."
        ),
    ] = None,
    silence: Annotated[
        list[str] | None,
        typer.Option(
            help="Add a silence from START:END in seconds, in place of those it overlaps; "
            "repeatable. Without --redo, its bars are regenerated."
        ),
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(
            help="Energy factor of the regenerated part, 0.1 to 3. (default: as in the music's "
            "score)"
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="diffusion or composer. (default: what made the music)"),
    ] = None,
    beat_of: Annotated[
        str, typer.Option(help="Where to detect beats if none are given: dance or music.")
    ] = "dance",
    video: VideoOption = None,
    onto: OntoOption = None,
    offset: OffsetOption = 0.0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="Bundled name, checkpoint folder or hub id. (default: from the recipe)"
        ),
    ] = None,
    device: DeviceOption = "auto",
    plot: Annotated[bool, typer.Option(help="Also draw a picture of before and after.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Edit music: regenerate a span, extend it, vary it or change its genre."""
    from kinetune.model.adapters.names import declare_genres
    from kinetune.tasks.edit import EditRequest
    from kinetune.tasks.requests.music_options import MusicOptions
    from kinetune.tasks.requests.output_paths import FilmOptions

    if model is not None:
        declare_genres(model, genre)
    request = EditRequest(
        music=music,
        motion=motion,
        output=output,
        redo=None if redo is None else open_span(redo),
        continue_s=extend_s,
        strength=strength,
        keep_rhythm=keep_rhythm,
        exact=exact,
        options=MusicOptions(
            genre=genre,
            seed=seed,
            steps=steps,
            guidance=guidance,
            beats=beat_options(bpm, first_beat, beats, metre=metre, reading=reading),
            score=changed_score(score, exact=exact),
        ),
        changes=score_additions(accent, silence, energy),
        beats_of=beat_of,  # type: ignore[arg-type]
        read=read_options(mapping, animation, fps, blender),
        plot=plot,
        film=FilmOptions(video, onto, offset),
        existing="replace" if force else "refuse",
        engine=engine,  # type: ignore[arg-type]
        model=model,
        device=device,
    )
    _run(request, redo, as_json=as_json)


def _run(request: "EditRequest", redo: str | None, *, as_json: bool) -> None:
    """Edit, and print what was made."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.edit import edit

    with passing_bar(as_json) as progress:
        result = edit(request, progress=progress)
    if as_json:
        print_json(result)
    else:
        _print_result(result, request)
        if redo is not None and was_widened(result, request):
            print_line(
                f"  --redo {redo} was widened to {result.start_s:.2f} to {result.end_s:.2f} s, the "
                "bar lines; --exact takes times as they are"
            )


def was_widened(result: "EditResult", request: "EditRequest") -> bool:
    """Return whether more was regenerated than was requested, by what is printed of times."""
    if request.redo is None:
        return False
    start_s, end_s = request.redo
    return start_s - result.start_s >= _SHOWN_S or result.end_s - (end_s or math.inf) >= _SHOWN_S


def _print_result(result: "EditResult", request: "EditRequest") -> None:
    amount = f"{result.strength:.0%} new" if request.is_whole else "new"
    genre = genres.genre_name(result.genre)
    print_line(
        f"{result.output}: {result.start_s:.2f} to {result.end_s:.2f} s {amount}, "
        f"{genre} at {result.bpm:.1f} bpm, seed {result.seed}, made in {result.seconds:.1f} s"
    )
    if result.from_recipe:
        print_line(f"  dance, beats and score from the recipe of {result.music}")
    if result.genre_source == "classifier":
        print_line(f"  genre {genre} (detected in the audio; change it with --genre)")
    print_composed(None, result.harmony)
    for title, made in (("picture", result.picture), ("video", result.film)):
        if made is not None:
            print_line(f"  {title}: {made}")
