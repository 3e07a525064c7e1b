"""Flags that several subcommands share, and how their text becomes values."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.errors import ConfigError

if TYPE_CHECKING:
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
    typer.Option(help="Which animation of a glTF or FBX file, by name; else the longest."),
]
FpsOption = Annotated[
    float | None,
    typer.Option(help="Frames a second of joint positions; else the file's own, or 20."),
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
BeatsOption = Annotated[
    Path | None,
    typer.Option(help="A file of beat times: a beat a line, JSON, or a DAW's MIDI tempo map."),
]
ModelOption = Annotated[
    str, typer.Option("--model", help="A bundled name, a checkpoint folder, or a hub id.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, nothing else.")
]


def read_options(mapping: Path | None, animation: str | None, fps: float | None) -> "ReadOptions":
    """Return how to read motion files.

    Raises:
        KinetuneError: The mapping can't be used, or the rate is impossible.
    """
    from kinetune.motion.io.formats import ReadOptions
    from kinetune.motion.retargeting.joint_mapping import read_mapping

    return ReadOptions(None if mapping is None else read_mapping(mapping), animation, fps)


def beat_options(bpm: str, first_beat: float | None, beats: Path | None) -> "BeatOptions":
    """Return which beats to use; ``bpm`` is a number or one of the words.

    Raises:
        KinetuneError: The file of beats can't be read, or a value is impossible.
    """
    from kinetune.tasks.requests.beat_options import BeatOptions

    if beats is not None and (bpm != "auto" or first_beat is not None):
        raise ConfigError("--beats sets all beats; leave --bpm and --first-beat out")
    if beats is None:
        return BeatOptions(_number_or_word(bpm), first_beat)
    from kinetune.audio.beat_map import read_beats

    return BeatOptions(beats_s=tuple(read_beats(beats).tolist()))


def time_span(text: str) -> tuple[float, float]:
    """Return start and end of a stretch written ``START:END``, seconds.

    Raises:
        ConfigError: It is not two numbers.
    """
    start, colon, end = text.partition(":")
    try:
        times = float(start), float(end)
    except ValueError:
        times = math.nan, math.nan
    if not colon or not all(map(math.isfinite, times)):
        raise ConfigError(f"a stretch is START:END in seconds, such as 12.0:16.5; found {text!r}")
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
