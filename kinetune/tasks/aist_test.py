"""The paper's benchmark on its 31 slices of AIST++.

Each slice is 5 s of dance and music; slice k of a sequence begins k half-seconds into it (EDGE's
cutting). The model's music is brought to -12 dBFS, as the paper's was, and everything is written
to the output folder, so that other systems can be scored on the same slices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune.errors import ConfigError
from kinetune.files import check_writable, write_text
from kinetune.tasks.evaluate import EvaluateRequest, EvaluateResult, ScoringOptions, evaluate
from kinetune.tasks.generating.in_memory import make_music
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.genre_choice import genre_for_dance
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.progress import Progress, stage

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
class SliceFolders:
    """Folders with the slices of a data set and the music made for them."""

    music: Path
    reference: Path
    motions: Path


@dataclass(frozen=True)
class AistTestRequest:
    """The paper's benchmark for a model, and for other systems' music.

    Attributes:
        root: AIST++: motions/, and wavs/ or music/.
        out: Folder for slices, music, tables and pictures.
        model: A bundled name, a checkpoint folder, or a hub id; its last part is the row's label.
        also: Folders of other systems' music for the slices, by label.
        scoring: How it is made; the seed is the music's too.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Another system has the model's label.
    """

    root: Path
    out: Path
    model: str = "default"
    also: Mapping[str, Path] = field(default_factory=dict)
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.label in self.also:
            raise ConfigError(f"two systems are called {self.label!r}; give each its own label")

    @property
    def label(self) -> str:
        """The model's row."""
        return Path(self.model).name


@dataclass(frozen=True, eq=False)
class AistTestResult:
    """What came of the paper's test.

    Attributes:
        scores: Scores by row.
        paper_table: The paper's columns and its published rows, as Markdown.
        slices: How many slices were found.
        total: How many the paper used.
    """

    scores: EvaluateResult
    paper_table: str
    slices: int
    total: int


def run_aist_test(
    request: AistTestRequest,
    *,
    progress: Progress | None = None,
    pipeline: LazyPipeline | None = None,
) -> AistTestResult:
    """Make music for the test's slices, score it, and write the paper's table.

    Args:
        request: What to test.
        progress: Called with the progress.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: A file can't be used, or none of the test's sequences is there.
    """
    from kinetune.metrics.evaluation.embedding_scores import load_embedders

    load_embedders(request.scoring.settings().networks)
    slices = find_slices(request.root)
    check_writable(request.out)
    loaded = (pipeline or LazyPipeline(request.model, request.device)).load()
    seed = request.scoring.seed
    made = write_slices(
        request.root, slices, request.out, loaded, seed=seed,
        progress=stage(progress, "making music"),
    )  # fmt: skip
    systems = {request.label: made.music, **request.also}
    scores = evaluate(
        EvaluateRequest(
            systems, request.out, made.reference, made.motions, scoring=request.scoring
        ),
        progress=progress,
    )
    table = paper_table(scores.evaluation)
    write_text(request.out / "paper_table.md", table + "\n")
    return AistTestResult(scores, table, len(slices), len(published_slices()))


def published_slices() -> list[Slice]:
    """Return the slices of the paper's test, in its order."""
    text = resources.files("kinetune.metrics").joinpath("data/aist_test_slices.txt").read_text()
    return [slice_named(line.strip()) for line in text.splitlines() if line.strip()]


def slice_named(name: str) -> Slice:
    """Return the slice of a name such as ``gPO_sBM_cAll_d11_mPO1_ch02_slice1.wav``."""
    from kinetune.training.data.aist import STRIDE_S

    stem = name.removesuffix(".wav")
    sequence, _, number = stem.rpartition("_slice")
    return Slice(stem, sequence, STRIDE_S * int(number))


def find_slices(root: Path) -> list[Slice]:
    """Return the test's slices whose dance and music are in a folder of AIST++.

    Raises:
        ConfigError: The folder is missing, or none is there.
    """
    from kinetune.training.data.aist import music_path

    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; expected AIST++ with motions/ and wavs/")
    slices = [
        part
        for part in published_slices()
        if _motion_of(root, part).is_file() and music_path(root, part.sequence) is not None
    ]
    if not slices:
        wanted = published_slices()[0].sequence
        raise ConfigError(
            f"{root}: none of the test's sequences found; expected motions/{wanted}.pkl and its "
            f"music as wavs/{wanted}.wav or music/{wanted.split('_')[4]}.wav"
        )
    return slices


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
) -> SliceFolders:
    """Cut dance and music of every slice, make music for it, and write all three.

    Raises:
        KinetuneError: A file can't be read, or is too short for its slice.
    """
    from kinetune.audio.sound import read_sound, write_sound
    from kinetune.motion.clip import cut
    from kinetune.motion.io.amass import write_amass
    from kinetune.motion.io.formats import read_motion
    from kinetune.training.data.aist import SLICE_S, music_path

    lazy = LazyPipeline.around(pipeline)
    made = SliceFolders(out / "music", out / "reference", out / "motions")
    for done, part in enumerate(slices, start=1):
        clip = cut(read_motion(_motion_of(root, part)), part.start_s, SLICE_S)
        path = music_path(root, part.sequence)
        if path is None:
            raise ConfigError(f"{root}: the music of {part.sequence} is gone")
        reference = sound_slice(read_sound(path), part, source=path)
        genre = genre_for_dance(part.name).code
        music = make_music(clip, MusicOptions(seed=seed), genre=genre, pipeline=lazy).sound
        write_amass(made.motions / f"{part.name}.npz", clip)
        write_sound(made.reference / f"{part.name}.wav", reference)
        write_sound(made.music / f"{part.name}.wav", normalise_rms(music))
        if progress is not None:
            progress(done, len(slices))
    return made


def sound_slice(sound: "Sound", part: Slice, *, source: Path) -> "Sound":
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
            f"{source}: expected {part.start_s + SLICE_S:g} s or more for {part.name}, "
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
    estimate = evaluation.estimates[label].get(name)
    if estimate is None or not np.isfinite(estimate.value):
        return "not measured"
    return f"{estimate.value * factor:.{1 if factor > 1 else 3}f}"
