"""Trains the network that tells the beats of a body, on dances whose beats are known.

The dances are made up, bent from real clips, or keyed from pose to pose (``kinetune.corpus``), no
music with them. Two bodies
dance each grid, and a window may take its legs from one and its arms from the other, so that there
are more bodies than clips. Clips that are held out are never seen: what the network makes of them
is what it makes of a stranger's dance. Every draw is made from the seed and the step's number.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune import config, files, genres, timebase
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import Dance, DanceRequest
from kinetune.corpus.choreography.keyframed import keyframe_dance
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.errors import ConfigError
from kinetune.model.checkpoint import atomic_folder
from kinetune.motion import skeleton
from kinetune.motion.beats.beat_network import GROUPS, BeatNetworkConfig, body_rows
from kinetune.motion.clip import MotionClip
from kinetune.processes import process_pool
from kinetune.training.beat_module import BeatModule, save_beat_module
from kinetune.training.config import LoopConfig
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run

Array = NDArray[np.float64]
Half = NDArray[np.float16]

_BODIES = 2
_BENT, _KEYED, _PHRASES = "bent", "keyed", "phrases"
# What the two bodies of a grid are, in turn: real movement is short, so it gets the larger share.
_KINDS = (
    *((_PHRASES, _PHRASES), (_BENT, _BENT), (_BENT, _PHRASES), (_BENT, _BENT)),
    *((_PHRASES, _PHRASES), (_BENT, _BENT), (_BENT, _PHRASES), (_KEYED, _KEYED)),
)
# A beat is learned as a bell of this deviation, about one row wide.
_TARGET_SIGMA_S = 0.03
# How far a random smoothing reaches, rows.
_SMOOTHED_ROWS = 5


@dataclass(frozen=True)
class BeatAugmentation:
    """What a body suffers before the network sees it.

    Attributes:
        mix: How often legs, arms, trunk and pelvis are drawn from two bodies.
        smooth: How often a window is smoothed, as a capture's own filter does.
        smooth_rows: Widest deviation of that smoothing, rows.
        body_gain: Deviation of a window's liveliness, natural logarithm.
        joint_gain: The same joint by joint.
        drop_joint: Largest share of joints that are lost.
        noise: Largest deviation of noise on every number.
    """

    mix: float = 0.5
    smooth: float = 0.5
    smooth_rows: float = 2.0
    body_gain: float = 0.25
    joint_gain: float = 0.2
    drop_joint: float = 0.3
    noise: float = 0.08


@dataclass(frozen=True)
class BeatDances:
    """The dances it learns from.

    Attributes:
        grids: Number of beat grids; two bodies dance each.
        seed: Of the first.
        duration_s: Length of a dance, seconds.
        window_s: Length of a training window, seconds.
        slowest_bpm: Tempi are drawn evenly in octaves from here ...
        fastest_bpm: ... to here.
        held_out: Names of clips of the bundled library that are never seen.
    """

    grids: int = 4000
    seed: int = 30_000_000
    duration_s: float = 14.0
    window_s: float = 12.0
    slowest_bpm: float = 70.0
    fastest_bpm: float = 155.0
    held_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.grids < 1 or not 0 < self.window_s <= self.duration_s:
            raise ConfigError(
                "expected one grid or more and windows no longer than the dances, found "
                f"{self.grids} and {self.window_s:g} of {self.duration_s:g} s"
            )
        if not 60.0 <= self.slowest_bpm <= self.fastest_bpm <= 180.0:
            raise ConfigError(
                "expected tempi of 60 to 180 bpm, the slowest first, found "
                f"{self.slowest_bpm:g} to {self.fastest_bpm:g}"
            )


@dataclass(frozen=True)
class BeatTraining:
    """A whole run.

    Attributes:
        network: The network's figures.
        dances: What it learns from.
        augment: What the bodies suffer.
        loop: The loop's figures.
        dropout: Of every block.
        downbeat_weight: How much downbeats count beside beats; the others have none.
    """

    network: BeatNetworkConfig = field(default_factory=BeatNetworkConfig)
    dances: BeatDances = field(default_factory=BeatDances)
    augment: BeatAugmentation = field(default_factory=BeatAugmentation)
    loop: LoopConfig = field(default_factory=LoopConfig)
    dropout: float = 0.1
    downbeat_weight: float = 0.3


@dataclass(frozen=True, eq=False)
class Bodies:
    """Dances as the network sees them.

    Attributes:
        rows: Two bodies a grid, half precision, (D, 2, T, 24, 5).
        beats: Whether a row lies on a beat, as bells, (D, T).
        downbeats: The same for downbeats, (D, T).
        has_bars: Whether the downbeats mean anything, (D,).
    """

    rows: Half
    beats: Half
    downbeats: Half
    has_bars: NDArray[np.bool_]


def read_beat_config(path: Path, overrides: Sequence[str] = ()) -> BeatTraining:
    """Read a run from TOML.

    Raises:
        ConfigError: An unknown key, a wrong type, or an impossible figure.
    """
    return config.read(BeatTraining, path, overrides)


def train_beats(training: BeatTraining, out: Path, **options: Unpack[RunOptions]) -> TrainingResult:
    """Train the network and leave it in ``out/beats/model``.

    Args:
        training: The run.
        out: Folder of the run; the dances are kept there too.
        **options: See :class:`kinetune.training.run.RunOptions`.

    Raises:
        ConfigError: A clip that should be held out is not in the library.
    """
    with open_run(out / "beats", **options) as run:
        return _train(training, out, run)


def _train(training: BeatTraining, out: Path, run: Run) -> TrainingResult:
    bodies = open_bodies(training.dances, out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.loop.seed)
        module = BeatModule(training.network, dropout=training.dropout)
    loop = TrainingLoop(module, training.loop, run)
    device = loop.accelerator.device

    def loss(batch: int) -> dict[str, Tensor]:
        rows, beats, downbeats, has_bars = drawn(bodies, training, batch)
        logits = loop.forward_seeded(rows, training.loop.seed + batch)
        targets = beats.to(device), downbeats.to(device), has_bars.to(device)
        return beat_loss(logits, *targets, downbeat_weight=training.downbeat_weight)

    result = loop.run(loss)
    loop.copy_ema_to_model()
    with atomic_folder(run.folder / "model") as temporary:
        save_beat_module(module.cpu(), temporary)
    return result


def beat_loss(
    logits: Tensor, beats: Tensor, downbeats: Tensor, has_bars: Tensor, *, downbeat_weight: float
) -> dict[str, Tensor]:
    """Return the cross entropies of logits (B, T, 2) and bells (B, T); bars where there are any."""
    on_beat = functional.binary_cross_entropy_with_logits(logits[..., 0], beats)
    apart = functional.binary_cross_entropy_with_logits(logits[..., 1], downbeats, reduction="none")
    on_bar = (apart.mean(dim=1) * has_bars).sum() / has_bars.sum().clamp_min(1.0)
    return {"loss": on_beat + downbeat_weight * on_bar, "beat": on_beat, "downbeat": on_bar}


def drawn(bodies: Bodies, training: BeatTraining, batch: int) -> tuple[Tensor, ...]:
    """Return rows (B, T, 24, 5), beats and downbeats (B, T) and bars (B,) of a batch by number."""
    generator = torch.Generator().manual_seed(training.loop.seed * 1_000_003 + batch)
    size = training.loop.batch_size
    length = timebase.frames_in(training.dances.window_s, timebase.MOTION_FPS)
    chosen = torch.randint(len(bodies.rows), (size,), generator=generator)
    spare = bodies.rows.shape[2] - length
    starts = torch.randint(spare + 1, (size,), generator=generator)
    places = [(int(d), slice(int(s), int(s) + length)) for d, s in zip(chosen, starts, strict=True)]

    def cut(values: Half) -> Tensor:
        return _stacked([values[dance, ..., part] for dance, part in places])

    two = _stacked([bodies.rows[dance, :, part] for dance, part in places])
    bars = torch.from_numpy(bodies.has_bars[chosen.numpy()]).float()
    rows = suffered(two, training.augment, generator)
    return rows, cut(bodies.beats), cut(bodies.downbeats), bars


def suffered(rows: Tensor, told: BeatAugmentation, generator: torch.Generator) -> Tensor:
    """Return one body a window, spoilt: (B, 2, T, 24, 5) -> (B, T, 24, 5)."""
    size = len(rows)

    def shares(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def bells(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    groups = torch.randint(_BODIES, (size, len(GROUPS)), generator=generator)
    groups = torch.where(shares(size, 1) < told.mix, groups, groups[:, :1])
    second = groups[:, _group_of_joint()].bool()[:, None, :, None]
    body = torch.where(second, rows[:, 1], rows[:, 0])
    widths = told.smooth_rows * shares(size) * (shares(size) < told.smooth)
    body = _smoothed(body, widths)
    gain = told.body_gain * bells(size, 1, 1, 1)
    gain = gain + told.joint_gain * bells(size, 1, skeleton.JOINT_COUNT, 1)
    lost = shares(size, 1, skeleton.JOINT_COUNT, 1) < told.drop_joint * shares(size, 1, 1, 1)
    noise = told.noise * shares(size, 1, 1, 1) * bells(*body.shape)
    return body * torch.exp(gain) * ~lost + noise


def open_bodies(
    dances: BeatDances, out: Path, *, on_dance: Callable[[int, int], None] | None = None
) -> Bodies:
    """Return the dances of a run, from its folder or made anew on all cores.

    Args:
        dances: Which.
        out: Where they are kept, by what made them.
        on_dance: Called with the grids done and the grids in all.

    Raises:
        ConfigError: A clip that should be held out is not in the library.
    """
    _seen_clips(dances.held_out)
    names = [each.name for each in fields(Bodies)]
    kept = out / f"bodies-{_name_of(dances)}"
    if not kept.is_dir():
        with atomic_folder(kept) as aside:
            made = _made(dances, on_dance)
            for name in names:
                np.save(aside / f"{name}.npy", getattr(made, name))
            files.write_json(aside / "dances.json", config.as_table(dances))
    read = partial(np.load, mmap_mode="r", allow_pickle=False)
    return Bodies(**{name: read(kept / f"{name}.npy") for name in names})


def body_of(dances: BeatDances, number: int, body: int) -> Dance:
    """Return the dance of one of the two bodies of a grid."""
    rng = np.random.default_rng([dances.seed, number, 707])
    octaves = rng.uniform(np.log2(dances.slowest_bpm), np.log2(dances.fastest_bpm))
    bpm = float(2.0**octaves)
    first_s = float(rng.uniform(0.0, timebase.BEATS_IN_BAR * timebase.beat_period_s(bpm)))
    codes = rng.choice(genres.CODES, _BODIES)
    kind = _KINDS[number % len(_KINDS)][body]
    seed = dances.seed + _BODIES * number + body
    seen = _seen_clips(dances.held_out)
    makers: dict[str, Callable[..., Dance]] = {
        _PHRASES: choreograph,
        _BENT: partial(warp_to_beats, clips=seen),
        _KEYED: partial(keyframe_dance, clips=seen),
    }
    request = DanceRequest(
        genre=str(codes[body]),
        bpm=bpm,
        duration_s=dances.duration_s,
        first_beat_s=first_s,
        fps=timebase.MOTION_FPS,
    )
    return makers[kind](seed, request=request)


def _made(dances: BeatDances, on_dance: Callable[[int, int], None] | None) -> Bodies:
    """Make all dances, in as many processes as there are cores."""
    parts = []
    with process_pool(os.cpu_count() or 1) as pool:
        work = partial(_one_grid, dances)
        for done, part in enumerate(pool.map(work, range(dances.grids), chunksize=8), start=1):
            parts.append(part)
            if on_dance is not None:
                on_dance(done, dances.grids)
    rows, beats, downbeats, has_bars = zip(*parts, strict=True)
    return Bodies(np.stack(rows), np.stack(beats), np.stack(downbeats), np.array(has_bars))


def _one_grid(dances: BeatDances, number: int) -> tuple[Half, Half, Half, bool]:
    bodies = [body_of(dances, number, body) for body in range(_BODIES)]
    rows = np.stack([body_rows(dance.clip) for dance in bodies]).astype(np.float16)
    count = rows.shape[1]
    has_bars = _KINDS[number % len(_KINDS)] == (_PHRASES, _PHRASES)
    one = bodies[0]
    return rows, _bells(one.beats_s, count), _bells(one.downbeats_s, count), has_bars


def _bells(times_s: Array, count: int) -> Half:
    """Bells around times, at rows: (count,)."""
    rows_s = timebase.frame_times(count, timebase.MOTION_FPS)
    if len(times_s) == 0:
        return np.zeros(count, dtype=np.float16)
    away = np.abs(rows_s[:, None] - times_s).min(axis=1)
    return np.exp(-0.5 * (away / _TARGET_SIGMA_S) ** 2).astype(np.float16)


def _seen_clips(held_out: Sequence[str]) -> tuple[MotionClip, ...]:
    known = {clip.name for clip in motion_library.library()}
    for name in held_out:
        if name not in known:
            raise ConfigError(f"no clip {name!r} to hold out; there are {', '.join(sorted(known))}")
    return tuple(clip for clip in motion_library.library() if clip.name not in held_out)


def _stacked(parts: list[Half]) -> Tensor:
    return torch.from_numpy(np.stack(parts)).float()


def _group_of_joint() -> Tensor:
    out = torch.zeros(skeleton.JOINT_COUNT, dtype=torch.long)
    for number, joints in enumerate(GROUPS):
        out[list(joints)] = number
    return out


def _smoothed(body: Tensor, widths: Tensor) -> Tensor:
    """Smooth each window (B, T, ...) over time by a bell of its own width, rows; 0 leaves it."""
    reach = torch.arange(-_SMOOTHED_ROWS, _SMOOTHED_ROWS + 1)
    bells = torch.exp(-0.5 * (reach / widths.clamp_min(0.1)[:, None]) ** 2)
    bells = bells / bells.sum(dim=1, keepdim=True)
    size, count = body.shape[:2]
    flat = body.reshape(size, count, -1).permute(2, 0, 1)
    wide = functional.pad(flat, (_SMOOTHED_ROWS, _SMOOTHED_ROWS), mode="replicate")
    out = functional.conv1d(wide, bells[:, None], groups=size)
    return out.permute(1, 2, 0).reshape(body.shape)


def _name_of(dances: BeatDances) -> str:
    said = json.dumps(config.as_table(dances), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
