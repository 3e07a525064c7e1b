"""``kinetune inspect``: what a motion file holds, and where the beat of its dance is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer


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
    motion_beats_s: list[float]
    bpm: float
    first_beat_s: float
    confidence: float
    alternatives: list[Alternative]


def command(
    motion: Annotated[Path, typer.Argument(help="AIST++ or EDGE .pkl, AMASS .npz, BVH.")],
    plot: Annotated[
        bool, typer.Option(help="Draw the dancer, body energy and beats to NAME.png here.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Say what a motion file holds and where its beat is."""
    found = inspect(motion)
    picture = Path(f"{motion.stem}.png")
    if plot:
        from kinetune.cli.pictures import draw_dance
        from kinetune.motion.formats import read_motion

        draw_dance(picture, read_motion(motion))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return
    _tell(found)
    if plot:
        print(f"picture       {picture}")


def inspect(motion: Path) -> Inspection:
    """Read a motion file and find its beat.

    Raises:
        MotionError: It can't be read.
    """
    from kinetune.motion.beats import beat_grid, motion_beats
    from kinetune.motion.formats import read_motion_file

    file = read_motion_file(motion)
    clip, grid = file.clip, beat_grid(file.clip)
    return Inspection(
        motion=str(motion),
        format=file.format,
        fps=clip.fps,
        frames=clip.frame_count,
        duration_s=clip.duration_s,
        joints=file.joints,
        motion_beats_s=[round(float(beat), 4) for beat in motion_beats(clip)],
        bpm=grid.bpm,
        first_beat_s=grid.first_beat_s,
        confidence=grid.confidence,
        alternatives=[Alternative(t.bpm, t.first_beat_s, t.score) for t in grid.alternatives],
    )


def _tell(found: Inspection) -> None:
    rivals = ", ".join(f"{rival.bpm:.1f}" for rival in found.alternatives) or "none"
    print(f"{found.motion}")
    print(f"format        {found.format}, {found.joints} joints")
    print(f"length        {found.frames} frames at {found.fps:g} fps = {found.duration_s:.2f} s")
    print(f"motion beats  {len(found.motion_beats_s)} (moments of rest between movements)")
    print(
        f"tempo         {found.bpm:.1f} bpm, first beat at {found.first_beat_s:.2f} s, "
        f"confidence {found.confidence:.2f}"
    )
    print(f"it might be   {rivals} bpm")
