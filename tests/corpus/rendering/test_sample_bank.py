"""The instrument bank: small, credited, in tune, in level, the same each time and in any thread."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kinetune.corpus.rendering import sample_bank
from kinetune.corpus.rendering.sampled import SAMPLED, pitched
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre
from kinetune.errors import ConfigError
from tests.corpus.rendering.scores import pitch_of

RATE_HZ = 22_050
# Bells and hits have no steady pitch; choirs and strings sing around theirs.
IN_TUNE = (
    "grand_piano", "rhodes", "vibraphone", "marimba", "drawbar_organ", "nylon_guitar",
    "acoustic_bass", "fingered_bass", "trumpet", "alto_sax", "silver_flute", "french_horn",
)  # fmt: skip


def middle_pitch(name):
    return float(np.median([zone.pitch for zone in sample_bank.zones(name)]))


def test_the_bank_is_small():
    assert sample_bank.BANK.stat().st_size < 8e6


def test_every_source_is_credited_and_free():
    for source in sample_bank.sources():
        assert source == "FluidR3 GM" or (source.startswith("Sonic Pi") and source.endswith("CC0"))


@pytest.mark.parametrize("name", sample_bank.names())
def test_every_instrument_has_sounds_in_level(name):
    for zone in sample_bank.zones(name):
        assert len(zone.wave) > 0.01 * sample_bank.rate_hz()
        assert 0.1 < np.abs(zone.wave).max() <= 1.1
        assert abs(zone.wave.mean()) < 0.02
        assert zone.loop is None or 0 < zone.loop[0] < zone.loop[1] <= len(zone.wave)


@pytest.mark.parametrize("name", IN_TUNE)
@pytest.mark.parametrize("shift", [-2, 0, 3])
def test_instruments_are_in_tune_between_their_recordings(name, shift):
    hz = 440.0 * 2.0 ** ((middle_pitch(name) + shift - 69.0) / 12.0)
    wave = SAMPLED[name](NoteSpec(hz, 0.8, 0.8, RATE_HZ, Timbre(seed=1)))
    assert abs(1200 * np.log2(pitch_of(wave, RATE_HZ, hz) / hz)) < 12


@pytest.mark.parametrize("name", ["string_section", "drawbar_organ", "choir_aah"])
def test_a_held_note_sounds_as_long_as_it_is_held(name):
    hz = 440.0 * 2.0 ** ((middle_pitch(name) - 69.0) / 12.0)
    wave = SAMPLED[name](NoteSpec(hz, 6.0, 0.8, RATE_HZ, Timbre(seed=1)))
    second = wave[: 6 * RATE_HZ].reshape(6, RATE_HZ)
    level = np.sqrt(np.mean(second**2, axis=1))
    assert len(wave) >= 6 * RATE_HZ
    assert level[1:].min() > 0.4 * level[1:].max()
    # Going round is no click: nowhere does a sample leap further than in the recording.
    assert (
        np.abs(np.diff(wave[RATE_HZ:-RATE_HZ])).max() < 2.0 * np.abs(np.diff(wave[:RATE_HZ])).max()
    )


def test_a_loop_goes_round_and_fades_into_what_precedes_it():
    wave = np.random.default_rng(0).normal(size=300).astype(np.float32)
    zone = sample_bank.Zone(wave, 60.0, 1.0, 0, (100, 260))
    length, blend = 160, 40
    expected = []
    for sample in range(700):
        if sample < 100:
            expected.append(wave[sample])
            continue
        number = (sample - 100) % length
        rise = max(0.0, (number - (length - blend)) / (blend - 1))
        # The last quarter fades into the quarter before the loop, which leads to its start.
        before = wave[100 - length + number] if rise else 0.0
        expected.append((1.0 - rise) * wave[100 + number] + rise * before)
    np.testing.assert_allclose(sample_bank._extend_loop(zone, 700), expected, atol=1e-6)
    np.testing.assert_array_equal(sample_bank._extend_loop(zone, 260), wave[:260])
    struck = sample_bank.Zone(wave, 60.0, 1.0, 0, None)
    np.testing.assert_array_equal(sample_bank._extend_loop(struck, 700), wave)


def test_a_struck_note_dies_by_itself():
    wave = pitched("marimba")(NoteSpec(262.0, 5.0, 0.8, RATE_HZ, Timbre(seed=1)))
    assert len(wave) < 3 * RATE_HZ


def tone(hz):
    times = np.arange(sample_bank.rate_hz()) / sample_bank.rate_hz()
    wave = (np.hanning(len(times)) * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    return sample_bank.Zone(wave, 60.0, 1.0, 0, None)


def test_a_sound_changes_pitch_as_requested():
    wave = sample_bank.resampled_zone(tone(1000.0), pitch=67.0, duration_s=2.0, rate=RATE_HZ)
    wanted = 1000.0 * 2.0 ** (7 / 12)
    assert abs(1200 * np.log2(pitch_of(wave, RATE_HZ, wanted) / wanted)) < 3


def test_nothing_folds_back_when_a_sound_goes_up():
    wave = sample_bank.resampled_zone(tone(7000.0), pitch=72.0, duration_s=0.5, rate=RATE_HZ)
    assert np.abs(wave).max() < 1e-3


def test_the_same_note_in_many_threads():
    def play(_):
        return SAMPLED["brass_section"](NoteSpec(330.0, 0.4, 0.7, RATE_HZ, Timbre(seed=4)))

    with ThreadPoolExecutor(8) as pool:
        waves = list(pool.map(play, range(16)))
    assert all(np.array_equal(waves[0], wave) for wave in waves[1:])


def test_color_chooses_among_recordings_of_a_drum():
    strikes = [NoteSpec(262.0, 0.2, 0.8, RATE_HZ, Timbre(color=c)) for c in (0.05, 0.5, 0.95)]
    waves = [SAMPLED["machine_kick"](spec) for spec in strikes]
    n = min(map(len, waves))
    assert abs(np.corrcoef(waves[0][:n], waves[1][:n])[0, 1]) < 0.95
    assert abs(np.corrcoef(waves[1][:n], waves[2][:n])[0, 1]) < 0.95


@pytest.mark.parametrize("name", ["bright", "decay", "color", "drive"])
def test_every_parameter_of_the_timbre_changes_the_sound(name):
    low, high = (
        SAMPLED["rhodes"](NoteSpec(262.0, 0.5, 0.7, RATE_HZ, Timbre(seed=9, **{name: value})))
        for value in (0.05, 0.95)
    )
    n = min(len(low), len(high))
    assert np.abs(low[:n] - high[:n]).max() > 0.01


def test_a_wrong_name_is_refused_with_the_right_ones():
    with pytest.raises(ConfigError, match="grand_piano"):
        sample_bank.zones("kazoo")


def test_bank_imports_only_numpy_scipy_soundfile():
    code = (
        "import sys; from kinetune.corpus.rendering import sample_bank as b; b.zones('claves');"
        "print(sorted({'torch', 'librosa', 'numba', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
