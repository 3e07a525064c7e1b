"""Trains the beat network, on real dances whose beats are known and on synthetic ones.

The real dances are the bundled labelled ones (``corpus/choreography/labelled_dances.py``); dancers
can be left out, for cross-validation. The synthetic ones are choreographed, or keyed from pose to
pose. A window is cut anywhere in a dance, mirrored, played at another pace, and may take its legs,
trunk and arms from two dances aligned at the bar; joints are damped, displaced and lost, so that
little can be learned by heart. The target at each frame is the phasor exp(i h φ) of the beat's
phase for every harmonic h (``motion/beats/beat_network.py``); the loss is the squared distance.
Every draw follows from the seed and the step's number.

Axes: B windows, T frames at 30 fps, J joints read, V values a joint.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetune import config, files, genres, timebase
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import Dance, DanceRequest
from kinetune.corpus.choreography.keyframed import keyframe_dance
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.errors import ConfigError
from kinetune.model.checkpoint import atomic_folder
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats.beat_network import (
    HARMONICS,
    JOINTS,
    OUTPUT_FPS,
    BeatNetworkConfig,
    features_of,
)
from kinetune.motion.clip import MotionClip
from kinetune.timebase import BEATS_IN_BAR
from kinetune.training import parallel
from kinetune.training.beat_module import BeatModule, save_beat_modules
from kinetune.training.config import LoopConfig
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import STATE, Run, RunOptions, TrainingResult, open_run

Array = NDArray[np.float32]

# One synthetic dance in so many is keyed from pose to pose.
_KEYED_EVERY = 6
# Joints, in the order they are read, that a window takes together from one dance.
_PARTS = ((0, 3, 4, 5, 6, 7, 8), (1, 2, 9, 10), (11, 12, 13, 14))
# How much an error of each harmonic counts.
_HARMONIC_WEIGHTS = (1.0, 0.5, 0.25, 1.0, 1.0, 0.5)
# A partner's pace may be changed this far to meet the tempo.
_SLOWEST_PACE, _FASTEST_PACE = 0.72, 1.4
_SLOWEST_BPM, _FASTEST_BPM = 60.0, 190.0
_MIRROR = tuple(
    skeleton.joint_index(
        name.replace("left", "right") if "left" in name else name.replace("right", "left")
    )
    for name in skeleton.JOINT_NAMES
)


@dataclass(frozen=True)
class BeatAugmentation:
    """How a window is changed before the network reads it.

    Attributes:
        mix: Share of real windows whose body parts come from two dances.
        pace: Deviation of the pace, natural logarithm.
        size: Deviation of the body's size, natural logarithm.
        gain: Deviation of a whole body's liveliness, and of each joint's, natural logarithm.
        drop_joint: Largest share of joints that are lost.
        offset: Deviation of a constant added to every value of a joint.
        noise: Largest deviation of noise on every value.
    """

    mix: float = 0.7
    pace: float = 0.15
    size: float = 0.08
    gain: float = 0.2
    drop_joint: float = 0.3
    offset: float = 0.15
    noise: float = 0.2


@dataclass(frozen=True)
class BeatDances:
    """The dances it learns from.

    Attributes:
        synthetic: Number of synthetic dances.
        seed: Of the first.
        duration_s: Length of a synthetic dance, seconds.
        shortest_s: Training windows last from this ...
        longest_s: ... to this, seconds.
        synthetic_share: Share of windows that are synthetic.
        left_out: Dancers that are never seen, such as ``d04``.
    """

    synthetic: int = 1200
    seed: int = 44_000_000
    duration_s: float = 13.0
    shortest_s: float = 5.0
    longest_s: float = 10.0
    synthetic_share: float = 0.5
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.synthetic < 1 or not 1.0 < self.shortest_s < self.longest_s < self.duration_s:
            raise ConfigError(
                "expected one synthetic dance or more and windows shorter than the dances, found "
                f"{self.synthetic} and {self.shortest_s:g} to {self.longest_s:g} of "
                f"{self.duration_s:g} s"
            )
        if not 0.0 <= self.synthetic_share < 1.0:
            raise ConfigError(f"synthetic_share must be 0 to below 1, found {self.synthetic_share}")
        known = {dance.dancer for dance in labelled_dances()}
        for dancer in self.left_out:
            if dancer not in known:
                raise ConfigError(
                    f"no dancer {dancer!r} to leave out; there are {', '.join(sorted(known))}"
                )


@dataclass(frozen=True)
class SpecialistTraining:
    """How a specialist of synthetic movement is trained; on real dances it predicts nothing.

    Attributes:
        steps: Of the loop.
        synthetic_share: Share of windows that are synthetic.
        augment: How windows are changed; less than others', since nothing can be learned by heart.
    """

    steps: int = 700
    synthetic_share: float = 0.75
    augment: BeatAugmentation = field(
        default_factory=lambda: BeatAugmentation(
            mix=0.0, gain=0.1, drop_joint=0.1, offset=0.05, noise=0.1
        )
    )


@dataclass(frozen=True)
class BeatTraining:
    """A whole run.

    Attributes:
        network: Sizes, and how many members are trained from different seeds.
        dances: What they learn from.
        augment: How windows are changed.
        loop: The loop's figures, of each member.
        dropout: Of every block.
        specialist: What is otherwise for the specialists.
    """

    network: BeatNetworkConfig = field(default_factory=BeatNetworkConfig)
    dances: BeatDances = field(default_factory=BeatDances)
    augment: BeatAugmentation = field(default_factory=BeatAugmentation)
    loop: LoopConfig = field(default_factory=LoopConfig)
    dropout: float = 0.2
    specialist: SpecialistTraining = field(default_factory=SpecialistTraining)

    def of_specialists(self) -> "BeatTraining":
        """Return what specialists are trained by."""
        special = self.specialist
        return replace(
            self,
            dances=replace(self.dances, synthetic_share=special.synthetic_share),
            augment=special.augment,
            loop=replace(self.loop, steps=special.steps),
        )


@dataclass(frozen=True, eq=False)
class TimedMotion:
    """A dance as it is learned from.

    Attributes:
        positions_m: Joint positions at 30 fps, metres, (T, 24, 3).
        period_s: Seconds a beat.
        downbeat_s: Time of a beat that opens a bar.
    """

    positions_m: Array
    period_s: float
    downbeat_s: float


@dataclass(frozen=True, eq=False)
class TrainingDances:
    """Real and synthetic dances.

    Attributes:
        real: Real dances.
        synthetic: Synthetic ones.
        shares: How often each real one is drawn, sums to 1.
        real_weight: What the target phasors of real dances are multiplied with; 0 to teach silence.
    """

    real: tuple[TimedMotion, ...]
    synthetic: tuple[TimedMotion, ...]
    shares: NDArray[np.float64]
    real_weight: float = 1.0

    def silent(self) -> "TrainingDances":
        """Return the same dances, with nothing to be said of the real ones."""
        return replace(self, real_weight=0.0)


@dataclass(frozen=True, eq=False)
class BeatBatch:
    """Values (B, T, J, V) of two dances a window, and target phasors (B, T', 12)."""

    values: Tensor
    partner: Tensor
    phasors: Tensor


def read_beat_config(path: Path, overrides: Sequence[str] = ()) -> BeatTraining:
    """Read a run from TOML.

    Raises:
        ConfigError: An unknown key, a wrong type, or an impossible figure.
    """
    return config.read(BeatTraining, path, overrides)


def train_beats(training: BeatTraining, out: Path, **options: Unpack[RunOptions]) -> TrainingResult:
    """Train all members one after another and leave them in ``out/beats/model``.

    Args:
        training: The run.
        out: Folder of the run; the synthetic dances are kept there too.
        **options: See :class:`kinetune.training.run.RunOptions`; minutes are each member's.

    Raises:
        ConfigError: A dancer that should be left out is unknown.
    """
    dances = open_dances(training.dances, out)
    count = training.network.members
    modules, result = train_members(training, dances, out, range(count), **options)
    if training.network.specialists:
        numbers = range(count, training.network.networks)
        special = training.of_specialists()
        more, result = train_members(special, dances.silent(), out, numbers, **options)
        modules += more
    if parallel.is_main():
        with atomic_folder(out / "beats" / "model") as temporary:
            save_beat_modules(modules, temporary, specialists=training.network.specialists)
    return result


def train_members(
    training: BeatTraining,
    dances: TrainingDances,
    out: Path,
    numbers: range,
    **options: Unpack[RunOptions],
) -> tuple[list[BeatModule], TrainingResult]:
    """Train the members of some numbers, each from its own seed, in ``out/beats/member-N``.

    Args:
        training: The run.
        dances: What they learn from.
        out: Folder of the run.
        numbers: One number or more.
        **options: See :class:`kinetune.training.run.RunOptions`; minutes are each member's.

    Returns:
        The members, and how the last run ended.
    """
    modules = []
    for number in numbers:
        folder = out / "beats" / f"member-{number}"
        with open_run(folder, **_options_of(folder, options)) as run:
            module, result = _train_member(training, dances, run, number)
        modules.append(module)
    return modules, result


def _options_of(folder: Path, options: RunOptions) -> RunOptions:
    """Options of one member: those that had not begun when a run stopped begin anew."""
    begun = (folder / STATE).is_dir()
    return {**options, "resume": options.get("resume", False) and begun}


def _train_member(
    training: BeatTraining, dances: TrainingDances, run: Run, member: int
) -> tuple[BeatModule, TrainingResult]:
    settings = replace(training.loop, seed=training.loop.seed + member)
    training = replace(training, loop=settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        module = BeatModule(training.network, dropout=training.dropout)
    loop = TrainingLoop(module, settings, run)
    device = loop.accelerator.device

    def loss(index: int) -> dict[str, Tensor]:
        batch = sample_batch(dances, training, index)
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + index)
        values = augment_values(batch.values, batch.partner, training.augment, generator)
        rows = slice(loop.rows.start, loop.rows.stop)
        phasors = loop.forward_seeded(values[rows].flatten(2), settings.seed + index)
        return {"loss": phasor_loss(phasors, batch.phasors[rows].to(device))}

    result = loop.run(loss)
    loop.copy_ema_to_model()
    return module.cpu(), result


def phasor_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the weighted mean squared distance of phasors (B, T', 12), 1 for a shrug (zeros)."""
    weights = torch.tensor(_HARMONIC_WEIGHTS, device=predicted.device)
    squared = ((predicted - target) ** 2).unflatten(-1, (len(HARMONICS), 2)).sum(-1)
    return (squared.mean(dim=(0, 1)) * weights).sum() / weights.sum()


def phasors_of(beats: NDArray[np.float64]) -> Array:
    """Return the target phasors of beats counted from a downbeat: (..., T') -> (..., T', 12)."""
    angles = 2.0 * np.pi * beats[..., None] * np.array(HARMONICS)
    both = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return both.reshape(*beats.shape, -1).astype(np.float32)


def sample_batch(dances: TrainingDances, training: BeatTraining, index: int) -> BeatBatch:
    """Return a batch by its number."""
    rng = np.random.default_rng([training.loop.seed, index])
    figures = training.dances
    longest, shortest = (
        timebase.frames_in(value, timebase.MOTION_FPS)
        for value in (figures.longest_s, figures.shortest_s)
    )
    count = int(rng.integers(shortest // 2, longest // 2 + 1)) * 2
    values, partners, phasors = [], [], []
    for _ in range(training.loop.batch_size):
        synthetic = rng.random() < figures.synthetic_share
        pool = dances.synthetic if synthetic else dances.real
        shares = None if synthetic else dances.shares
        dance = pool[int(rng.choice(len(pool), p=shares))]
        window, period_s, downbeat_s = _draw_window(rng, dance, count, training.augment)
        partner = window
        if not synthetic and rng.random() < training.augment.mix:
            partner = _aligned_window(rng, dances, count, period_s, downbeat_s, otherwise=window)
        times_s = timebase.frame_times(count // 2, OUTPUT_FPS) + 0.25 / OUTPUT_FPS
        weight = np.float32(1.0 if synthetic else dances.real_weight)
        phasors.append(weight * phasors_of((times_s - downbeat_s) / period_s))
        size = math.exp(rng.normal() * training.augment.size)
        values.append(_values(size * window))
        partners.append(values[-1] if partner is window else _values(size * partner))
    stacked = (torch.from_numpy(np.stack(each)) for each in (values, partners, phasors))
    return BeatBatch(*stacked)


def augment_values(
    values: Tensor, partner: Tensor, settings: BeatAugmentation, generator: torch.Generator
) -> Tensor:
    """Mix two dances' parts and disturb the joints: (B, T, J, V) twice -> (B, T, J, V)."""
    size, _, joints, width = values.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    mask = torch.zeros(size, 1, joints, 1)
    for part in _PARTS:
        mask[:, :, list(part)] = (uniform(size, 1, 1, 1) < 0.5).float()
    out = values + mask * (partner - values)
    gain = settings.gain * (normal(size, 1, joints, 1) + normal(size, 1, 1, 1))
    kept = uniform(size, 1, joints, 1) >= settings.drop_joint * uniform(size, 1, 1, 1)
    offset = settings.offset * normal(size, 1, joints, width)
    noise = settings.noise * uniform(size, 1, 1, 1) * normal(*out.shape)
    return out * torch.exp(gain) * kept + offset + noise


def open_dances(
    dances: BeatDances, out: Path, *, on_dance: Callable[[int, int], None] | None = None
) -> TrainingDances:
    """Return the dances of a run; the synthetic ones from its folder, or generated.

    Args:
        dances: Which.
        out: Where the synthetic ones are kept, by what made them.
        on_dance: Called with the number made and the number in all.
    """
    real = [
        (dance.dancer, _timed(dance.clip, dance.bpm, dance.downbeat_s))
        for dance in labelled_dances()
        if dance.dancer not in dances.left_out and dance.downbeat_s is not None
    ]
    dancers = [dancer for dancer, _ in real]
    # Dancers with many dances count for more, but not in proportion.
    shares = np.array([dancers.count(dancer) ** -0.5 for dancer in dancers])
    with parallel.main_first():
        synthetic = _synthetic_dances(dances, out, on_dance)
    return TrainingDances(tuple(each for _, each in real), synthetic, shares / shares.sum())


def synthetic_dance(dances: BeatDances, number: int) -> Dance:
    """Return the synthetic dance of a number."""
    rng = np.random.default_rng([dances.seed, number])
    bpm = float(2.0 ** rng.uniform(np.log2(65.0), np.log2(165.0)))
    request = DanceRequest(
        genre=str(rng.choice(genres.CODES)),
        bpm=bpm,
        duration_s=dances.duration_s,
        first_beat_s=float(rng.uniform(0.0, BEATS_IN_BAR * timebase.beat_period_s(bpm))),
        fps=timebase.MOTION_FPS,
    )
    if number % _KEYED_EVERY == _KEYED_EVERY - 1:
        return keyframe_dance(dances.seed + number, motion_library.library(), request)
    return choreograph(dances.seed + number, request)


def _synthetic_dances(
    dances: BeatDances, out: Path, on_dance: Callable[[int, int], None] | None
) -> tuple[TimedMotion, ...]:
    kept = out / f"dances-{_digest(dances)}"
    if not kept.is_dir():
        with atomic_folder(kept) as aside:
            made, times = [], []
            for number in range(dances.synthetic):
                dance = synthetic_dance(dances, number)
                made.append(kinematics.joint_positions(dance.clip).astype(np.float16))
                times.append((timebase.beat_period_s(dance.bpm), float(dance.downbeats_s[0])))
                if on_dance is not None:
                    on_dance(number + 1, dances.synthetic)
            np.save(aside / "positions.npy", np.stack(made))
            np.save(aside / "times.npy", np.array(times))
            files.write_json(aside / "dances.json", config.as_table(dances))
    positions = np.load(kept / "positions.npy", mmap_mode="r", allow_pickle=False)
    times_s = np.load(kept / "times.npy", allow_pickle=False)
    return tuple(
        TimedMotion(each, float(period_s), float(downbeat_s))
        for each, (period_s, downbeat_s) in zip(positions, times_s, strict=True)
    )


def _timed(clip: MotionClip, bpm: float, downbeat_s: float) -> TimedMotion:
    positions = kinematics.joint_positions(clip).astype(np.float32)
    return TimedMotion(positions, timebase.beat_period_s(bpm), downbeat_s)


def _draw_window(
    rng: np.random.Generator, dance: TimedMotion, count: int, settings: BeatAugmentation
) -> tuple[Array, float, float]:
    """Return ``count`` frames from anywhere, their beat period and the time of a downbeat."""
    frames = len(dance.positions_m) - 1
    pace = math.exp(rng.normal() * settings.pace)
    bpm = timebase.bpm_of(dance.period_s) * pace
    pace = pace if _SLOWEST_BPM < bpm < _FASTEST_BPM else 1.0
    # Short dances are slowed until they fill the window.
    pace = min(pace, frames / count)
    start = rng.uniform(0.0, max(frames - count * pace, 1e-9))
    window = _mirrored(rng, _sampled(dance, start, pace, count))
    start_s = start / timebase.MOTION_FPS
    return window, dance.period_s / pace, (dance.downbeat_s - start_s) / pace


def _aligned_window(
    rng: np.random.Generator,
    dances: TrainingDances,
    count: int,
    period_s: float,
    downbeat_s: float,
    *,
    otherwise: Array,
) -> Array:
    """Return a window of another real dance, at the same tempo and place in the bar."""
    bar = BEATS_IN_BAR
    for _ in range(8):
        dance = dances.real[int(rng.choice(len(dances.real), p=dances.shares))]
        pace = dance.period_s / period_s
        spare = len(dance.positions_m) - 1 - count * pace
        first_s = (-downbeat_s / period_s) % bar * dance.period_s + dance.downbeat_s
        bars = (spare / timebase.MOTION_FPS - first_s) // (bar * dance.period_s)
        if bars >= 0 and _SLOWEST_PACE < pace < _FASTEST_PACE:
            start_s = first_s + rng.integers(int(bars) + 1) * bar * dance.period_s
            return _mirrored(rng, _sampled(dance, start_s * timebase.MOTION_FPS, pace, count))
    return otherwise


def _sampled(dance: TimedMotion, start: float, pace: float, count: int) -> Array:
    last = len(dance.positions_m) - 1
    index = np.minimum(start + pace * np.arange(count), last)
    low = index.astype(int)
    high = np.minimum(low + 1, last)
    share = (index - low)[:, None, None].astype(np.float32)
    below, above = (np.asarray(dance.positions_m[k], dtype=np.float32) for k in (low, high))
    return below + share * (above - below)


def _mirrored(rng: np.random.Generator, window: Array) -> Array:
    """Swap left and right half of the time."""
    if rng.random() >= 0.5:
        return window
    return window[:, list(_MIRROR)] * np.array([-1.0, 1.0, 1.0], dtype=np.float32)


def _values(positions_m: Array) -> Array:
    """Features of a window, by joint: (T, 24, 3) -> (T, J, V)."""
    features = features_of(positions_m.astype(np.float64))
    return features.reshape(len(features), len(JOINTS), -1)


def _digest(dances: BeatDances) -> str:
    """Name of what makes the synthetic dances; who is left out and the shares don't."""
    apart = ("left_out", "synthetic_share")
    table = {key: value for key, value in config.as_table(dances).items() if key not in apart}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]
