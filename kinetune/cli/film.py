"""``kinetune film``: render a video of a dance with any music."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import (
    AnimationOption,
    BeatsOption,
    BlenderOption,
    BpmOption,
    FirstBeatOption,
    ForceOption,
    FpsOption,
    JsonOption,
    MappingOption,
    OffsetOption,
    OntoOption,
    beat_options,
    read_options,
)
from kinetune.cli.terminal.output import print_line


def command(
    motion: Annotated[Path, typer.Argument(help="Motion file.")],
    music: Annotated[Path, typer.Argument(help="Sound file that starts with the dance.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Output .mp4 file. (default: MUSIC.mp4 in this folder)"
        ),
    ] = None,
    force: ForceOption = False,
    partner: Annotated[
        list[Path] | None,
        typer.Option(help="Motion file of another dancer, who begins with the first; repeatable."),
    ] = None,
    onto: OntoOption = None,
    offset: OffsetOption = 0.0,
    bpm: BpmOption = "auto",
    first_beat: FirstBeatOption = None,
    beats: BeatsOption = None,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render a video of a dance with any music."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.film import FilmRequest, film
    from kinetune.tasks.requests.output_paths import FilmOptions

    request = FilmRequest(
        motion=motion,
        music=music,
        film=FilmOptions(output or Path(f"{music.stem}.mp4"), onto, offset),
        beats=beat_options(bpm, first_beat, beats),
        read=read_options(mapping, animation, fps, blender),
        force=force,
        partners=tuple(partner or ()),
    )
    with passing_bar(as_json) as progress:
        result = film(request, progress=progress)
    if as_json:
        print_json(result)
    else:
        print_line(f"{result.output}: {result.duration_s:.1f} s of dance at {result.bpm:.1f} bpm")
        if abs(result.music_s - result.duration_s) > 1.0:
            print_line(f"  the music lasts {result.music_s:.1f} s")
