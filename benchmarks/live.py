"""Live music against the body: phase lock beside the offline grid's, and time to render.

    python benchmarks/live.py [--dances 6] [--labelled 8] [--folder DIR]
    python benchmarks/live.py --headroom 10 | --real 120
    python benchmarks/live.py --picture docs/guide/live.png [--drift 0.08]

The table: R, the mean resultant length of the phase between music beats and the body's true beats,
from 8 s on. Live is what the music plays, knowing only the past and placed ahead; offline is the
grid read from the whole dance. Corpus dances are of seeds no model is trained on; of the labelled
dances (AIST++, sixteen beats each) four rounds are danced without a pause. Dances of ``--folder``
have no known beats: there R is that of the music against the offline grid.
``--headroom`` plays minutes of dance on a simulated clock and prints what bars and readings cost;
``--real`` plays seconds of it in real time and counts underruns.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinetune import timebase
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import Dance, DanceRequest
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.live.connections.replay import Replay
from kinetune.live.connections.sinks import WavSink
from kinetune.live.following.follower import BeatFollower, FollowOptions, Immediate
from kinetune.live.following.phase_lock import SETTLED_S, phase_lock
from kinetune.live.playing.music import LiveMusic, MusicOptions
from kinetune.live.session import LiveReport, SimulatedClock, WallClock, run_session
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import MOTION_SUFFIXES, read_motion

FIRST_SEED = 50_000
CORPUS_S, ROUNDS, STEP_S = 40.0, 4, 0.1
# As music places its beats: rendered ahead, one block, the lead of a note, and a little more.
PLACED_AHEAD_S = 0.9
GENRES = ("BR", "HO", "LO", "MH", "PO", "WA", "KR", "JS")
# Of the labelled dances each eleventh is taken.
STRIDE, LEAST_BREAK_S = 11, 0.05


def corpus_dances(count: int, duration_s: float = CORPUS_S) -> Iterator[Dance]:
    """Yield choreographed dances of eight genres and all tempi."""
    for index in range(count):
        bpm = float(np.random.default_rng(index).uniform(80.0, 140.0))
        request = DanceRequest(GENRES[index % len(GENRES)], bpm, duration_s)
        yield choreograph(FIRST_SEED + index, request)


def labelled(count: int) -> Iterator[tuple[MotionClip, np.ndarray]]:
    """Yield rounds of real dances and their beats, spread over dancers and genres."""
    known = [dance for dance in labelled_dances() if dance.downbeat_s is not None]
    # Sixteen beats to the frame: rounds follow each other without a break of the beat.
    whole = [
        d
        for d in known
        if abs(d.clip.duration_s - 16 * timebase.beat_period_s(d.bpm)) < LEAST_BREAK_S
    ]
    for dance in whole[::STRIDE][:count]:
        clip = replace(
            dance.clip,
            rotations=np.tile(dance.clip.rotations, (ROUNDS, 1, 1)),
            root_m=np.tile(dance.clip.root_m, (ROUNDS, 1)),
        )
        yield clip, timebase.beat_period_s(dance.bpm) * np.arange(16 * ROUNDS)


def live_beats(clip: MotionClip, options: FollowOptions) -> np.ndarray:
    """Return the beats that music would play to a dance."""
    follower = BeatFollower(Replay(clip), options)
    for now_s in np.arange(0.0, clip.duration_s, STEP_S):
        follower.update(now_s)
        if follower.clock is None and not follower.start(now_s, now_s + PLACED_AHEAD_S):
            continue
        while follower.clock is not None and follower.clock.beats_s[-1] < now_s + PLACED_AHEAD_S:
            follower.next_beat()
    return np.array(follower.clock.beats_s) if follower.clock is not None else np.zeros(0)


def print_table(dances: int, labelled_count: int, folder: Path | None) -> None:
    rows = {
        "corpus dances, 40 s": ((d.clip, d.beats_s) for d in corpus_dances(dances)),
        "AIST++ dances, 4 rounds": labelled(labelled_count),
    }
    options = FollowOptions()
    print("| dances | n | R live | R offline | live / offline | begins after |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, pairs in rows.items():
        values = []
        for clip, body_s in pairs:
            beats_s = live_beats(clip, options)
            offline = phase_lock(beat_grid(clip).beats_s, body_s, from_s=SETTLED_S)
            values.append(
                (
                    phase_lock(beats_s, body_s, from_s=SETTLED_S),
                    offline,
                    beats_s[0] if len(beats_s) else np.nan,
                )
            )
        if values:
            live, offline, begins = np.nanmean(values, axis=0)
            share = live / offline
            print(
                f"| {name} | {len(values)} | {live:.2f} | {offline:.2f} | {share:.2f} | "
                f"{begins:.1f} s |", flush=True,
            )  # fmt: skip
    if folder is not None:
        print_folder(folder, options)


def print_folder(folder: Path, options: FollowOptions) -> None:
    print("\n| dance | length | R of live and offline grid |\n|---|---|---|")
    for path in sorted(p for p in folder.iterdir() if p.suffix in MOTION_SUFFIXES):
        clip = read_motion(path)
        if clip.duration_s < 2 * SETTLED_S:
            continue
        lock = phase_lock(live_beats(clip, options), beat_grid(clip).beats_s, from_s=SETTLED_S)
        print(f"| {clip.name} | {clip.duration_s:.0f} s | {lock:.2f} |", flush=True)


class Timed(Immediate):
    """Makes readings at once, and notes what each took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def submit(self, task):  # noqa: ANN001, ANN201
        """Return the finished task."""
        began = time.perf_counter()
        future = super().submit(task)
        self.seconds.append(time.perf_counter() - began)
        return future


def print_headroom(minutes: float) -> None:
    """Play minutes on a simulated clock."""
    dance = next(iter(corpus_dances(1, 60.0 * minutes)))
    timed = Timed()
    source = Replay(dance.clip)
    music = LiveMusic(BeatFollower(source, FollowOptions(), timed), MusicOptions())
    report = run_session(music, source, SimulatedClock(), [])
    print_costs(report, timed.seconds)
    print(f"R {phase_lock(report.beats_s, dance.beats_s, from_s=SETTLED_S):.3f}")


def print_real(seconds: float) -> None:
    """Play seconds in real time into a WAV file."""
    dance = next(iter(corpus_dances(1, seconds)))
    source = Replay(dance.clip)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        music = LiveMusic(BeatFollower(source, FollowOptions(), pool), MusicOptions())
        sink = WavSink(Path(folder) / "live.wav", 44_100, 2)
        report = run_session(music, source, WallClock(), [sink])
    print_costs(report, [])
    print(f"R {phase_lock(report.beats_s, dance.beats_s, from_s=SETTLED_S):.3f}")


def print_costs(report: LiveReport, readings: list[float]) -> None:
    loads = report.bar_loads
    print(f"{report.duration_s:.0f} s, {len(report.bars)} bars, {report.underruns} underruns")
    print(
        f"compose and render: {report.load:.1%} of the time it plays; bars: median "
        f"{np.median(loads):.1%}, highest {loads.max():.1%}; costliest block of "
        f"{1000 * report.block_s:.0f} ms: {1000 * report.block_seconds.max():.0f} ms"
    )
    if readings:
        print(
            f"{len(readings)} readings: median {1000 * np.median(readings):.0f} ms, highest "
            f"{1000 * max(readings):.0f} ms, {sum(readings) / report.duration_s:.1%} of the time"
        )


def draw(path: Path, drift: float) -> None:
    """Draw body beats, music beats, tempo and energy of a replayed dance."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from beat_grid import Danced
    from tempo_drift import drifting

    dance = choreograph(FIRST_SEED + 3, DanceRequest("HO", 118.0, CORPUS_S, first_beat_s=0.4))
    danced = Danced(dance.clip, 118.0, 0.4)
    clip, body_s = drifting(danced, "wave", drift)
    source = Replay(clip)
    music = LiveMusic(BeatFollower(source, FollowOptions()), MusicOptions(bpm=118.0))
    report = run_session(music, source, SimulatedClock(), [])
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(9, 6.2), sharex=True)
    top.plot(body_s[1:], 60.0 / np.diff(body_s), color="0.6", lw=3, label="body")
    top.plot(
        [p.time_s for p in report.trace], [p.bpm for p in report.trace], ".", ms=4, label="read"
    )
    beats_s = report.beats_s
    top.plot(beats_s[1:], 60.0 / np.diff(beats_s), lw=1.2, label="music")
    top.set(ylabel="beats a minute", ylim=(104, 132))
    top.legend(ncols=3, loc="upper right", frameon=False)
    inside = (beats_s >= body_s[0]) & (beats_s <= body_s[-1])
    phase = np.interp(beats_s[inside], body_s, np.arange(len(body_s)))
    away_ms = 1000.0 * (phase - np.round(phase)) * float(np.median(np.diff(body_s)))
    middle.axhline(0.0, color="0.7", lw=1)
    middle.plot(beats_s[inside], away_ms, "o", ms=3)
    middle.set(ylabel="music beat after\nbody beat, ms", ylim=(-150, 150))
    lock = phase_lock(beats_s, body_s, from_s=SETTLED_S)
    middle.set_title(f"R = {lock:.2f} from 8 s on", fontsize=10, loc="right")
    starts = [bar.start_s for bar in report.bars]
    bottom.step(starts, [bar.energy for bar in report.bars], where="post", label="bar written for")
    bottom.plot([p.time_s for p in report.trace], [p.confidence for p in report.trace], lw=1,
                label="probability of the reading")  # fmt: skip
    bottom.axvspan(0.0, beats_s[0], color="0.93", label="before the music")
    bottom.set(
        ylabel="energy, probability", xlabel="seconds", ylim=(0, 1), xlim=(0, clip.duration_s)
    )
    bottom.legend(ncols=3, loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print what is requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=6)
    parser.add_argument("--labelled", type=int, default=8)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--headroom", type=float, metavar="MINUTES")
    parser.add_argument("--real", type=float, metavar="SECONDS")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--drift", type=float, default=0.0, help="of the picture's dance")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture, options.drift)
    elif options.headroom:
        print_headroom(options.headroom)
    elif options.real:
        print_real(options.real)
    else:
        print_table(options.dances, options.labelled, options.folder)


if __name__ == "__main__":
    main()
