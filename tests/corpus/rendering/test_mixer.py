"""The mixer: every knob of the mix is heard, mastering is clean, the same score sounds the same."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from kinetune import genres
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.rendering.mastering import PEAK
from kinetune.corpus.rendering.mixer import render
from tests.corpus.test_music import plan

RATE_HZ = 22_050


def mixed(*, code="HO", rate_hz=RATE_HZ, channels=2, **changes):
    score = compose(plan(code, duration_s=4.0), 5)
    mix = dataclasses.replace(
        score.mix,
        reverb=0.2,
        vinyl_noise=0.0,
        ducking=0.0,
        echo=0.0,
        drum_saturation=0.0,
        stereo_width=0.0,
        saturation=0.2,
    )
    score = dataclasses.replace(score, mix=dataclasses.replace(mix, **changes))
    return render(score, rate_hz, channels=channels).samples.astype(np.float64)


@pytest.mark.parametrize(
    ("knob", "low", "high"),
    [
        ("reverb", 0.0, 0.5), ("ducking", 0.0, 0.8), ("echo", 0.0, 0.8), ("echo_s", 0.2, 0.4),
        ("drum_saturation", 0.0, 1.0), ("stereo_width", 0.0, 1.0),
        ("saturation", 0.0, 1.0), ("vinyl_noise", 0.0, 1.0),
        ("tilt_db", -6.0, 6.0), ("reverb_s", 0.3, 1.5),
    ],
)  # fmt: skip
def test_every_knob_of_the_mix_is_heard(knob, low, high):
    also = {"echo": 0.6} if knob == "echo_s" else {}
    one, two = (mixed(code="LH", **also, **{knob: value}) for value in (low, high))
    assert np.sqrt(np.mean((one - two) ** 2)) > 0.003 * np.sqrt(np.mean(one**2))


def test_width_spreads_to_the_sides():
    narrow, wide = (mixed(stereo_width=value) for value in (0.0, 1.0))

    def side(samples):
        return np.std(samples[:, 0] - samples[:, 1]) / np.std(samples.sum(axis=1))

    assert side(wide) > 1.2 * side(narrow)


def test_tilt_turns_the_spectrum():
    def bright(samples):
        power = np.abs(np.fft.rfft(samples[:, 0])) ** 2
        return power[len(power) // 4 :].sum() / power.sum()

    assert bright(mixed(tilt_db=6.0)) > 1.5 * bright(mixed(tilt_db=-6.0))


@pytest.mark.parametrize("code", genres.CODES)
def test_a_master_is_clean(code):
    samples = mixed(code=code, channels=1)
    crest_db = 20 * np.log10(np.abs(samples).max() / np.sqrt(np.mean(samples**2)))
    beat = int(0.6 * RATE_HZ)
    level = np.sqrt(np.mean(samples[: len(samples) // beat * beat].reshape(-1, beat) ** 2, axis=1))
    assert np.abs(samples).max() <= PEAK
    assert abs(samples.mean()) < 1e-3
    assert 8.0 < crest_db < 19.0
    assert level.min() > 0.003


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_other_rates_hold_the_same_music(rate_hz):
    one, two = mixed(channels=1), mixed(channels=1, rate_hz=rate_hz)
    loud = [np.sqrt([np.mean(x**2) for x in np.array_split(samples, 16)]) for samples in (one, two)]
    assert len(two) == 4 * rate_hz
    assert np.corrcoef(loud[0], loud[1])[0, 1] > 0.95


def test_another_process_renders_the_same_bytes():
    code = (
        "import hashlib; from kinetune.corpus.pairs import make_pair;"
        "pair = make_pair(11, genre='LO', bpm=110.0, duration_s=3.0);"
        "print(hashlib.sha256(pair.sound.samples.tobytes()).hexdigest())"
    )
    prints = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        .stdout.strip()
        for _ in range(2)
    }  # fmt: skip
    assert len(prints) == 1


def test_no_two_strokes_of_a_drum_are_alike():
    score = compose(plan("HO", bpm=120.0, duration_s=4.0), 5)
    hats = tuple(note for note in score.notes if note.part == "hat" and note.start_s > 0)[:2]
    strokes = []
    for count, start_s in enumerate((0.5, 1.5)):
        notes = tuple(
            dataclasses.replace(hats[0], start_s=s, velocity=0.8) for s in (0.5, 1.5)[: count + 1]
        )
        alone = dataclasses.replace(score, notes=notes)
        samples = render(alone, RATE_HZ, channels=1).samples
        start = int(start_s * RATE_HZ)
        strokes.append(samples[start : start + 2000] / np.abs(samples[start : start + 2000]).max())
    assert np.abs(strokes[0] - strokes[1]).max() > 0.02
