"""Options shared by several subcommands, and the parsing of their values."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.model.conditioning.control_score import ControlScore
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.tasks.requests.beat_options import BeatOptions
    from kinetune.tasks.requests.score_changes import ScoreChanges

FILES = (
    "AIST++ or EDGE .pkl, AMASS .npz, BVH, .glb, .gltf or .vrm, .fbx, joint positions .npy or .npz"
)
MappingOption = Annotated[
    Path | None,
    typer.Option(
        help="Joint mapping (.toml) for this skeleton; draft one with inspect --make-mapping."
    ),
]
AnimationOption = Annotated[
    str | None,
    typer.Option(help="Animation of a glTF or FBX file, by name. (default: the longest of a body)"),
]
FpsOption = Annotated[
    float | None,
    typer.Option(help="Frame rate in frames per second, 5 to 1000. (default: the file's own)"),
]
BlenderOption = Annotated[
    Path | None,
    typer.Option(help="Blender executable, to read FBX. (default: the module bpy, or from PATH)"),
]
StepsOption = Annotated[
    int | None,
    typer.Option("--steps", help="Denoising steps, 1 to 1000. (default: the model's own)"),
]
GuidanceOption = Annotated[
    float | None,
    typer.Option(
        "--guidance",
        help="Guidance scale: how strongly the music follows the motion, 0 to 50; 1 is off. "
        "(default: the model's own)",
    ),
]
BpmOption = Annotated[
    str,
    typer.Option(
        "--bpm",
        help="Tempo in beats per minute, 30 to 300; auto estimates it from the motion, half and "
        "double scale that estimate; slow, fast and moderate choose among the three.",
    ),
]
FirstBeatOption = Annotated[
    float | None,
    typer.Option(help="Time of a downbeat, in seconds. (default: estimated from the motion)"),
]
MetreOption = Annotated[
    int | None,
    typer.Option(help="Beats per bar, 3 or 4. (default: estimated from the motion)"),
]
ReadingOption = Annotated[
    int,
    typer.Option(
        help="Beat estimate to use, from 1, the most likely; kinetune inspect lists them."
    ),
]
TogetherOption = Annotated[
    bool,
    typer.Option(
        "--together",
        help="Treat all files as one group: shared start time, beat grid and music.",
    ),
]
BeatsOption = Annotated[
    Path | None,
    typer.Option(help="Beat times: a text or CSV file (one per line), JSON, or a MIDI tempo map."),
]
ModelOption = Annotated[
    str, typer.Option("--model", help="Bundled name, checkpoint folder or Hugging Face Hub id.")
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="auto|ADDRESS",
        help="Work on a Ray cluster; auto joins one that runs here, or starts one.",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="Compute device: auto, cpu, cuda or mps.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
ScoreOption = Annotated[
    Path | None,
    typer.Option(help="Control score (.toml): sections with genre and energy, accents, silences."),
]
AccentOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Accent at SECONDS or SECONDS:STRENGTH (0 to 2), such as 7.8:1.5; repeatable."
    ),
]
SilenceOption = Annotated[
    list[str] | None,
    typer.Option(help="Silence from START:END in seconds, such as 4.3:4.9; repeatable."),
]
EnergyOption = Annotated[
    float, typer.Option(help="Energy factor for the whole piece, 0.1 to 3; 1 follows the motion.")
]
VideoOption = Annotated[
    Path | None, typer.Option(help="Also render a video of the dance with its music (.mp4).")
]
OntoOption = Annotated[
    Path | None, typer.Option(help="Use this video file as the picture; needs an output video.")
]
OffsetOption = Annotated[
    float, typer.Option(help="Time in the --onto video at which the music starts, in seconds.")
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="diffusion: the latent diffusion model. composer: generated notes on instruments.",
    ),
]
KeyOption = Annotated[
    str | None, typer.Option(help="Key, such as 'A minor'. (default: chosen by the seed)")
]
PromptOption = Annotated[
    str | None,
    typer.Option(
        help="What the music should be like, such as 'dark minimal house with a rubber bass and no "
        "piano'; in English, for --engine composer."
    ),
]
ChordsOption = Annotated[
    str | None,
    typer.Option(
        help="Chords, one per bar, such as 'Am F C G'; or a chord file. "
        "(default: chosen by the seed)"
    ),
]
TakesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--redo",
        help="Composer: regenerate bars in START:END or START:END:SEED, seconds; repeatable.",
    ),
]
BeatMapOption = Annotated[
    list[str] | None,
    typer.Option(help="Also write the beats as json, csv, labels (Audacity) or midi; repeatable."),
]
StemsOption = Annotated[
    str,
    typer.Option(
        help="Composer: a folder of one file per part: mastered (they sum to the output) or "
        "unmastered. (default: none)"
    ),
]
MidiOption = Annotated[bool, typer.Option("--midi", help="Composer: also write the notes (.mid).")]
LayersOption = Annotated[
    int, typer.Option(help="Composer: a folder of intensity layers, 2 to 9, calm to peak.")
]
PracticeOption = Annotated[
    str | None,
    typer.Option(help="Composer: also play slower with a count-in, percent, such as 70,85,100."),
]
PackOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Also write a folder for godot, unity, unreal, wwise or fmod: sounds, layers, tempo, "
        "loop and events as the tool imports them; repeatable."
    ),
]
GENRES = (
    "break, house, ballet-jazz, street-jazz, krump, la-hip-hop, locking, middle-hip-hop, popping, "
    "waacking"
)
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print only the result as JSON, on stdout.")
]


def read_options(
    mapping: Path | None, animation: str | None, fps: float | None, blender: Path | None = None
) -> "ReadOptions":
    """Return how to read motion files.

    Raises:
        KinetuneError: The mapping can't be used, or the rate is impossible.
    """
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.motion.retargeting.joint_mapping import read_mapping

    return ReadOptions(None if mapping is None else read_mapping(mapping), animation, fps, blender)


def beat_options(
    bpm: str,
    first_beat: float | None,
    beats: Path | None,
    *,
    metre: int | None = None,
    reading: int = 1,
) -> "BeatOptions":
    """Return which beats to use; ``bpm`` is a number, ``auto``, ``half`` or ``double``.

    Raises:
        KinetuneError: The file of beats can't be read, or a value is impossible.
    """
    from kinetune.tasks.requests.beat_options import BeatOptions

    if beats is None:
        return BeatOptions(_number_or_word(bpm), first_beat, metre=metre, reading=reading)
    if (bpm, first_beat, metre, reading) != ("auto", None, None, 1):
        raise ConfigError(
            "--beats sets all beats; leave --bpm, --first-beat, --metre and --reading out"
        )
    from kinetune.audio.beat_map import read_beats

    return BeatOptions(beats_s=tuple(read_beats(beats).tolist()))


def score_options(
    score: Path | None,
    accent: list[str] | None,
    silence: list[str] | None,
    energy: float,
    *,
    exact: bool = False,
) -> "ControlScore | None":
    """Return the control score of a file combined with single options.

    Raises:
        KinetuneError: The file can't be read, or a time or number is impossible.
    """
    from kinetune.model.conditioning.control_score import Accent, Silence, read_control_score
    from kinetune.tasks.requests.score_options import combine_score

    return combine_score(
        None if score is None else read_control_score(score),
        accents=[Accent(*_accent(text)) for text in accent or []],
        silences=[Silence(*time_span(text)) for text in silence or []],
        energy=energy,
        exact=exact,
    )


def changed_score(score: Path | None, *, exact: bool) -> "ControlScore | None":
    """Return the control score of a file that replaces that of a piece.

    Raises:
        KinetuneError: The file can't be read, or a time or number is impossible.
    """
    from kinetune.model.conditioning.control_score import read_control_score

    read = None if score is None else read_control_score(score)
    return replace(read, exact=True) if read is not None and exact else read


def score_additions(
    accent: list[str] | None, silence: list[str] | None, energy: float | None
) -> "ScoreChanges":
    """Return what single options add to the control score of a piece.

    Raises:
        KinetuneError: A time or number is impossible.
    """
    from kinetune.model.conditioning.control_score import Accent, Silence
    from kinetune.tasks.requests.score_changes import score_changes

    return score_changes(
        [Accent(*_accent(text)) for text in accent or []],
        [Silence(*time_span(text)) for text in silence or []],
        energy,
    )


def _accent(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ConfigError(f"--accent must be SECOND or SECOND:STRENGTH, found {text!r}")
    return numbers


def time_span(text: str) -> tuple[float, float]:
    """Return start and end of a time span written ``START:END``, seconds.

    Raises:
        ConfigError: The text is not two numbers.
    """
    start_s, end_s = open_span(text)
    if end_s is None or not text.partition(":")[0].strip():
        raise ConfigError(f"expected START:END in seconds, such as 4.3:4.9; found {text!r}")
    return start_s, end_s


def open_span(text: str) -> tuple[float, float | None]:
    """Return start and end of a time span such as ``3:5``, ``:5``, ``5:`` or ``5:end``, seconds.

    Raises:
        ConfigError: The text has another form.
    """
    start, colon, end = (part.strip() for part in text.partition(":"))
    try:
        times = float(start or 0.0), None if end in ("", "end") else float(end)
    except ValueError:
        times = math.nan, None
    if (
        not colon
        or (start, end) == ("", "")
        or not all(time is None or math.isfinite(time) for time in times)
    ):
        raise ConfigError(
            f"a time span is START:END in seconds, such as 12.0:16.5, 12: or :4; found {text!r}"
        )
    return times


def labelled_folders(texts: list[str] | None) -> dict[str, Path]:
    """Return folders by label from texts such as ``LABEL=FOLDER``.

    Raises:
        ConfigError: A text has another form, or two share a label.
    """
    folders: dict[str, Path] = {}
    for text in texts or []:
        label, separator, folder = text.partition("=")
        if not (separator and label and folder):
            raise ConfigError(f"--also must be LABEL=FOLDER, found {text!r}")
        if label in folders:
            raise ConfigError(f"two systems are called {label!r}; give each --also its own label")
        folders[label] = Path(folder)
    return folders


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
