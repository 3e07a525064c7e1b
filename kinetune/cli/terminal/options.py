"""Flags that several subcommands share, and how their text becomes values."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.model.conditioning.control_score import ControlScore
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.tasks.requests.beat_options import BeatOptions

FILES = (
    "AIST++ or EDGE .pkl, AMASS .npz, BVH, .glb, .gltf or .vrm, .fbx, joint positions .npy or .npz"
)
MappingOption = Annotated[
    Path | None,
    typer.Option(help="A TOML file that says which joint is which; inspect --make-mapping."),
]
AnimationOption = Annotated[
    str | None,
    typer.Option(
        help="Which animation of a glTF or FBX file, by name; else the longest that moves a body."
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option(help="Frames a second, where the file's own are missing or wrong."),
]
BlenderOption = Annotated[
    Path | None,
    typer.Option(help="Blender's program, for FBX. (default: the module bpy, or on the PATH)"),
]
StepsOption = Annotated[
    int | None, typer.Option("--steps", help="Denoising steps. (default: the model's own)")
]
GuidanceOption = Annotated[
    float | None,
    typer.Option(
        "--guidance", help="How hard to hold to the dance; 1 is off. (default: the model's own)"
    ),
]
BpmOption = Annotated[
    str, typer.Option("--bpm", help="Beats a minute; or auto, half or double of the dance's tempo.")
]
FirstBeatOption = Annotated[
    float | None,
    typer.Option(help="Second at which a bar begins. (default: found in the dance)"),
]
MetreOption = Annotated[
    int | None, typer.Option(help="Beats to the bar, 3 or 4. (default: found in the dance)")
]
ReadingOption = Annotated[
    int, typer.Option(help="Which reading of the beat to take; kinetune inspect lists them.")
]
BeatsOption = Annotated[
    Path | None,
    typer.Option(help="A file of beat times: a beat a line, JSON, or a DAW's MIDI tempo map."),
]
ModelOption = Annotated[
    str, typer.Option("--model", help="A bundled name, a checkpoint folder, or a hub id.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
ScoreOption = Annotated[
    Path | None,
    typer.Option(help="A TOML file of sections (genre, energy), accents and silences."),
]
AccentOption = Annotated[
    list[str] | None,
    typer.Option(help="A hit at a second, as 7.8, or with its strength 0 to 2, as 7.8:1.5."),
]
SilenceOption = Annotated[
    list[str] | None, typer.Option(help="Nothing at all from one second to another, as 4.3:4.9.")
]
EnergyOption = Annotated[
    float, typer.Option(help="Energy of all of the music, 0.1 to 3; 1 is the body's own.")
]
VideoOption = Annotated[
    Path | None, typer.Option(help="Also film the dancer with the music on it: an .mp4 file.")
]
OntoOption = Annotated[
    Path | None, typer.Option(help="Put the music on this film instead; --video says where.")
]
OffsetOption = Annotated[float, typer.Option(help="Second of that film at which it begins.")]
GENRES = (
    "break, house, ballet-jazz, street-jazz, krump, la-hip-hop, locking, middle-hip-hop, popping, "
    "waacking"
)
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, nothing else.")
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
    """Return which beats to use; ``bpm`` is a number or one of the words.

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
    """Return the score of a file and of single options.

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


def _accent(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ConfigError(f"--accent must be SECOND or SECOND:STRENGTH, found {text!r}")
    return numbers


def time_span(text: str) -> tuple[float, float]:
    """Return start and end of a stretch written ``START:END``, seconds.

    Raises:
        ConfigError: It is not two numbers.
    """
    start_s, end_s = open_span(text)
    if end_s is None or not text.partition(":")[0].strip():
        raise ConfigError(f"expected START:END in seconds, such as 4.3:4.9; found {text!r}")
    return start_s, end_s


def open_span(text: str) -> tuple[float, float | None]:
    """Return start and end of a stretch such as ``3:5``, ``:5``, ``5:`` or ``5:end``, seconds.

    Raises:
        ConfigError: It is not so.
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
            f"a stretch is START:END in seconds, such as 12.0:16.5, 12: or :4; found {text!r}"
        )
    return times


def labelled_folders(texts: list[str] | None) -> dict[str, Path]:
    """Return folders by label from texts such as ``LABEL=FOLDER``.

    Raises:
        ConfigError: One is not so, or two share a label.
    """
    folders: dict[str, Path] = {}
    for text in texts or []:
        label, separator, folder = text.partition("=")
        if not (separator and label and folder):
            raise ConfigError(f"--also must be LABEL=FOLDER, found {text!r}")
        if label in folders:
            raise ConfigError(f"two rows are called {label!r}; give each --also its own label")
        folders[label] = Path(folder)
    return folders


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
