"""How the composer's music compares with records: levels, width, bass, onsets, notes and beats.

    python benchmarks/composer_sound.py --out out/composer [--seconds 12] [--python PYTHON]

Composes for one choreographed dance of each genre and writes the sounds. With ``--python``, the
interpreter of an environment as benchmarks/outside_measures.py describes it, basic-pitch and
madmom measure them too. ``--measure`` measures files that are there already. Of each sound:

- spread: level of 50 ms, 95th less 10th percentile, dB;
- gaps: share of the time that is 20 dB under the 95th percentile, per cent;
- width: side against middle, dB;
- bass: power below 200 Hz against the whole, dB;
- onsets a second, by librosa; clear notes a second; F-measure of the beats.
"""

import argparse
import json
import subprocess
from pathlib import Path

import librosa
import numpy as np
from scipy import signal

from kinetune import genres
from kinetune.audio.sound import read_sound, write_sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.tasks.composing.engine import compose_music
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions

_FIRST_SEED = 5000
_BPM = {"HO": 120.0}
_MEASURES = ("spread", "gaps", "width", "bass", "onsets", "notes", "beats")


def main() -> None:
    """Print a row a genre and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--python", type=Path)
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    paths = {code: options.out / f"{code}.wav" for code in genres.CODES}
    if not options.measure:
        for seed, (code, path) in enumerate(paths.items()):
            compose(code, seed, options.seconds, path)
    rows = {code: measured(path) for code, path in paths.items()}
    if options.python:
        for row, more in zip(rows.values(), outside_scores(options.python, paths), strict=True):
            row += more
    print("genre " + " ".join(f"{name:>7}" for name in _MEASURES))
    for code, row in {**rows, "mean": np.mean(list(rows.values()), axis=0)}.items():
        print(f"{code:5} " + " ".join(f"{value:7.2f}" for value in row))


def bpm_of(code: str) -> float:
    """Return the tempo that a genre is danced at here."""
    return _BPM.get(code, 100.0)


def compose(code: str, seed: int, seconds: float, path: Path) -> None:
    """Write the music of a dance; its first beat is at 0."""
    request = DanceRequest(code, bpm_of(code), seconds, first_beat_s=0.0, fps=30.0)
    clip = choreograph(_FIRST_SEED + seed, request).clip
    options = MusicOptions(
        engine="composer", seed=seed, beats=BeatOptions(bpm_of(code), 0.0)
    )  # fmt: skip
    write_sound(path, compose_music(clip, options, genre=code).sound)


def measured(path: Path) -> list[float]:
    """Return spread, gaps, width, bass and onsets of a stereo sound."""
    sound = read_sound(path)
    left, right = sound.samples.T.astype(np.float64)
    middle, side = 0.5 * (left + right), 0.5 * (left - right)
    size = sound.rate_hz // 20
    frames = middle[: len(middle) // size * size].reshape(-1, size)
    level = 10.0 * np.log10(np.square(frames).mean(axis=1) + 1e-10)
    low, high = np.percentile(level, [10.0, 95.0])
    hz, power = signal.welch(middle, sound.rate_hz, nperseg=8192)
    onsets = librosa.onset.onset_detect(y=middle, sr=sound.rate_hz)
    return [
        float(high - low),
        100.0 * float((level < high - 20.0).mean()),
        10.0 * float(np.log10(np.square(side).mean() / np.square(middle).mean())),
        10.0 * float(np.log10(power[hz < 200.0].sum() / power.sum())),
        len(onsets) / sound.duration_s,
    ]


def outside_scores(python: Path, paths: dict[str, Path]) -> list[list[float]]:
    """Return clear notes a second and the F-measure of the beats of sounds."""
    request = []
    for code, path in paths.items():
        duration_s, beat_s = read_sound(path).duration_s, 60.0 / bpm_of(code)
        beats = np.arange(0.0, duration_s, beat_s).tolist()
        request.append([str(path.resolve()), str(path.resolve()), beats])
    script = Path(__file__).with_name("outside_measures.py")
    made = subprocess.run(
        [python, script], input=json.dumps(request), text=True, check=True, capture_output=True
    )
    return [[row["notes_per_s"], row["beat_f"]] for row in json.loads(made.stdout)]


if __name__ == "__main__":
    main()
