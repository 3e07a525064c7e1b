"""What the parameters of an instrument do: brightness, length, velocity, tuning, saturation."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.corpus.rendering import sample_bank
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre
from tests.corpus.rendering.scores import RATE_HZ, pitch_of, power_between, rms

MIDDLE = Timbre(seed=3, color=0.3)


def played(name, timbre=MIDDLE, *, hz=220.0, gate_s=0.6, velocity=0.7):
    return INSTRUMENTS[name](NoteSpec(hz, gate_s, velocity, RATE_HZ, timbre))


def centroid_hz(wave):
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(wave), 1.0 / RATE_HZ)) / np.sum(power))


def half_life_s(wave):
    """Time until half of the energy has sounded."""
    energy = np.cumsum(wave**2)
    return float(np.searchsorted(energy, 0.5 * energy[-1]) / RATE_HZ)


@pytest.mark.parametrize(
    "name",
    ["kick_808", "snare_live", "hat", "shaker", "saw_bass", "finger_bass", "upright_bass",
     "electric_piano", "piano", "stab", "pad", "strings", "brass", "guitar", "pluck", "mallet",
     "lead", "flute", "grand_piano", "trumpet", "clean_guitar", "real_snare", "machine_hat"],
)  # fmt: skip
def test_bright_is_more_treble(name):
    dull, bright = (played(name, replace(MIDDLE, bright=value)) for value in (0.05, 0.95))
    assert centroid_hz(bright) > 1.02 * centroid_hz(dull)


@pytest.mark.parametrize(
    "name", ["slap_bass", "saw_bass", "electric_piano", "stab", "strings", "lead", "pluck",
             "grand_piano", "trumpet", "real_snare"],
)  # fmt: skip
def test_a_harder_note_is_brighter(name):
    soft, hard = (played(name, velocity=value) for value in (0.15, 0.95))
    assert centroid_hz(hard) > 1.02 * centroid_hz(soft)


@pytest.mark.parametrize(
    "name", ["kick_909", "snare_808", "clap", "hat", "hat_open", "ride", "crash", "tom", "conga",
             "shaker", "tambourine", "cowbell", "pluck", "guitar", "mallet", "clavinet",
             "grand_piano", "vibraphone", "real_kick", "real_crash"],
)  # fmt: skip
def test_decay_is_length(name):
    short, long = (played(name, replace(MIDDLE, decay=value), gate_s=2.0) for value in (0.05, 0.95))
    assert half_life_s(long) > 1.1 * half_life_s(short)


@pytest.mark.parametrize("name", ["kick_808", "snare_808", "clap", "rim", "cowbell"])
def test_tune_raises_the_pitch_of_drums(name):
    low, high = (played(name, replace(MIDDLE, tune=value)) for value in (0.0, 1.0))
    assert centroid_hz(high) > 1.02 * centroid_hz(low)


def test_a_recorded_drum_is_tuned_by_two_semitones_either_way():
    spectra = [
        np.abs(np.fft.rfft(played("real_cowbell", replace(MIDDLE, tune=value)), 1 << 17))
        for value in (0.0, 1.0)
    ]
    peaks = [np.argmax(spectrum) for spectrum in spectra]
    assert 12 * np.log2(peaks[1] / peaks[0]) == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("name", ["organ", "sub_bass"])
def test_drive_adds_harmonics(name):
    hz = 110.0
    clean, driven = (played(name, replace(MIDDLE, drive=value), hz=hz) for value in (0.0, 1.0))

    def above(wave):
        return power_between(wave, 2.5 * hz, 8000) / power_between(wave, 0, 2.5 * hz)

    assert above(driven) > above(clean)


@pytest.mark.parametrize(
    "name", ["sub_bass", "slap_bass", "saw_bass", "square_bass", "glide_bass", "finger_bass",
             "upright_bass", "fingered_bass", "thumb_bass"],
)  # fmt: skip
@pytest.mark.parametrize("hz", [41.2, 82.4])
def test_basses_are_in_tune(name, hz):
    wave = played(name, hz=hz, gate_s=2.0)
    settled = wave[RATE_HZ // 2 : 2 * RATE_HZ]
    assert abs(1200 * np.log2(pitch_of(settled, RATE_HZ, hz) / hz)) < 12


@pytest.mark.parametrize("name", ["organ", "pad", "lead", "string_section", "drawbar_organ"])
def test_a_held_note_ends_after_its_gate(name):
    wave = played(name, gate_s=1.0)
    before, after = (wave[round(t * RATE_HZ) : round((t + 0.02) * RATE_HZ)] for t in (0.9, 1.25))
    assert rms(after) < 0.5 * rms(before) if len(after) else True
    assert len(wave) <= round(1.6 * RATE_HZ)


def test_a_wah_opens_or_closes():
    opening, closing = (
        played("wah_guitar", replace(MIDDLE, tune=value), gate_s=0.5) for value in (0.2, 0.9)
    )
    early, late = slice(200, 1200), slice(4000, 6000)
    assert centroid_hz(opening[late]) > centroid_hz(opening[early])
    assert centroid_hz(closing[late]) < centroid_hz(closing[early])


def test_a_glide_comes_from_below_and_a_kick_from_above():
    glide = played("glide_bass", replace(MIDDLE, color=1.0, tune=1.0), hz=110.0)
    assert pitch_of(glide[:1500], RATE_HZ, 80.0) < pitch_of(glide[-6000:-2000], RATE_HZ, 110.0)
    kick = played("kick_909", replace(MIDDLE, decay=1.0, bright=0.0))
    crossings = np.flatnonzero(np.diff(np.sign(kick)) > 0)
    periods = np.diff(crossings)
    assert np.mean(periods[:3]) < 0.7 * np.mean(periods[-6:-3])


def test_zone_order_is_variant_pitch_velocity():
    zones = sample_bank.zones("real_kick")
    variants = sorted({zone.variant for zone in zones})
    for value, wanted in ((0.0, variants[0]), (0.999, variants[-1])):
        zone = sample_bank.nearest_zone("real_kick", pitch=60.0, velocity=0.5, variant=value)
        assert zone.variant == wanted
    pitches = sorted({zone.pitch for zone in sample_bank.zones("grand_piano")})
    for pitch in (pitches[0], pitches[-1]):
        zone = sample_bank.nearest_zone("grand_piano", pitch=pitch + 0.2, velocity=0.5)
        assert zone.pitch == pitch


def test_a_riser_grows_and_a_drop_falls():
    riser = played("riser", gate_s=2.0)
    assert rms(riser[-20_000:]) > 4 * rms(riser[:20_000])
    assert centroid_hz(riser[-10_000:]) > centroid_hz(riser[5000:15_000])
    drop = played("sub_drop", gate_s=1.0)
    crossings = np.flatnonzero(np.diff(np.sign(drop)) > 0)
    assert np.diff(crossings)[0] < 0.6 * np.diff(crossings)[-5]
