"""The mixer: attacks on the beat, pan, sends, ducking and levels by formula, clean masters."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from kinetune import genres
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import Note
from kinetune.corpus.rendering import mixer, note_player
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.mastering import PEAK
from kinetune.corpus.rendering.mixer import render
from kinetune.corpus.rendering.note_player import NotePlayer, attack_s, onset_s
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre
from tests.corpus.rendering.scores import (
    NEUTRAL,
    RATE_HZ,
    part,
    pitch_of,
    power_between,
    rms,
    score,
)  # fmt: skip
from tests.corpus.test_music import plan


def mixed(*, code="HO", rate_hz=RATE_HZ, channels=2, **changes):
    made = compose(plan(code, duration_s=4.0), 5)
    mix = dataclasses.replace(NEUTRAL, reverb=0.2, saturation=0.2, tone_db=made.mix.tone_db)
    made = dataclasses.replace(made, mix=dataclasses.replace(mix, **changes))
    return render(made, rate_hz, channels=channels).samples.astype(np.float64)


def rise_ms(samples, beat_s, *, before_s=0.03, after_s=0.06):
    """When the energy over 1 ms reaches a tenth of its maximum around a beat, against the beat."""
    first = round((beat_s - before_s) * RATE_HZ)
    piece = samples[first : first + round((before_s + after_s) * RATE_HZ)]
    size = RATE_HZ // 1000
    energy = np.convolve(piece**2, np.ones(size) / size)[: len(piece)]
    return 1000.0 * (np.argmax(energy > 0.1 * energy.max()) / RATE_HZ - before_s)


@pytest.mark.parametrize("code", genres.CODES)
@pytest.mark.parametrize("seed", [1, 3])
def test_a_kicks_attack_is_on_its_beat(code, seed):
    """Measured by the waveform of the master, not by a beat tracker."""
    made = compose(plan(code, duration_s=3.0), seed)
    beats = (0.6, 1.5, 2.4)
    kicks = tuple(Note("kick", beat, 0.1, 60.0, 0.9) for beat in beats)
    quiet = dataclasses.replace(made.mix, vinyl_noise=0.0)
    samples = render(dataclasses.replace(made, notes=kicks, mix=quiet), RATE_HZ, channels=1).samples
    assert all(abs(rise_ms(samples.astype(np.float64), beat)) < 2.0 for beat in beats)


def test_pads_start_early_by_their_rise_time():
    slow = part(instrument="pad", timbre=Timbre(decay=0.4))
    quick = part(instrument="organ")
    for played, early_s in ((slow, 0.09), (quick, 0.0)):
        samples = render(score((played,), [(played.name, 1.0, 0.9, 60.0)]), RATE_HZ, channels=1)
        level = np.sqrt(np.convolve(samples.samples.astype(float) ** 2, np.ones(220) / 220, "same"))
        start_s = np.argmax(level > 0.03 * level.max()) / RATE_HZ
        assert start_s == pytest.approx(1.0 - early_s, abs=0.03 if early_s else 0.006)
    # Half of its level is there on the beat.
    wave = INSTRUMENTS["pad"](NoteSpec(261.6, 0.9, 0.875, RATE_HZ, slow.timbre))
    rise_s = attack_s(wave, RATE_HZ)
    assert 0.05 < rise_s < 0.2
    level = np.sqrt(np.convolve(wave**2, np.ones(110) / 110))
    head = level[: round(0.4 * RATE_HZ)]
    assert level[round(rise_s * RATE_HZ)] == pytest.approx(0.5 * head.max(), rel=0.05)


def test_attacks_are_found_in_ramps():
    ramp = np.minimum(np.arange(RATE_HZ) / (0.1 * RATE_HZ), 1.0) * np.ones(RATE_HZ)
    assert attack_s(ramp, RATE_HZ) == pytest.approx(0.05 + 0.0025, abs=0.001)
    late = np.concatenate([np.zeros(220), np.ones(4000)])
    assert onset_s(late, RATE_HZ) == pytest.approx(220 / RATE_HZ, abs=1e-3)


def test_a_riser_starts_on_time():
    riser = part("riser", "riser")
    note = Note("riser", 0.5, 1.0, 60.0, 0.9)
    wave = NotePlayer(riser, [note], RATE_HZ).next_block(2 * RATE_HZ)
    assert np.flatnonzero(wave)[0] == pytest.approx(RATE_HZ // 2, abs=20)
    assert rms(wave[int(1.3 * RATE_HZ) : int(1.5 * RATE_HZ)]) > 3 * rms(wave[:RATE_HZ])


@pytest.mark.parametrize("pan", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_pan_has_constant_power_and_its_side(pan):
    wave = np.ones(10)
    buses = mixer._route([(part(pan=pan), wave)], np.ones(10), 2)
    left, right = buses.music[0]
    angle = np.pi / 4 * (1.0 + pan)
    np.testing.assert_allclose([left, right], np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]))
    assert left**2 + right**2 == pytest.approx(2.0)
    assert np.sign(np.round(right - left, 9)) == np.sign(pan)


def test_a_part_to_the_left_sounds_on_the_left():
    played = part(pan=-0.6)
    samples = render(score((played,), [(played.name, 0.2, 1.0, 60.0)]), RATE_HZ).samples
    assert rms(samples[:, 0]) > 1.5 * rms(samples[:, 1])


def test_parts_go_to_their_bus_at_their_level_and_to_their_sends():
    played = part(bus="drums", level=0.5, reverb_send=0.25, echo_send=0.75)
    buses = mixer._route([(played, np.ones(4))], np.ones(4), 1)
    gain = np.sqrt(2) * np.cos(np.pi / 4)
    for bus, share in ((buses.drums, 0.5), (buses.reverb, 0.125), (buses.echo, 0.375)):
        np.testing.assert_allclose(bus, gain * share)
    assert not buses.music.any()
    assert not buses.low.any()


def test_the_kick_turns_ducked_parts_down_and_they_recover():
    kick = part("kick", "kick_909", bus="low")
    made = score((kick,), [("kick", 0.5, 0.1, 60.0)], mix=dataclasses.replace(NEUTRAL, ducking=0.6))
    gain = mixer._sidechain_gain(made, RATE_HZ, 0, RATE_HZ)
    start = RATE_HZ // 2
    np.testing.assert_allclose(gain[: start - 1], 1.0, atol=1e-12)
    assert gain[start] == pytest.approx(1.0 - 0.6 * 0.9)
    assert gain[start + round(0.08 * RATE_HZ)] == pytest.approx(1.0 - 0.6 * 0.9 / np.e, abs=1e-3)
    assert gain[-1] > 0.99
    assert gain.max() <= 1.0 + 1e-12
    ducked, free = (mixer._route([(part(ducked=yes), np.ones(RATE_HZ))], gain, 1).music[:, 0]
                    for yes in (True, False))  # fmt: skip
    np.testing.assert_allclose(ducked / free, gain)


def test_the_drum_bus_is_saturated_in_parallel():
    drums = 0.3 * np.random.default_rng(0).standard_normal((500, 1))
    empty = np.zeros((500, 1))
    buses = mixer._Buses(empty, drums, empty, empty, empty)
    for amount in (0.0, 0.5, 1.0):
        out = mixer._sum_buses(buses, dataclasses.replace(NEUTRAL, drum_saturation=amount), RATE_HZ)
        expected = (1 - amount / 2) * drums + amount / 2 * np.tanh(3.5 * drums) / np.tanh(3.5)
        np.testing.assert_allclose(out, expected, atol=1e-9)


def test_the_music_bus_leaves_the_bass_and_an_old_record_the_treble():
    noise = np.random.default_rng(0).standard_normal((4 * RATE_HZ, 1))
    empty = np.zeros_like(noise)
    buses = mixer._Buses(empty, empty, noise, empty, empty)
    clean, old = (
        mixer._sum_buses(buses, dataclasses.replace(NEUTRAL, vinyl_noise=value), RATE_HZ)[:, 0]
        for value in (0.0, 0.8)
    )
    raw = noise[:, 0]
    assert power_between(clean, 30, 60) < 0.05 * power_between(raw, 30, 60)
    assert power_between(clean, 500, 5000) == pytest.approx(power_between(raw, 500, 5000), rel=0.02)
    # The low-pass of a record with noise of 0.8 is at 12 kHz x (1 - 0.75 x 0.8).
    at_cutoff = power_between(old, 4700, 4900) / power_between(clean, 4700, 4900)
    assert at_cutoff == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("instrument", ["organ", "pluck"])
def test_a_firm_note_is_scaled_to_the_reference_level(instrument):
    notes = [Note("line0", 0.0, 0.25, pitch, 0.9) for pitch in (48.0, 60.0, 61.0)]
    played = part(instrument=instrument)
    firm = note_player._render_note(
        instrument, note_player._key_of(played.timbre, notes[1]), RATE_HZ
    )
    block = round(0.03 * RATE_HZ)
    whole = firm[: len(firm) // block * block].reshape(-1, block)
    loudest = np.sqrt(np.mean(whole**2, axis=1).max())
    assert note_player._level_gain(played, notes, RATE_HZ) * loudest == pytest.approx(0.5, rel=1e-6)


def test_a_note_sounds_at_its_midi_pitch():
    for pitch, hz in ((69.0, 440.0), (57.0, 220.0), (60.0, 261.626)):
        key = note_player._key_of(Timbre(), Note("line0", 0.0, 1.0, pitch, 0.9))
        wave = note_player._render_note("organ", key, RATE_HZ)
        assert pitch_of(wave, RATE_HZ, hz) == pytest.approx(hz, rel=1e-3)


def test_velocity_sets_loudness_by_its_curve():
    played = part("line0", "sub_bass", bus="low")
    levels = []
    for velocity in (0.8, 0.99):
        note = Note("line0", 0.3, 0.5, 45.0, velocity)
        levels.append(np.abs(NotePlayer(played, [note], RATE_HZ).next_block(RATE_HZ)).max())
    assert levels[1] / levels[0] == pytest.approx((0.99 / 0.8) ** 1.35, rel=1e-3)


def test_reverb_and_echo_of_the_mix_are_audible_after_the_note():
    played = part(reverb_send=0.5, echo_send=0.8, instrument="pluck")
    dry, wet, echoed = (
        render(score((played,), [(played.name, 0.2, 0.1, 72.0)],
                     mix=dataclasses.replace(NEUTRAL, **change)), RATE_HZ, channels=1).samples
        for change in ({}, {"reverb": 0.5, "reverb_s": 1.2}, {"echo": 0.8, "echo_s": 0.6})
    )  # fmt: skip
    tail = slice(round(0.75 * RATE_HZ), round(1.1 * RATE_HZ))
    assert rms(dry[tail]) < 0.01 * rms(dry)
    assert rms(wet[tail]) > 3 * rms(dry[tail])
    assert rms(echoed[tail]) > 3 * rms(dry[tail])


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


@pytest.mark.slow
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


def test_repeated_drum_hits_differ():
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
