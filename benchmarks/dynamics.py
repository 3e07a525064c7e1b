"""Correlation of a long piece's loudness and onsets with the motion energy.

    python benchmarks/dynamics.py [--model default] [--seconds 180] [--dances 3]

Synthetic dances with a dynamic curve: a quiet quarter, a build-up of a quarter, a break of an
eighth, and full energy to the end. Moves of the choreographer are scaled about their mean pose. The
music is measured over phrases of four bars: rank correlation (Spearman) of loudness (mean square)
and onsets per second with the mean joint speed, and the level of the full part relative to the
quiet part and the break. Onsets (librosa) 40 dB below the loudest are ignored, because quiet parts
would otherwise count vinyl crackle. "without dynamics" is the model without bar dynamics
(``kinetune.model.conditioning.dynamics``), "with dynamics" the default, and "corpus" the corpus
composer's music for the same dance.
"""

import argparse
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import librosa
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import spearmanr
from user_pipeline import load_model

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

# Position in the piece (0 to 1), and scale of the moves there.
CURVE = (
    (0.0, 0.25),
    (0.25, 0.25),
    (0.5, 0.95),
    (0.501, 0.2),
    (0.62, 0.2),
    (0.625, 1.0),
    (1.0, 1.0),
)
# The choreographer's own variation: mean joint speed smoothed by this width.
OWN_S = 3.0
QUIET, BREAK, FULL = (0.0, 0.25), (0.51, 0.615), (0.64, 1.0)
BARS = 4
AUDIBLE_DB = 40.0


def with_dynamic_curve(clip: MotionClip) -> MotionClip:
    """Return the dance with moves scaled by the curve, its own variation removed."""
    share = np.linspace(0.0, 1.0, clip.frame_count)
    own = gaussian_filter1d(joint_speeds(clip).mean(axis=1), OWN_S * clip.fps, mode="nearest")
    size = np.interp(share, *np.array(CURVE).T) * np.clip(np.median(own) / own, 0.3, 1.8)
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
    """Return the times of onsets that are not masked by the loudest."""
    mono = librosa_samples(sound)
    power = librosa.feature.melspectrogram(y=mono, sr=timebase.SAMPLE_RATE_HZ)
    level_db = librosa.power_to_db(power, ref=np.max, top_db=AUDIBLE_DB)
    strength = librosa.onset.onset_strength(S=level_db, sr=timebase.SAMPLE_RATE_HZ)
    return librosa.onset.onset_detect(
        onset_envelope=strength, sr=timebase.SAMPLE_RATE_HZ, units="time"
    )


def scores(clip: MotionClip, grid: BeatGrid, sound: Sound) -> dict[str, float]:
    """Return how the music's phrases follow the body's."""
    audio, speed = analyse_audio(sound), analyse_motion(clip).speed
    edges = bar_lines(grid, clip.duration_s)[::BARS]
    rate_hz = timebase.mel_rate_hz()
    body = phrases_of(speed, ANALYSIS_FPS, edges)
    onsets = np.bincount((onsets_s(sound) * rate_hz).astype(int), minlength=len(audio.power))

    def level_db(span: tuple[float, float]) -> float:
        ends = [round(share * len(audio.power)) for share in span]
        return 10.0 * np.log10(audio.power[slice(*ends)].mean())

    return {
        "loudness": spearmanr(body, phrases_of(audio.power, rate_hz, edges)).statistic,
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
    pipeline = load_model(options.model)
    print(
        "| genre | music | loudness | onsets | full against quiet | full against break |",
        flush=True,
    )
    print("|---|---|---|---|---|---|")
    for number in range(options.dances):
        code = genres.CODES[3 * number % 10]
        bpm = float(np.mean(genres.TEMPO_RANGE_BPM[code]))
        dance = choreograph(
            41_000 + number, DanceRequest(genre=code, bpm=bpm, duration_s=options.seconds)
        )
        clip, first_s = with_dynamic_curve(dance.clip), float(dance.downbeats_s[0])
        grid = fixed_grid(bpm, first_s, options.seconds)
        annotated = annotate(clip, first_s, bpm, code)
        pieces = {
            "without dynamics": made_flat(pipeline, clip, code, grid),
            "with dynamics": pipeline(clip, genre=code, seed=1, grid=grid).sound,
            "corpus": render(compose(annotated, 41_000 + number), timebase.SAMPLE_RATE_HZ),
        }
        for name, sound in pieces.items():
            measured = scores(clip, grid, sound)
            print(f"| {genres.genre_name(code)} | {name} | {measured['loudness']:.2f} "
                  f"| {measured['onsets']:.2f} | {measured['quiet']:.1f} dB "
                  f"| {measured['break']:.1f} dB |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
