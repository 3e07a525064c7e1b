"""Format, length, tempo and beats of a motion file."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetune.errors import ConfigError
from kinetune.motion.io.formats import MotionFile, ReadOptions, read_motion_file
from kinetune.tasks.requests.output_paths import check_absent

if TYPE_CHECKING:
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers


@dataclass(frozen=True)
class InspectRequest:
    """A look at a motion file.

    Attributes:
        motion: The file.
        read: What the file doesn't state itself.
        picture: A .png file to draw; None draws nothing.
        force: Whether to replace a picture that exists.
    """

    motion: Path
    read: ReadOptions = field(default_factory=ReadOptions)
    picture: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class TempoCandidate:
    """Another tempo the dance may have.

    Attributes:
        bpm: Beats per minute.
        first_beat_s: Time of the first beat, seconds.
        score: How likely against the chosen tempo, 1 for equally so.
    """

    bpm: float
    first_beat_s: float
    score: float


@dataclass(frozen=True)
class BeatReading:
    """One way to count the dance.

    Attributes:
        bpm: Beats per minute.
        first_beat_s: Time of the first beat, seconds.
        bar_start_s: Time of a beat that begins a bar.
        metre: Beats per bar.
        probability: That tempo and beats are right, 0 to 1.
    """

    bpm: float
    first_beat_s: float
    bar_start_s: float
    metre: int
    probability: float


@dataclass(frozen=True)
class InspectResult:
    """The content of a motion file, and the beats of its dance.

    Attributes:
        motion: The file.
        format: The format by its usual name.
        fps: Frames per second.
        frames: Number of frames.
        duration_s: Length, seconds.
        joints: How many joints the file's own skeleton has.
        note: What had to be assumed, one line; empty if nothing.
        motion_beats_s: Kinematic beats, seconds.
        bpm: Beats per minute.
        first_beat_s: Time of the first beat.
        bar_start_s: Time of a beat that begins a bar.
        confidence: Probability that tempo and beats are right, 0 to 1.
        metre: Beats per bar.
        doubt: What makes the beats uncertain, in a few words; empty if nothing does.
        readings: The ways to count the dance, most likely first.
        alternatives: Other tempi, best first.
        picture: The picture written.
    """

    motion: str
    format: str
    fps: float
    frames: int
    duration_s: float
    joints: int
    note: str
    motion_beats_s: tuple[float, ...]
    bpm: float
    first_beat_s: float
    bar_start_s: float
    confidence: float
    metre: int
    doubt: str
    readings: tuple[BeatReading, ...]
    alternatives: tuple[TempoCandidate, ...]
    picture: str | None = None


def inspect(request: InspectRequest) -> InspectResult:
    """Read a motion file and find its beats.

    Raises:
        KinetuneError: It can't be read, or the picture can't be written.
    """
    if request.picture is not None and not request.force:
        check_absent([request.picture])
    file = read_motion_file(request.motion, request.read)
    result = describe_motion(request.motion, file)
    if request.picture is None:
        return result
    _draw(request.picture, file.clip)
    return replace(result, picture=str(request.picture))


def describe_motion(path: Path, file: MotionFile) -> InspectResult:
    """Find the beats of a motion file that was read.

    Args:
        path: The file.
        file: What it holds.
    """
    from kinetune.motion.beats.beat_grid import beat_grid, motion_beats

    clip, grid = file.clip, beat_grid(file.clip)
    return InspectResult(
        motion=str(path),
        format=file.format,
        fps=clip.fps,
        frames=clip.frame_count,
        duration_s=clip.duration_s,
        joints=file.joints,
        note=file.note,
        motion_beats_s=tuple(round(float(beat), 4) for beat in motion_beats(clip)),
        **_describe_grid(grid),
        alternatives=tuple(
            TempoCandidate(tempo.bpm, tempo.first_beat_s, tempo.score)
            for tempo in grid.alternatives
        ),
    )


def _describe_grid(grid: "BeatGrid") -> dict[str, Any]:
    """The fields that a dance and a group have in common."""
    return {
        "bpm": grid.bpm,
        "first_beat_s": grid.first_beat_s,
        "bar_start_s": round(grid.bar_start_s, 6),
        "confidence": grid.confidence,
        "metre": grid.metre,
        "doubt": grid.note,
        "readings": _readings(grid),
    }


def _readings(grid: "BeatGrid") -> tuple[BeatReading, ...]:
    return tuple(
        BeatReading(
            round(each.bpm, 3),
            round(each.first_beat_s, 4),
            round(each.bar_start_s, 4),
            each.metre,
            round(each.probability, 4),
        )
        for each in grid.readings
    )


@dataclass(frozen=True)
class InspectGroupRequest:
    """A look at the dancers of a group: several files that begin at the same moment.

    Attributes:
        motions: The files, two or more.
        read: What the files don't state themselves.
        picture: A .png file to draw; None draws nothing.
        force: Whether to replace a picture that exists.

    Raises:
        ConfigError: There are fewer than two files.
    """

    motions: tuple[Path, ...]
    read: ReadOptions = field(default_factory=ReadOptions)
    picture: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if len(self.motions) < 2:
            raise ConfigError(f"a group has two dances or more, found {len(self.motions)}")


@dataclass(frozen=True)
class GroupDancer:
    """One dancer of a group.

    Attributes:
        motion: The file.
        format: The format by its usual name.
        fps: Frames per second.
        frames: Number of frames.
        duration_s: Length, seconds.
        note: What had to be assumed, one line; empty if nothing.
        bpm: The tempo of this dancer alone.
        confidence: Its probability, 0 to 1.
    """

    motion: str
    format: str
    fps: float
    frames: int
    duration_s: float
    note: str
    bpm: float
    confidence: float


@dataclass(frozen=True)
class InspectGroupResult:
    """The dancers of a group and the beats they share; see :class:`InspectResult`.

    Attributes:
        dancers: Each dancer alone, in the order of the request.
        duration_s: Length of the longest dance, seconds.
        bpm: Beats per minute of the group, as all that follows.
        first_beat_s: Time of the first beat.
        bar_start_s: Time of a beat that begins a bar.
        confidence: Probability that tempo and beats are right, 0 to 1.
        metre: Beats per bar.
        doubt: What makes the beats uncertain; empty if nothing does.
        readings: The ways to count the dance, most likely first.
        picture: The picture written.
    """

    dancers: tuple[GroupDancer, ...]
    duration_s: float
    bpm: float
    first_beat_s: float
    bar_start_s: float
    confidence: float
    metre: int
    doubt: str
    readings: tuple[BeatReading, ...]
    picture: str | None = None


def inspect_group(request: InspectGroupRequest) -> InspectGroupResult:
    """Read the motion files of a group and find the beats they share.

    Raises:
        KinetuneError: One can't be read, or the picture can't be written.
    """
    from kinetune.motion.group import DanceGroup

    if request.picture is not None and not request.force:
        check_absent([request.picture])
    files = [read_motion_file(path, request.read) for path in request.motions]
    result = describe_group(request.motions, files)
    if request.picture is None:
        return result
    _draw(request.picture, DanceGroup(tuple(file.clip for file in files)))
    return replace(result, picture=str(request.picture))


def describe_group(paths: Sequence[Path], files: Sequence[MotionFile]) -> InspectGroupResult:
    """Find the beats that the dancers of a group share.

    Args:
        paths: The files, two or more.
        files: What they hold.
    """
    from kinetune.motion.beats.beat_grid import group_beat_grid
    from kinetune.motion.group import DanceGroup

    group = DanceGroup(tuple(file.clip for file in files))
    return InspectGroupResult(
        dancers=tuple(_dancer(path, file) for path, file in zip(paths, files, strict=True)),
        duration_s=group.duration_s,
        **_describe_grid(group_beat_grid(group.clips)),
    )


def _dancer(path: Path, file: MotionFile) -> GroupDancer:
    from kinetune.motion.beats.beat_grid import beat_grid

    clip, alone = file.clip, beat_grid(file.clip)
    return GroupDancer(
        str(path), file.format, clip.fps, clip.frame_count, clip.duration_s, file.note, alone.bpm,
        alone.confidence,
    )  # fmt: skip


def _draw(path: Path, clip: "Dancers") -> None:
    from kinetune.render.pictures import draw_dance

    draw_dance(path, clip)


@dataclass(frozen=True)
class DraftMappingRequest:
    """A draft of a joint mapping for a skeleton that is not recognised.

    Attributes:
        motion: A BVH, glTF or FBX file.
        output: The TOML file to write.
        read: Which animation to read.
    """

    motion: Path
    output: Path
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class DraftMappingResult:
    """A mapping to be corrected by hand.

    Attributes:
        output: The TOML file written.
        recognised: How many of our joints were recognised by name.
        joints: How many there are.
    """

    output: str
    recognised: int
    joints: int


def draft_mapping(request: DraftMappingRequest) -> DraftMappingResult:
    """Write a mapping file with the joints that were recognised by name.

    Raises:
        KinetuneError: The motion can't be read, or the file exists or can't be written.
    """
    from kinetune.motion import skeleton
    from kinetune.motion.io.formats import read_skeletal_animation
    from kinetune.motion.retargeting.joint_mapping import write_draft

    animation = read_skeletal_animation(request.motion, request.read)
    count = write_draft(request.output, animation, str(request.motion))
    return DraftMappingResult(str(request.output), count, skeleton.JOINT_COUNT)
