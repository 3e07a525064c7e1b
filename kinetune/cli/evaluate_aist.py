"""``kinetune evaluate aist``: the paper's own test, on the 31 slices of AIST++ it used.

Each slice is 5 s of dance and music; slice k of a sequence begins k half-seconds into it (EDGE's
cutting). The model's music is brought to -12 dBFS, as the paper's was, and everything is written
to the output folder, so that other systems can be scored on the same slices by ``--also``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from kinetune.cli.generate import FALLBACK_GENRE
from kinetune.cli.options import DeviceOption, ModelOption
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.metrics.evaluation.protocol import Evaluation
    from kinetune.model.pipeline import DanceToMusicPipeline

# RMS level the paper's script brings its music to: -20 dBFS and 8 dB on top.
_PUBLISHED_DBFS = -12.0
# The paper's table: column, metric, factor, and its rows.
_COLUMNS = (
    ("Beats Coverage Score ↑", "bcs_as_published", 100.0),
    ("Beats Hit Score ↑", "bhs_as_published", 100.0),
    ("Frechet Audio Distance ↓", "fad_vggish", 1.0),
    ("Beat Align Score ↑", "bas_as_published", 1.0),
    ("Genre KLD ↓", "genre_kld_as_published", 1.0),
)
_PUBLISHED = {
    "published: ground truth": (100.0, 100.0, 0.0, 0.211, 0.0),
    "published: CDCD": (78.5, 74.8, 9.07, 0.202, 0.612),
    "published: Tan et al. 2023": (93.5, 86.0, 4.96, 0.212, 0.604),
}


@dataclass(frozen=True)
class Slice:
    """Five seconds of a sequence.

    Attributes:
        name: As in the paper's list, ``..._slice1``.
        sequence: The sequence's name.
        start_s: Where in it the slice begins.
    """

    name: str
    sequence: str
    start_s: float


@dataclass(frozen=True)
class Sliced:
    """Where the slices of a data set and the model's music for them were written."""

    music: Path
    reference: Path
    motions: Path


def command(
    root: Annotated[Path, typer.Argument(help="AIST++: motions/, and wavs/ or music/.")],
    out: Annotated[Path, typer.Option(help="Where slices, music, tables and pictures go.")],
    model: ModelOption = "default",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another system's music for the slices, as LABEL=FOLDER."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The row to test the others against. (default: the model)")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(help="Distances by NAME or NAME=FILE; vggish is the paper's column."),
    ] = None,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the paper's genre column.")
    ] = None,
    genre: Annotated[bool, typer.Option(help="Let the genre classifier listen.")] = True,
    seed: Annotated[int, typer.Option(help="Of the music, noise, pairs and intervals.")] = 0,
    device: DeviceOption = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print results.json on stdout, nothing else.")
    ] = False,
) -> None:
    """Run the paper's test: 31 slices of AIST++, beside its published rows."""
    from kinetune.cli import scoring
    from kinetune.cli.progress import item_bar
    from kinetune.files import check_writable, write_text
    from kinetune.metrics.evaluation.embedding_scores import NetworkOptions, load_embedders
    from kinetune.metrics.evaluation.pairing import Folders
    from kinetune.metrics.evaluation.protocol import Settings

    networks = NetworkOptions(tuple(embedding or ()), genre, ms_sincresnet)
    load_embedders(networks)
    slices = found_slices(root)
    check_writable(out)
    label = Path(model).name
    pipeline = _load(model, device)
    with item_bar("making music") as progress:
        made = write_slices(root, slices, out, pipeline, seed=seed, progress=progress)
    systems = scoring.labelled(made.music, label, also or [])
    folders = Folders(systems, made.reference, made.motions)
    evaluation = scoring.run(folders, Settings(against, networks, seed), out)
    table = paper_table(evaluation)
    write_text(out / "paper_table.md", table + "\n")
    if not as_json:
        print(f"{table}\n\n{len(slices)} of {len(test_slices())} slices found in {root}\n")
    scoring.tell(evaluation, out, as_json=as_json)


def test_slices() -> list[Slice]:
    """Return the slices of the paper's test, in its order."""
    text = resources.files("kinetune.metrics").joinpath("data/aist_test_slices.txt").read_text()
    return [slice_named(line.strip()) for line in text.splitlines() if line.strip()]


def slice_named(name: str) -> Slice:
    """Return the slice of a name such as ``gPO_sBM_cAll_d11_mPO1_ch02_slice1.wav``."""
    from kinetune.training.data.aist import STRIDE_S

    stem = name.removesuffix(".wav")
    sequence, _, number = stem.rpartition("_slice")
    return Slice(stem, sequence, STRIDE_S * int(number))


def found_slices(root: Path) -> list[Slice]:
    """Return the test's slices whose dance and music are there.

    Raises:
        ConfigError: The folder is missing, or none is there.
    """
    from kinetune.training.data.aist import music_path

    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; expected AIST++ with motions/ and wavs/")
    found = [
        part
        for part in test_slices()
        if _motion_of(root, part).is_file() and music_path(root, part.sequence) is not None
    ]
    if not found:
        requested = test_slices()[0].sequence
        raise ConfigError(
            f"{root}: none of the test's sequences found; expected motions/{requested}.pkl and its "
            f"music as wavs/{requested}.wav or music/{requested.split('_')[4]}.wav"
        )
    return found


def _motion_of(root: Path, part: Slice) -> Path:
    return root / "motions" / f"{part.sequence}.pkl"


def write_slices(
    root: Path,
    slices: Sequence[Slice],
    out: Path,
    pipeline: "DanceToMusicPipeline",
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Sliced:
    """Cut dance and music of every slice, make music for it, and write all three.

    Raises:
        KinetuneError: A file can't be read, or is too short for its slice.
    """
    from kinetune.audio.sound import read_sound, write_sound
    from kinetune.genres import genre_told_by
    from kinetune.motion.clip import cut
    from kinetune.motion.io.amass import write_amass
    from kinetune.motion.io.formats import read_motion
    from kinetune.training.data.aist import SLICE_S, music_path

    made = Sliced(out / "music", out / "reference", out / "motions")
    for done, part in enumerate(slices, start=1):
        clip = cut(read_motion(_motion_of(root, part)), part.start_s, SLICE_S)
        path = music_path(root, part.sequence)
        if path is None:
            raise ConfigError(f"{root}: the music of {part.sequence} is gone")
        reference = sound_slice(read_sound(path), part, where=path)
        genre = genre_told_by(part.name) or FALLBACK_GENRE
        music = pipeline(clip, genre=genre, seed=seed).sound
        write_amass(made.motions / f"{part.name}.npz", clip)
        write_sound(made.reference / f"{part.name}.wav", reference)
        write_sound(made.music / f"{part.name}.wav", normalise_rms(music))
        if progress is not None:
            progress(done, len(slices))
    return made


def sound_slice(sound: "Sound", part: Slice, *, where: Path) -> "Sound":
    """Return the slice's five seconds of its sequence's music.

    Raises:
        AudioError: The music ends before.
    """
    from kinetune import timebase
    from kinetune.audio.sound import Sound
    from kinetune.errors import AudioError
    from kinetune.training.data.aist import SLICE_S

    first = timebase.samples_in(part.start_s, sound.rate_hz)
    samples = sound.samples[first : first + timebase.samples_in(SLICE_S, sound.rate_hz)]
    if len(samples) < timebase.samples_in(SLICE_S, sound.rate_hz):
        raise AudioError(
            f"{where}: expected {part.start_s + SLICE_S:g} s or more for {part.name}, "
            f"found {sound.duration_s:.2f} s"
        )
    return Sound(samples, sound.rate_hz)


def normalise_rms(sound: "Sound", *, level_dbfs: float = _PUBLISHED_DBFS) -> "Sound":
    """Return the sound at a level (root mean square, dBFS), held at full scale as the paper's was.

    Silence comes back as it is.
    """
    from kinetune.audio.sound import Sound

    power = float(np.mean(sound.samples.astype(np.float64) ** 2))
    gain = 10.0 ** (level_dbfs / 20.0) / np.sqrt(power) if power > 0 else 1.0
    return Sound((sound.samples * np.float32(gain)).clip(-1.0, 1.0), sound.rate_hz)


def paper_table(evaluation: "Evaluation") -> str:
    """Return the table with the paper's columns in its order, and its own rows below, as Markdown.

    A column that was not measured says so.
    """
    lines = [f"| | {' | '.join(title for title, _, _ in _COLUMNS)} |", "|---|---|---|---|---|---|"]
    for label in evaluation.labels:
        cells = [_cell(evaluation, label, name, factor) for _, name, factor in _COLUMNS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += [
        f"| {name} | {' | '.join(f'{value:g}' for value in row)} |"
        for name, row in _PUBLISHED.items()
    ]
    return "\n".join(lines)


def _cell(evaluation: "Evaluation", label: str, name: str, factor: float) -> str:
    # A set is no distance from itself; the paper's rounding error says -4.47e-13.
    if (label, name) == ("reference", "fad_vggish"):
        return "0.000"
    found = evaluation.estimates[label].get(name)
    if found is None or not np.isfinite(found.value):
        return "not measured"
    return f"{found.value * factor:.{1 if factor > 1 else 3}f}"


def _load(model: str, device: str) -> "DanceToMusicPipeline":
    from kinetune.model.device import choose_device
    from kinetune.model.pipeline import DanceToMusicPipeline

    return DanceToMusicPipeline.from_pretrained(model, device=choose_device(device))
