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
    TogetherOption,
    read_options,
)
from kinetune.cli.terminal.output import print_line
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.tasks.inspect import InspectGroupResult, InspectResult


def command(
    motion: Annotated[list[Path], typer.Argument(help=f"{FILES}.")],
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
    together: TogetherOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a motion file contains, and its tempo and beats."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.tasks.inspect import (
        InspectGroupRequest,
        InspectRequest,
        inspect,
        inspect_group,
    )

    read = read_options(mapping, animation, fps, blender)
    if together:
        picture = Path(f"{motion[0].stem}-together.png") if plot else None
        group = inspect_group(InspectGroupRequest(tuple(motion), read, picture, force))
        print_json(group) if as_json else _print_group(group)
        return
    if len(motion) > 1:
        raise ConfigError(
            f"inspect looks at one dance, found {len(motion)}; --together reads them as one group"
        )
    if make_mapping is not None:
        _draft_mapping(motion[0], make_mapping, read)
        return
    picture = Path(f"{motion[0].stem}.png") if plot else None
    result = inspect(InspectRequest(motion[0], read, picture, force))
    print_json(result) if as_json else _print_result(result)


def _draft_mapping(motion: Path, target: Path, read: "ReadOptions") -> None:
    from kinetune.tasks.inspect import DraftMappingRequest, draft_mapping

    result = draft_mapping(DraftMappingRequest(motion, target, read))
    print_line(
        f"{target}: {result.recognised} of the {result.joints} SMPL joints matched by name; edit "
        f"it, then use it with --mapping {target}"
    )


def _print_result(result: "InspectResult") -> None:
    print_line(f"{result.motion}")
    unit = "columns" if result.format == "curves" else "joints"
    print_line(f"format        {result.format}, {result.joints} {unit}")
    print_line(
        f"length        {result.frames} frames at {result.fps:g} fps = {result.duration_s:.2f} s"
    )
    if result.note:
        print_line(f"note          {result.note}")
    print_line(f"motion beats  {len(result.motion_beats_s)} (minima of the mean joint speed)")
    _print_beats(result)


def _print_group(result: "InspectGroupResult") -> None:
    for dancer in result.dancers:
        print_line(
            f"{dancer.motion}: {dancer.format}, {dancer.frames} frames at {dancer.fps:g} fps = "
            f"{dancer.duration_s:.2f} s; alone {dancer.bpm:.1f} bpm, probability "
            f"{dancer.confidence:.0%}"
        )
        if dancer.note:
            print_line(f"note          {dancer.note}")
    print_line(f"together      {len(result.dancers)} dancers, {result.duration_s:.2f} s")
    _print_beats(result)


def _print_beats(result: "InspectResult | InspectGroupResult") -> None:
    from kinetune.motion.beats.beat_grid import HARDLY_MOVES

    if result.doubt == HARDLY_MOVES:
        print_line(
            f"tempo         unknown: the body hardly moves; generate takes {result.bpm:.1f} bpm, "
            "set another with --bpm"
        )
    else:
        _print_readings(result)
    if result.picture is not None:
        print_line(f"picture       {result.picture}")


def _print_readings(result: "InspectResult | InspectGroupResult") -> None:
    doubt = f" ({result.doubt})" if result.doubt else ""
    print_line(
        f"tempo         {result.bpm:.1f} bpm, {result.metre} beats to the bar, first beat at "
        f"{result.first_beat_s:.2f} s, bar starts at {result.bar_start_s:.2f} s, probability "
        f"{result.confidence:.0%}{doubt}"
    )
    print_line("beat readings, most likely first (generate --reading N)")
    for number, reading in enumerate(result.readings, start=1):
        print_line(
            f"  {number}  {reading.probability:4.0%}  {reading.bpm:6.1f} bpm, first beat at "
            f"{reading.first_beat_s:.2f} s, bar at {reading.bar_start_s:.2f} s, "
            f"{reading.metre} beats to the bar"
        )
