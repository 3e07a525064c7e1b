"""``kinetune inspect``: format, length, tempo and beats of a motion file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import (
    FILES,
    AnimationOption,
    BlenderOption,
    ForceOption,
    FpsOption,
    JsonOption,
    MappingOption,
    read_options,
)
from kinetune.cli.terminal.output import say

if TYPE_CHECKING:
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.tasks.inspect import InspectResult


def command(
    motion: Annotated[Path, typer.Argument(help=f"{FILES}.")],
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    make_mapping: Annotated[
        Path | None,
        typer.Option(
            help="Only write a draft joint mapping (TOML) for this skeleton to this file."
        ),
    ] = None,
    plot: Annotated[
        bool,
        typer.Option(help="Also draw poses, motion energy and beats to NAME.png in this folder."),
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a motion file contains, and its tempo and beats."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.tasks.inspect import InspectRequest, inspect

    read = read_options(mapping, animation, fps, blender)
    if make_mapping is not None:
        _draft_mapping(motion, make_mapping, read)
        return
    picture = Path(f"{motion.stem}.png") if plot else None
    result = inspect(InspectRequest(motion, read, picture, force))
    if as_json:
        print_json(result)
    else:
        _print_result(result)


def _draft_mapping(motion: Path, target: Path, read: "ReadOptions") -> None:
    from kinetune.tasks.inspect import DraftMappingRequest, draft_mapping

    result = draft_mapping(DraftMappingRequest(motion, target, read))
    say(
        f"{target}: {result.recognised} of the {result.joints} SMPL joints matched by name; edit "
        f"it, then use it with --mapping {target}"
    )


def _print_result(result: "InspectResult") -> None:
    say(f"{result.motion}")
    say(f"format        {result.format}, {result.joints} joints")
    say(f"length        {result.frames} frames at {result.fps:g} fps = {result.duration_s:.2f} s")
    if result.note:
        say(f"note          {result.note}")
    say(f"motion beats  {len(result.motion_beats_s)} (minima of the mean joint speed)")
    doubt = f" ({result.doubt})" if result.doubt else ""
    say(
        f"tempo         {result.bpm:.1f} bpm, {result.metre} beats to the bar, first beat at "
        f"{result.first_beat_s:.2f} s, bar starts at {result.bar_start_s:.2f} s, probability "
        f"{result.confidence:.0%}{doubt}"
    )
    say("beat readings, most likely first (generate --reading N)")
    for number, reading in enumerate(result.readings, start=1):
        say(
            f"  {number}  {reading.probability:4.0%}  {reading.bpm:6.1f} bpm, first beat at "
            f"{reading.first_beat_s:.2f} s, bar at {reading.bar_start_s:.2f} s, "
            f"{reading.metre} beats to the bar"
        )
    if result.picture is not None:
        say(f"picture       {result.picture}")
