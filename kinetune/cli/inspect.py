"""``kinetune inspect``: what a motion file holds, and where the beat of its dance is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.motions import (
    FILES,
    AnimationOption,
    AskedReading,
    FpsOption,
    MappingOption,
)


@dataclass(frozen=True)
class Alternative:
    """Another tempo the dance could be danced to."""

    bpm: float
    first_beat_s: float
    score: float


@dataclass(frozen=True)
class Inspection:
    """What a motion file holds; the fields of ``--json``."""

    motion: str
    format: str
    fps: float
    frames: int
    duration_s: float
    joints: int
    note: str
    motion_beats_s: list[float]
    bpm: float
    first_beat_s: float
    bar_start_s: float
    confidence: float
    alternatives: list[Alternative]


def command(
    motion: Annotated[Path, typer.Argument(help=f"{FILES}.")],
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    make_mapping: Annotated[
        Path | None,
        typer.Option(help="Draft a mapping file of the skeleton's joints there, nothing else."),
    ] = None,
    plot: Annotated[
        bool, typer.Option(help="Draw the dancer, body energy and beats to NAME.png here.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Say what a motion file holds and where its beat is."""
    asked = AskedReading(mapping, animation, fps)
    if make_mapping is not None:
        _draft_mapping(motion, make_mapping, asked)
        return
    found = inspect(motion, asked)
    picture = Path(f"{motion.stem}.png")
    if plot:
        from kinetune.motion.io.formats import read_motion
        from kinetune.render.pictures import draw_dance

        draw_dance(picture, read_motion(motion, asked.of()))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return
    _tell(found)
    if plot:
        print(f"picture       {picture}")


def inspect(motion: Path, asked: AskedReading | None = None) -> Inspection:
    """Read a motion file and find its beat.

    Args:
        motion: The file.
        asked: What it doesn't say itself.

    Raises:
        KinetuneError: It can't be read, or not as asked.
    """
    from kinetune.motion.beats.beat_grid import beat_grid, motion_beats
    from kinetune.motion.io.formats import read_motion_file

    file = read_motion_file(motion, (asked or AskedReading()).of())
    clip, grid = file.clip, beat_grid(file.clip)
    return Inspection(
        motion=str(motion),
        format=file.format,
        fps=clip.fps,
        frames=clip.frame_count,
        duration_s=clip.duration_s,
        joints=file.joints,
        note=file.note,
        motion_beats_s=[round(float(beat), 4) for beat in motion_beats(clip)],
        bpm=grid.bpm,
        first_beat_s=grid.first_beat_s,
        bar_start_s=round(grid.bar_start_s, 6),
        confidence=grid.confidence,
        alternatives=[Alternative(t.bpm, t.first_beat_s, t.score) for t in grid.alternatives],
    )


def _draft_mapping(motion: Path, target: Path, asked: AskedReading) -> None:
    from kinetune.motion import skeleton
    from kinetune.motion.io.formats import read_skeletal_animation
    from kinetune.motion.retargeting.joint_mapping import write_draft

    count = write_draft(target, read_skeletal_animation(motion, asked.of()), str(motion))
    print(
        f"{target}: {count} of our {skeleton.JOINT_COUNT} joints found by their names; correct it, "
        f"then use it with --mapping {target}"
    )


def _tell(found: Inspection) -> None:
    rivals = ", ".join(f"{rival.bpm:.1f}" for rival in found.alternatives) or "none"
    print(f"{found.motion}")
    print(f"format        {found.format}, {found.joints} joints")
    print(f"length        {found.frames} frames at {found.fps:g} fps = {found.duration_s:.2f} s")
    if found.note:
        print(f"note          {found.note}")
    print(f"motion beats  {len(found.motion_beats_s)} (moments of rest between movements)")
    print(
        f"tempo         {found.bpm:.1f} bpm, first beat at {found.first_beat_s:.2f} s, "
        f"a bar opens at {found.bar_start_s:.2f} s, confidence {found.confidence:.2f}"
    )
    print(f"it might be   {rivals} bpm")
