"""How strongly the model's music marks the beats of a bar, in bars of three and of four.

    python benchmarks/bars_of_three.py [--dances 10] [--model default]

Music is made for choreographed dances of all genres with their true beats at 110 bpm, in either
metre. Prints a Markdown table: power below 150 Hz in the 150 ms from each beat of the bar on, and
onset strength around it (librosa's), each against the mean of the bar's beats.
"""

import argparse
from dataclasses import replace

import numpy as np
from user_pipeline import load_model

from kinetune import genres, timebase
from kinetune.audio.beats import onset_envelope
from kinetune.audio.sound import Sound, to_mono
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.motion.beats.beat_grid import fixed_grid

FIRST_SEED, BPM, FIRST_BEAT_S, SECONDS = 8_200_000, 110.0, 0.2, 12.0
BASS_HZ, BASS_S, AROUND_S = 150.0, 0.15, 0.07


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=10)
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    pipeline = load_model(options.model)
    print("| metre | measure | beat 1 | beat 2 | beat 3 | beat 4 |\n|---|---|---|---|---|---|")
    for metre in (3, 4):
        sounds = [music(pipeline, metre, number) for number in range(options.dances)]
        for name, measure in (("power below 150 Hz", bass_power), ("onset strength", onsets)):
            shares = np.mean([by_beat(measure(sound), metre) for sound in sounds], axis=0)
            cells = [f"{share:.2f}" for share in shares] + [""] * (4 - metre)
            print(f"| {metre} | {name} | {' | '.join(cells)} |", flush=True)


def music(pipeline: DanceToMusicPipeline, metre: int, number: int) -> Sound:
    """Music for a choreographed dance of that metre."""
    code = genres.CODES[number % len(genres.CODES)]
    request = DanceRequest(code, BPM, SECONDS, FIRST_BEAT_S, fps=30.0, metre=metre)
    dance = choreograph(FIRST_SEED + number, request)
    grid = replace(fixed_grid(BPM, FIRST_BEAT_S, SECONDS), metre=metre)
    return pipeline(dance.clip, genre=code, seed=number, grid=grid).sound


def beats() -> np.ndarray:
    """The beats that have music after them."""
    return timebase.beat_times(BPM, FIRST_BEAT_S, SECONDS - 0.4)


def bass_power(sound: Sound) -> list[float]:
    """Power below 150 Hz from each beat on."""
    samples = to_mono(sound).samples
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1.0 / sound.rate_hz) > BASS_HZ] = 0.0
    power = np.fft.irfft(spectrum) ** 2
    count = timebase.samples_in(BASS_S, sound.rate_hz)
    firsts = [timebase.samples_in(beat_s, sound.rate_hz) for beat_s in beats()]
    return [float(power[first : first + count].mean()) for first in firsts]


def onsets(sound: Sound) -> list[float]:
    """Onset strength around each beat."""
    strength = onset_envelope(sound)
    times_s = timebase.frame_times(len(strength), timebase.mel_rate_hz())
    return [float(strength[np.abs(times_s - beat_s) < AROUND_S].max()) for beat_s in beats()]


def by_beat(values: list[float], metre: int) -> np.ndarray:
    """Mean at each beat of the bar, against the mean of all, (metre,)."""
    means = np.array([np.mean(values[beat::metre]) for beat in range(metre)])
    return means / means.mean()


if __name__ == "__main__":
    main()
