"""How late librosa's onset detector and beat tracker report an attack.

    python benchmarks/detector_latency.py

Click tracks at six tempi whose clicks fall anywhere in a hop: a decaying 1 kHz tone, bursts of
noise and a kick drum. Prints the mean and the standard deviation of detection time minus attack.
"""

from collections.abc import Callable

import numpy as np

from kinetune import timebase
from kinetune.audio.beats import music_beats, onset_times
from kinetune.audio.sound import Sound
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.metrics.latency import measure_latency

RATE_HZ = timebase.SAMPLE_RATE_HZ


def repeated(attack: np.ndarray, times_s: np.ndarray, duration_s: float) -> Sound:
    """Return one sound at each of the times."""
    samples = np.zeros(timebase.samples_in(duration_s, RATE_HZ) + len(attack), dtype=np.float32)
    for time_s in times_s:
        first = timebase.samples_in(time_s, RATE_HZ)
        samples[first : first + len(attack)] += attack
    return Sound(samples[: -len(attack)], RATE_HZ)


def main() -> None:
    """Measure and print."""
    time_s = np.arange(0.0, 0.3, 1.0 / RATE_HZ)
    noise = 0.3 * np.exp(-time_s / 0.03) * np.random.default_rng(0).standard_normal(len(time_s))
    phase = 50.0 * time_s + 6.0 * (1.0 - np.exp(-time_s / 0.03))
    kick = 0.6 * np.exp(-time_s / 0.12) * np.sin(2.0 * np.pi * phase)
    attacks: dict[str, Callable[[np.ndarray, float], Sound]] = {
        "click": click_track,
        "noise": lambda times_s, duration_s: repeated(noise, times_s, duration_s),
        "kick": lambda times_s, duration_s: repeated(kick, times_s, duration_s),
    }
    print("| attack | onsets | beats |\n|---|---|---|")
    for name, attack in attacks.items():
        cells = [
            f"{1e3 * late.mean_s:.1f} ms ({1e3 * late.deviation_s:.1f})"
            for late in (
                measure_latency(onset_times, click=attack),
                measure_latency(lambda sound: music_beats(sound).beats_s, click=attack),
            )
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
