"""Measures of the corpus's dances: beat, feet, joint ranges; and pictures of them.

    python benchmarks/corpus_dance.py [--dances 10] [--seconds 24] [--plots DIR]

Prints a Markdown table with a row for each genre's choreography and one for real motion time-warped
to the beat. A contact is a span of 0.1 s or more in which a toe stays within 2.5 cm of its lowest
and moves up or down less than 0.15 m/s; its slide is how far the toe is from where it first stood
when it leaves. Turns on the spot (a pelvis that turns faster than 90 degrees a second) are not
counted: there the foot pivots. Captures' floors are less even than 2.5 cm, and many of their
contacts go uncounted so: a wider measure takes toes up to 5 cm high, and turns too. "Feet low" is
the share of time a toe is that low: feet that hover would not slide either. Joint limits are those
of RANGE_DEG, the angle from the rest pose.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinetune import genres
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import Dance, DanceRequest
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.corpus.pairs import real_dances
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import MotionClip

FIRST_SEED = 8_000_000
TOES = ("left_foot", "right_foot")
# Passive ranges of healthy adults with some room, degrees (American Academy of Orthopaedic
# Surgeons' normal ranges: knee 135, elbow 150, hip 120 in flexion; the trunk's 80 shared by three
# joints and the pelvis).
RANGE_DEG = {
    "spine1": 50, "spine2": 50, "spine3": 50, "neck": 60, "head": 60, "left_collar": 45,
    "right_collar": 45, "left_elbow": 155, "right_elbow": 155, "left_hip": 140, "right_hip": 140,
    "left_knee": 155, "right_knee": 155, "left_ankle": 65, "right_ankle": 65,
}  # fmt: skip
# A knee that bends backwards.
LEAST_KNEE_DEG = -10.0
# A toe in contact is no higher over its lowest, metres; and in the wider measure.
LOW_M, WIDE_M = 0.025, 0.05


@dataclass(frozen=True)
class DanceMeasures:
    """One dance: tempo right, slides of its contacts (m), share of joint angles out of range."""

    tempo_right: bool
    slides_m: list[float]
    wide_slides_m: list[float]
    feet_low: float
    out_of_range: float
    speed_m_s: float


def main() -> None:
    """Print the table and draw the strips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--plots", type=Path)
    options = parser.parse_args()
    print(
        "| dance | tempo right | contacts | slide, median | slide < 2 cm | up to 5 cm high "
        "| feet low | joints in range | speed |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    strips = {}
    everything: list[DanceMeasures] = []
    for name in (*genres.CODES, "real"):
        dances = [made(name, k, options.seconds) for k in range(options.dances)]
        measured = [measure(dance) for dance in dances]
        everything += measured if name != "real" else []
        print(row(name if name == "real" else genres.genre_name(name), measured), flush=True)
        strips[name] = dances[0]
    print(row("all ten genres", everything))
    if options.plots:
        draw(strips, options.plots / "dances.png")


def made(name: str, number: int, duration_s: float) -> Dance:
    """A dance of a genre, or of the library where the name is ``real``."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng([seed, 7])
    bpm = float(rng.uniform(75.0, 145.0))
    if name == "real":
        return warp_to_beats(
            seed,
            real_dances(),
            DanceRequest(genre="house", bpm=bpm, duration_s=duration_s),
        )
    return choreograph(seed, DanceRequest(genre=name, bpm=bpm, duration_s=duration_s))


def measure(dance: Dance) -> DanceMeasures:
    """Measure one dance."""
    ratio = beat_grid(dance.clip).bpm / dance.bpm
    tempo_right = min(abs(ratio / octave - 1.0) for octave in (0.5, 1.0, 2.0)) < 0.04
    speed = float(kinematics.joint_speeds(dance.clip).mean())
    wide = slides_m(dance.clip, low_m=WIDE_M, turns_too=True)
    return DanceMeasures(
        tempo_right,
        slides_m(dance.clip),
        wide,
        feet_low(dance.clip),
        out_of_range(dance.clip),
        speed,
    )


def slides_m(clip: MotionClip, *, low_m: float = LOW_M, turns_too: bool = False) -> list[float]:
    """How far a toe slid in each contact, metres."""
    positions = kinematics.joint_positions(clip)
    moving = kinematics.velocity(positions, clip.fps)
    turning = np.abs(kinematics.angular_velocities(clip)[:, 0, 1]) > np.deg2rad(90.0)
    out = []
    for toe in (skeleton.joint_index(name) for name in TOES):
        height = positions[:, toe, 1] - np.percentile(positions[:, toe, 1], 2.0)
        stands = (height < low_m) & (np.abs(moving[:, toe, 1]) < 0.15) & (~turning | turns_too)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], stands.astype(int), [0]])))
        for first, end in edges.reshape(-1, 2):
            if end - first >= 0.1 * clip.fps:
                path = positions[first:end, toe][:, [0, 2]]
                out.append(float(np.linalg.norm(path[-1] - path[0])))
    return out


def feet_low(clip: MotionClip) -> float:
    """Share of time a toe is within WIDE_M of its lowest."""
    toes = [skeleton.joint_index(name) for name in TOES]
    height = kinematics.joint_positions(clip)[:, toes, 1]
    return float(np.mean(height - np.percentile(height, 2.0, axis=0) < WIDE_M))


def out_of_range(clip: MotionClip) -> float:
    """Share of frames and joints beyond RANGE_DEG."""
    degrees = np.rad2deg(np.linalg.norm(clip.axis_angle, axis=-1))
    beyond = [degrees[:, skeleton.joint_index(name)] > limit for name, limit in RANGE_DEG.items()]
    for name in ("left_knee", "right_knee"):
        flexion = np.rad2deg(clip.axis_angle[:, skeleton.joint_index(name), 0])
        beyond.append(flexion < LEAST_KNEE_DEG)
    return float(np.mean(beyond))


def row(name: str, measured: list[DanceMeasures]) -> str:
    """One line of the table."""
    slides = np.array([slide for one in measured for slide in one.slides_m])
    wide = np.array([slide for one in measured for slide in one.wide_slides_m])
    return (
        f"| {name} | {np.mean([one.tempo_right for one in measured]):.0%} | {len(slides)} | "
        f"{100 * np.median(slides):.1f} cm | {np.mean(slides < 0.02):.1%} | "
        f"{np.mean(wide < 0.02):.1%} | {np.mean([one.feet_low for one in measured]):.0%} | "
        f"{1.0 - np.mean([one.out_of_range for one in measured]):.1%} | "
        f"{np.mean([one.speed_m_s for one in measured]):.2f} m/s |"
    )


def draw(dances: dict[str, Dance], path: Path, *, poses: int = 17) -> None:
    """Draw two bars of every dance, a pose each half-beat, seen from where the body faces."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, rows = plt.subplots(len(dances), 1, figsize=(14, 1.75 * len(dances)))
    for axes, (name, dance) in zip(rows, dances.items(), strict=True):
        start, step = dance.downbeats_s[1], 0.5 * np.diff(dance.beats_s)[0]
        frames = np.round((start + step * np.arange(poses)) * dance.clip.fps).astype(int)
        pose = kinematics.joint_positions(dance.clip)[frames.clip(0, dance.clip.frame_count - 1)]
        facing = rotations.rotate(dance.clip.rotations[frames[0], 0], np.array([1.0, 0.0, 0.0]))
        across = facing / np.linalg.norm(facing[[0, 2]])
        for k in range(poses):
            x = k + (pose[k] - pose[k, :1]) @ across
            for joint, parent in enumerate(skeleton.PARENTS):
                if parent >= 0:
                    side = skeleton.JOINT_NAMES[joint].partition("_")[0]
                    color = {"left": "tab:blue", "right": "tab:red"}.get(side, "0.2")
                    axes.plot(x[[joint, parent]], pose[k, [joint, parent], 1], color=color, lw=1.6)
        axes.set_xticks(range(poses), [k // 2 % 4 + 1 if k % 2 == 0 else "+" for k in range(poses)])
        axes.set_ylim(-0.1, 2.2)
        axes.set_aspect("equal")
        axes.set_yticks([])
        title = "real motion, time-warped" if name == "real" else genres.genre_name(name)
        axes.set_ylabel(title, fontsize=8)
    figure.suptitle("two bars of each genre's dance, a pose on each beat and half-beat", y=0.995)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)
    # Few colours do, and a quarter of the bytes.
    Image.open(path).convert("RGB").quantize(32).save(path, optimize=True)


if __name__ == "__main__":
    main()
