"""Sound of a piece: stems that sum to the mix and to the master, loops that go round, levels."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from kinetune import memmap
from kinetune.audio.loudness import integrated_lufs, true_peak_dbtp
from kinetune.composer import channel_strips
from kinetune.composer.output import mastering
from kinetune.composer.output.layers import STEMS, stem_groups
from kinetune.composer.output.mastering import _gain, master_mix, master_stem, unmastered
from kinetune.composer.rendering import render_mix
from kinetune.corpus.rendering import block_filters, note_player
from kinetune.corpus.rendering.block_filters import Convolver, Filter, Kernel, ramp
from kinetune.corpus.rendering.note_player import NotePlayer
from kinetune.model.conditioning.control_score import ControlScore, Silence
from kinetune.motion.beats.beat_grid import fixed_grid
from tests.composer.conftest import RATE_HZ, piece

SECONDS = 8.0
STATUS = Path("/proc/self/status")


def db(part, whole):
    """Level of one sound below another, decibels."""
    ratio = np.square(np.asarray(part, np.float64)).mean() / np.square(whole).mean()
    return 10.0 * np.log10(ratio + 1e-30)


@functools.cache
def played(channels=2, **how):
    made = piece(seconds=SECONDS, **how)
    mix, stems = render_mix(made, stem_groups(made), RATE_HZ, channels, keep_stems=True)
    return made, mix, stems


def test_stems_sum_to_the_mix_before_mastering():
    _, mix, stems = played()
    total = np.sum([stem.astype(np.float64) for stem in stems.values()], axis=0)
    assert mix.shape == (round(SECONDS * RATE_HZ), 2)
    assert db(total - mix, mix) < -120.0
    assert {"kick", "snare", "bass", "chords"} <= set(stems) <= set(STEMS)
    assert all(np.abs(stem).max() > 1e-3 for stem in stems.values())


def test_mastered_stems_sum_to_the_master():
    made, mix, stems = played()
    master = master_mix(made, mix, RATE_HZ)
    total = np.sum([master_stem(made, master, stem).samples for stem in stems.values()], axis=0)
    assert db(total - master.sound.samples, master.sound.samples) < -100.0


def test_a_stem_contains_its_own_parts_only():
    made, _, stems = played()
    alone = dataclasses.replace(
        made, voices=tuple(v for v in made.voices if v.role in ("kick", "bass"))
    )
    _, two = render_mix(alone, stem_groups(alone), RATE_HZ, 2, keep_stems=True)
    assert set(two) == {"kick", "bass"}
    np.testing.assert_array_equal(two["bass"], stems["bass"])


def test_stems_kept_or_not_the_mix_is_the_same():
    made, mix, _ = played()
    again, none = render_mix(made, stem_groups(made), RATE_HZ, 2)
    np.testing.assert_array_equal(again, mix)
    assert none == {}


def test_blocks_do_not_matter(monkeypatch):
    made, mix, _ = played()
    monkeypatch.setattr(Kernel, "block_size", lambda kernel: 8000)
    short, _ = render_mix(made, stem_groups(made), RATE_HZ, 2)
    assert db(short - mix, mix) < -100.0


def test_the_master_is_at_its_loudness_and_under_its_peak():
    made, mix, _ = played()
    for target in (-14.0, -20.0):
        sound = master_mix(made, mix, RATE_HZ, target_lufs=target).sound
        assert integrated_lufs(sound) == pytest.approx(target, abs=0.1)
        assert true_peak_dbtp(sound) <= -0.99


def test_a_mono_piece_has_one_channel_and_the_same_length():
    made, mix, _ = played(channels=1)
    sound = master_mix(made, mix, RATE_HZ).sound
    assert sound.samples.shape == (round(SECONDS * RATE_HZ),)


def test_a_loop_played_twice_is_what_a_piece_twice_as_long_plays():
    grid = fixed_grid(120.0, 0.0, SECONDS)
    loop = piece(seconds=SECONDS, loop=True, grid=grid)
    mix, _ = render_mix(loop, stem_groups(loop), RATE_HZ, 2)
    rounds = 3
    # The same notes three times over, as a piece that does not loop.
    long = dataclasses.replace(
        loop,
        loop=False,
        duration_s=rounds * SECONDS,
        beats_s=np.concatenate([loop.beats_s + k * SECONDS for k in range(rounds)]),
        energy=np.tile(loop.energy, rounds),
        voices=tuple(
            dataclasses.replace(v, notes=tuple(
                dataclasses.replace(n, start_s=n.start_s + k * SECONDS)
                for k in range(rounds) for n in v.notes if 0.0 <= n.start_s < SECONDS
            ))
            for v in loop.voices
            # Drums take turns among their sounds, which three rounds shift.
            if v.part.bus != "drums"
        ),
    )  # fmt: skip
    loop = dataclasses.replace(loop, voices=tuple(v for v in loop.voices if v.part.bus != "drums"))
    mix, _ = render_mix(loop, stem_groups(loop), RATE_HZ, 2)
    whole, _ = render_mix(long, stem_groups(long), RATE_HZ, 2)
    middle = whole[len(mix) : 2 * len(mix)]
    # Energy is smoothed round the loop, and from the long piece's ends: the middle is the same.
    assert db(middle - mix, mix) < -60.0


def test_a_loop_has_no_jump_where_it_wraps():
    made = piece(seconds=SECONDS, loop=True, grid=fixed_grid(120.0, 0.0, SECONDS))
    mix, _ = render_mix(made, stem_groups(made), RATE_HZ, 2)
    twice = np.tile(master_mix(made, mix, RATE_HZ).sound.samples, (2, 1))
    jumps = np.abs(np.diff(twice, axis=0)).max(axis=1)
    assert jumps[len(mix) - 1] < np.quantile(jumps, 0.999)


def test_a_silence_is_exactly_silent_in_mix_and_stems():
    score = ControlScore(silences=(Silence(3.0, 4.0),), exact=True)
    made = piece(seconds=SECONDS, score=score)
    mix, stems = render_mix(made, stem_groups(made), RATE_HZ, 2, keep_stems=True)
    master = master_mix(made, mix, RATE_HZ)
    inside = slice(3 * RATE_HZ, 4 * RATE_HZ - RATE_HZ // 100)
    assert not master.sound.samples[inside].any()
    assert not master_stem(made, master, stems["kick"]).samples[inside].any()
    assert not unmastered(made, mix, RATE_HZ, 1.0).samples[inside].any()
    assert np.abs(mix[inside]).max() > 0.0


def test_the_convolver_is_a_convolution_whatever_the_blocks():
    rng = np.random.default_rng(0)
    taps, wave = rng.normal(size=(2, 300)), rng.normal(size=1000).astype(np.float32)
    convolver = Convolver(Kernel(taps), 1)
    blocks = [convolver.next_block(part[None]) for part in np.split(wave, [100, 350, 990])]
    for channel in range(2):
        wanted = signal.convolve(wave, taps[channel])[:1000]
        np.testing.assert_allclose(np.hstack(blocks)[channel], wanted, atol=1e-4)


def test_blocks_longer_than_a_transform_are_convolved_whole():
    rng = np.random.default_rng(0)
    taps, wave = rng.normal(size=(1, 301)), rng.normal(size=(2, 100_000)).astype(np.float32)
    convolver = Convolver(Kernel(taps), 2)
    made = np.hstack([convolver.next_block(part) for part in np.split(wave, [70_000], axis=1)])
    for channel in range(2):
        wanted = signal.oaconvolve(wave[channel], taps[0])[:100_000]
        np.testing.assert_allclose(made[channel], wanted, atol=1e-3)


def test_a_filter_never_ends_in_denormal_numbers():
    """A state that decays to zero would: several times as slow as the rest."""
    wave = np.zeros(1 << 15, np.float32)
    wave[:100] = np.random.default_rng(0).normal(size=100)
    for kind, order in (("lowpass", 1), ("highpass", 2)):
        made = Filter(kind, order, 1000.0, 44_100).next_block(wave)
        least = np.finfo(np.float32).tiny
        assert not ((made != 0.0) & (np.abs(made) < least)).any()
        taps = signal.butter(order, 1000.0, kind, fs=44_100)
        assert db(made - signal.lfilter(*taps, wave), made) < -100.0


def test_the_mix_is_that_of_recursions_in_double_precision(monkeypatch):
    made, mix, stems = played()

    class Recursion:
        def __init__(self, kind, order, hz, rate_hz):
            self.taps, self.state = signal.butter(order, hz, kind, fs=rate_hz), np.zeros(order)

        def next_block(self, wave):
            out, self.state = signal.lfilter(*self.taps, wave.astype(float), zi=self.state)
            return out.astype(np.float32)

    monkeypatch.setattr(channel_strips, "Filter", Recursion)
    monkeypatch.setattr(block_filters, "Filter", Recursion)
    exact, exact_stems = render_mix(made, stem_groups(made), RATE_HZ, 2, keep_stems=True)
    assert -150.0 < db(mix - exact, exact) < -110.0
    for name, stem in stems.items():
        assert db(stem - exact_stems[name], exact_stems[name]) < -105.0


def test_equal_bass_notes_take_turns_in_brightness():
    made = piece(seconds=SECONDS)
    voice = next(voice for voice in made.voices if voice.role == "bass")
    note = dataclasses.replace(voice.notes[0], start_s=0.0, duration_s=0.2)
    notes = [dataclasses.replace(note, start_s=float(k)) for k in range(4)]
    player = NotePlayer(voice.part, notes, RATE_HZ, vary_bass=True)
    waves = player.next_block(4 * RATE_HZ).reshape(4, RATE_HZ)
    np.testing.assert_allclose(waves[3], waves[0])
    power = np.square(np.abs(np.fft.rfft(waves)))
    hz = np.fft.rfftfreq(RATE_HZ, 1.0 / RATE_HZ)
    centroid = (power * hz).sum(axis=1) / power.sum(axis=1)
    assert centroid[2] < centroid[0] < centroid[1]
    levels = np.sqrt(np.square(waves).mean(axis=1))
    assert levels.max() < 1.3 * levels.min()


def test_a_part_keeps_a_bounded_number_of_renderings_and_sounds_the_same(monkeypatch):
    made = piece(seconds=SECONDS)
    voice = next(voice for voice in made.voices if voice.role == "bass")
    whole = NotePlayer(voice.part, voice.notes, RATE_HZ).next_block(round(SECONDS * RATE_HZ))
    monkeypatch.setattr(note_player, "_CACHE_BYTES", 200_000)
    player = NotePlayer(voice.part, voice.notes, RATE_HZ)
    short = player.next_block(round(SECONDS * RATE_HZ))
    np.testing.assert_array_equal(short, whole)
    assert sum(each.samples.nbytes for each in player._cache.values()) <= 200_000


@pytest.mark.parametrize("offset", [0.0, 88.0, 88.5, -441.0])
def test_a_ramp_is_linear_interpolation_held_at_both_ends(offset):
    values = np.random.default_rng(0).normal(size=7)
    span = range(-300, 2000)
    wanted = np.interp(np.array(span), offset + 177 * np.arange(7), values)
    np.testing.assert_allclose(ramp(values, 177, span, offset), wanted, atol=1e-6)


def test_the_convolver_continues_over_whole_and_broken_partitions_and_silence():
    rng = np.random.default_rng(0)
    taps, wave = rng.normal(size=(2, 20_000)), rng.normal(size=120_000).astype(np.float32)
    wave[30_000:90_000] = 0.0
    convolver = Convolver(Kernel(taps), 1)
    cuts = np.cumsum([8192, 16_384, 5000, 8192, 8192, 16_384, 8192])
    made = np.hstack([convolver.next_block(part[None]) for part in np.split(wave, cuts)])
    for channel in range(2):
        wanted = signal.oaconvolve(wave, taps[channel])[: len(wave)]
        assert db(made[channel] - wanted, wanted) < -120.0


def test_the_gain_of_a_sample_near_zero_is_that_between_its_neighbours():
    toned = np.array([[0.5, 0.4, 1e-9, -0.2, -0.1]], np.float32).T
    final = toned * np.array([[2.0, 2.0, 9.0, 4.0, 4.0]], np.float32).T
    np.testing.assert_allclose(_gain(final, toned)[:, 0], [2.0, 2.0, 3.0, 4.0, 4.0])
    assert not _gain(np.zeros_like(toned), np.zeros_like(toned)).any()


def test_long_sounds_in_files_are_mixed_and_mastered_to_the_same_samples(monkeypatch):
    made, mix, stems = played()
    master = master_mix(made, mix, RATE_HZ)
    lead = master_stem(made, master, stems["lead"])
    whole = memmap.zeros_or_memmap
    for module in ("composer.rendering", "memmap"):
        monkeypatch.setattr(
            f"kinetune.{module}.zeros_or_memmap", lambda *what: whole(*what, small=0)
        )
    long_mix, long_stems = render_mix(made, stem_groups(made), RATE_HZ, 2, keep_stems=True)
    long = master_mix(made, long_mix, RATE_HZ)
    assert all(memmap._mapping_of(a) is not None for a in (long_mix, long.toned, long.gain))
    np.testing.assert_array_equal(long_mix, mix)
    np.testing.assert_array_equal(long.sound.samples, master.sound.samples)
    long_lead = master_stem(made, long, long_stems["lead"])
    np.testing.assert_array_equal(long_lead.samples, lead.samples)


@pytest.mark.skipif(not STATUS.is_file(), reason="reads Linux's own figures")
def test_reading_a_long_mix_for_its_tone_keeps_the_memory_of_a_chunk(monkeypatch):
    made, _, _ = played()
    long = memmap.zeros_or_memmap((2, 10_000_000), small=0).T
    long[5_000_000] = 1.0
    memmap.release_pages(long)
    before = resident_mb()
    peaks = []
    spectrum = mastering._spectrum
    monkeypatch.setattr(
        mastering, "_spectrum", lambda *how: peaks.append(resident_mb()) or spectrum(*how)
    )
    mastering._tone_taps(made.mix, long, RATE_HZ)
    assert len(peaks) == 1
    assert peaks[0] - before < 20.0


def resident_mb():
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssFile", "RssShmem")) / 1024
