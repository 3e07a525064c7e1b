"""Does a long piece build and break where the body does?

    python benchmarks/dynamics.py [--model default] [--seconds 180] [--dances 3]

Made-up dances with an arc: a quiet quarter, a build of a quarter, a break of an eighth, and all of
it to the end; the moves are the choreographer's, made larger or smaller about their mean pose. The
music is measured over phrases of four bars: loudness (mean square) and onsets a second (librosa;
what lies 40 dB under the loudest doesn't count, or the crackle of an old record would be counted
where the music is quiet), each against the body's mean joint speed by rank (Spearman), and how much
louder the full part is than the quiet one and the break. "window by window" is the model without
the piece's long arc (``kinetune.model.conditioning.dynamics``), "with the arc" what a user gets,
and "composed" what the corpus's composer makes of the same dance, beat by beat.
"""

import argparse
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import librosa
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import spearmanr

from kinetune import genres, timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest, annotate
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.rendering.mixer import render
from kinetune.metrics.evaluation.audio_analysis import analyse_audio, librosa_samples
from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.motion import rotations
from kinetune.motion.beats.beat_grid import BeatGrid, fixed_grid
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip
from kinetune.motion.kinematics import joint_speeds

# Share of the piece, and size of the moves there.
ARC = ((0.0, 0.25), (0.25, 0.25), (0.5, 0.95), (0.501, 0.2), (0.62, 0.2), (0.625, 1.0), (1.0, 1.0))
# The choreographer's own arc is what is left of the body's speed at this width.
OWN_S = 3.0
QUIET, BREAK, FULL = (0.0, 0.25), (0.51, 0.615), (0.64, 1.0)
BARS = 4
AUDIBLE_DB = 40.0


def with_arc(clip: MotionClip) -> MotionClip:
    """Return the dance with its moves of the arc's size, the choreographer's own arc taken out."""
    share = np.linspace(0.0, 1.0, clip.frame_count)
    own = gaussian_filter1d(joint_speeds(clip).mean(axis=1), OWN_S * clip.fps, mode="nearest")
    size = np.interp(share, *np.array(ARC).T) * np.clip(np.median(own) / own, 0.3, 1.8)
    size = size[:, None]
    quat = rotations.make_continuous(clip.rotations)
    mean = quat.mean(axis=0) / np.linalg.norm(quat.mean(axis=0), axis=-1, keepdims=True)
    small = rotations.slerp(
        np.broadcast_to(mean, quat.shape), quat, np.broadcast_to(size, quat.shape[:2])
    )
    small[:, 0] = quat[:, 0]
    middle = clip.root_m.mean(axis=0)
    return replace(clip, rotations=small, root_m=middle + size * (clip.root_m - middle))


def phrases_of(values: np.ndarray, rate_hz: float, edges_s: np.ndarray) -> np.ndarray:
    """Return the mean of a curve over each phrase."""
    edges = np.round(edges_s * rate_hz).astype(int)
    return np.array([values[a:b].mean() for a, b in pairwise(edges)])


def onsets_s(sound: Sound) -> np.ndarray:
    """Return when something begins that can be heard beside the loudest."""
    mono = librosa_samples(sound)
    power = librosa.feature.melspectrogram(y=mono, sr=timebase.SAMPLE_RATE_HZ)
    level_db = librosa.power_to_db(power, ref=np.max, top_db=AUDIBLE_DB)
    strength = librosa.onset.onset_strength(S=level_db, sr=timebase.SAMPLE_RATE_HZ)
    return librosa.onset.onset_detect(
        onset_envelope=strength, sr=timebase.SAMPLE_RATE_HZ, units="time"
    )


def scores(clip: MotionClip, grid: BeatGrid, sound: Sound) -> dict[str, float]:
    """Return how the music's phrases follow the body's."""
    heard, speed = analyse_audio(sound), analyse_motion(clip).speed
    edges = bar_lines(grid, clip.duration_s)[::BARS]
    rate_hz = timebase.mel_rate_hz()
    body = phrases_of(speed, ANALYSIS_FPS, edges)
    onsets = np.bincount((onsets_s(sound) * rate_hz).astype(int), minlength=len(heard.power))

    def level_db(span: tuple[float, float]) -> float:
        ends = [round(share * len(heard.power)) for share in span]
        return 10.0 * np.log10(heard.power[slice(*ends)].mean())

    return {
        "loudness": spearmanr(body, phrases_of(heard.power, rate_hz, edges)).statistic,
        "onsets": spearmanr(body, phrases_of(onsets, rate_hz, edges)).statistic,
        "quiet": level_db(FULL) - level_db(QUIET),
        "break": level_db(FULL) - level_db(BREAK),
    }


def made_flat(pipeline: DanceToMusicPipeline, clip: MotionClip, code: str, grid: BeatGrid) -> Sound:
    """Return the music with every bar at full level."""

    def flat(effort: np.ndarray, bars_s: np.ndarray) -> np.ndarray:
        return np.ones(len(effort))

    with patch("kinetune.model.pipeline.bar_dynamics", flat):
        return pipeline(clip, genre=code, seed=1, grid=grid).sound


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--dances", type=int, default=3)
    options = parser.parse_args()
    pipeline = DanceToMusicPipeline.from_pretrained(options.model)
    print("| genre | music | loudness | onsets | full over quiet | full over break |", flush=True)
    print("|---|---|---|---|---|---|")
    for number in range(options.dances):
        code = genres.CODES[3 * number % 10]
        bpm = float(np.mean(genres.TEMPO_RANGE_BPM[code]))
        dance = choreograph(
            41_000 + number, DanceRequest(genre=code, bpm=bpm, duration_s=options.seconds)
        )
        clip, first_s = with_arc(dance.clip), float(dance.downbeats_s[0])
        grid = fixed_grid(bpm, first_s, options.seconds)
        answered = annotate(clip, first_s, bpm, code)
        pieces = {
            "window by window": made_flat(pipeline, clip, code, grid),
            "with the arc": pipeline(clip, genre=code, seed=1, grid=grid).sound,
            "composed": render(compose(answered, 41_000 + number), timebase.SAMPLE_RATE_HZ),
        }
        for name, sound in pieces.items():
            found = scores(clip, grid, sound)
            print(f"| {genres.genre_name(code)} | {name} | {found['loudness']:.2f} "
                  f"| {found['onsets']:.2f} | {found['quiet']:.1f} dB | {found['break']:.1f} dB |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
