import numpy as np
import pytest

from kinetune.corpus.composition.music_score import Note
from kinetune.errors import ConfigError
from kinetune.live.connections.replay import Replay
from kinetune.live.following.follower import BeatFollower, FollowOptions
from kinetune.live.following.phase_lock import phase_lock
from kinetune.live.playing.bar_writer import BarWriter
from kinetune.live.playing.mastering import Calibration, LiveMaster
from kinetune.live.playing.mixing import LiveMix
from kinetune.live.playing.music import LiveMusic, MusicOptions
from kinetune.live.session import SimulatedClock, run_session
from tests.conftest import swaying_clip

RATE = 22_050


def bars(writer, count, energy=0.7):
    return [writer.next_bar([energy] * writer.metre) for _ in range(count)]


def test_the_same_seed_writes_the_same_bars_and_another_writes_others():
    first, same, other = (BarWriter("house", seed, bpm=120.0) for seed in (1, 1, 2))
    written = bars(first, 4)
    assert written == bars(same, 4)
    assert written != bars(other, 4)


def test_notes_of_a_bar_begin_in_it():
    for bar in bars(BarWriter("locking", 0, bpm=110.0), 6):
        beats = [note.beat for note in bar]
        assert beats == sorted(beats)
        assert min(beats) > -0.2
        assert max(beats) < 4.0


def test_more_energy_has_more_notes():
    calm = sum(map(len, bars(BarWriter("house", 3, bpm=120.0), 8, energy=0.1)))
    strong = sum(map(len, bars(BarWriter("house", 3, bpm=120.0), 8, energy=0.9)))
    assert strong > 1.3 * calm


def test_the_count_in_is_a_stroke_a_beat():
    assert [note.beat for note in BarWriter("house", 0, bpm=120.0).count_in()] == [0, 1, 2, 3]
    assert len(BarWriter("house", 0, bpm=120.0, metre=3).count_in()) == 3


def test_chords_that_cannot_be_played_live_are_refused():
    with pytest.raises(ConfigError, match="leave N out"):
        BarWriter("house", 0, bpm=120.0, chords="Am N")
    with pytest.raises(ConfigError, match="metre"):
        MusicOptions(metre=5)


def placed(writer, bar_notes, start_s, beat_s=0.5):
    from dataclasses import replace

    return [
        replace(each.note, start_s=start_s + beat_s * each.beat, duration_s=beat_s * each.beats)
        for each in bar_notes
    ]


@pytest.mark.slow
def test_bars_added_one_by_one_sound_as_if_all_notes_had_been_there():
    writer = BarWriter("house", 1, bpm=120.0)
    rows = [placed(writer, bar, 0.5 + 2.0 * k) for k, bar in enumerate(bars(writer, 3))]
    every = [note for row in rows for note in row]
    reference = {}
    for note in every:
        reference.setdefault(note.part, []).append(note)

    def mix():
        return LiveMix(writer.parts, writer.mix, RATE, reference=reference)

    whole, growing = mix(), mix()
    # A part begins with its first note in both: before it there is silence either way.
    whole.add(every)
    at_once = whole.next_block(7 * RATE)
    blocks = []
    for count, row in ((0, rows[0]), (2 * RATE, rows[1]), (2 * RATE, rows[2])):
        for start in range(0, count, 1000):
            blocks.append(growing.next_block(min(1000, count - start)))
        growing.add(row)
    while growing.position < 7 * RATE:
        blocks.append(growing.next_block(min(1470, 7 * RATE - growing.position)))
    joined = np.concatenate(blocks, axis=1)
    assert np.abs(at_once).max() > 0.1
    np.testing.assert_allclose(joined, at_once, atol=2e-4)


def test_the_master_stays_below_full_scale_and_delays_by_what_it_says():
    settings = Calibration(np.array([1.0]), 0.2, 2.0, 3.0)
    master = LiveMaster(settings, RATE, 1)
    click = np.zeros((1, master.delay * 10), np.float32)
    click[0, master.delay * 2] = 1.0
    out = master.next_block(click)
    assert int(np.abs(out).argmax()) == master.delay * 3
    loud = np.full((1, master.delay * 50), 50.0, np.float32)
    assert np.abs(master.next_block(loud)).max() <= 0.97


@pytest.mark.slow
def test_the_master_has_no_step_between_blocks():
    settings = Calibration(np.array([1.0]), 0.5, 1.5, 1.0)
    size = LiveMaster(settings, RATE, 1).delay * 20
    wave = np.sin(2 * np.pi * 110.0 * np.arange(8 * size) / RATE).astype(np.float32)[None]
    wave = wave * np.linspace(0.1, 1.0, wave.shape[1], dtype=np.float32)
    parts = LiveMaster(settings, RATE, 1)
    joined = np.concatenate([parts.next_block(p) for p in np.split(wave, 8, axis=1)], axis=1)
    np.testing.assert_allclose(joined, LiveMaster(settings, RATE, 1).next_block(wave), atol=1e-6)


class Recorder:
    def __init__(self):
        self.blocks, self.beats, self.closed = [], [], False

    def write(self, block):
        self.blocks.append(block)

    def beat(self, start_s, end_s):
        self.beats.append((start_s, end_s))

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def played():
    clip = swaying_clip(duration_s=18.0)
    options = MusicOptions(seed=1, bpm=120.0, rate_hz=RATE)
    music = LiveMusic(BeatFollower(Replay(clip), FollowOptions()), options)
    sink = Recorder()
    return run_session(music, Replay(clip), SimulatedClock(), [sink]), sink, music


@pytest.mark.slow
def test_music_on_a_simulated_clock_locks_to_the_body(played):
    report, sink, _ = played
    assert phase_lock(report.beats_s, np.arange(0.0, 22.0, 0.5), from_s=8.0) > 0.9
    assert report.underruns == 0
    assert sink.closed
    assert report.duration_s == pytest.approx(21.0, abs=0.7)


@pytest.mark.slow
def test_blocks_follow_each_other_without_a_gap_and_are_silent_before_the_music(played):
    report, sink, _ = played
    ends = [block.start_s + len(block.samples) / RATE for block in sink.blocks]
    assert [b.start_s for b in sink.blocks[1:]] == pytest.approx(ends[:-1])
    sound = np.concatenate([block.samples for block in sink.blocks])
    first = int((report.beats_s[0] - 0.3) * RATE)
    assert np.abs(sound[:first]).max() < 1e-3
    song = int(report.bars[0].start_s * RATE)
    assert np.sqrt((sound[song : song + 4 * RATE] ** 2).mean()) > 0.05
    assert np.abs(sound).max() <= 0.97


@pytest.mark.slow
def test_bars_are_written_before_they_begin_and_every_beat_is_sent(played):
    report, sink, _ = played
    assert all(bar.written_s < bar.start_s for bar in report.bars)
    starts = [bar.start_s for bar in report.bars]
    index = [int(np.argmin(np.abs(report.beats_s - s))) for s in starts]
    assert set(np.diff(index)) == {4}
    assert [a for a, _ in sink.beats] == report.beats_s[:-1].tolist()
    assert [b for _, b in sink.beats] == report.beats_s[1:].tolist()


@pytest.mark.slow
def test_an_interrupt_ends_the_session_and_closes_the_sinks():
    clip = swaying_clip(duration_s=18.0)

    class Interrupting(SimulatedClock):
        def wait_until(self, time_s):
            if time_s > 3.0:
                raise KeyboardInterrupt
            super().wait_until(time_s)

    options = MusicOptions(bpm=120.0, rate_hz=RATE)
    music = LiveMusic(BeatFollower(Replay(clip), FollowOptions()), options)
    sink = Recorder()
    report = run_session(music, Replay(clip), Interrupting(), [sink])
    assert report.interrupted
    assert sink.closed
    assert report.duration_s < 8.0


def test_late_blocks_are_underruns():
    from kinetune.live.playing.music import RenderedBlock
    from kinetune.live.session import _Loop

    class Music:
        options = MusicOptions(ahead_s=0.4)
        beats_s = ()

        def advance(self, now_s, until_s):
            for start_s in (0.2, 0.9, 1.1):
                yield RenderedBlock(start_s, np.zeros((10, 2)), 0.0)

    clock = SimulatedClock()
    clock.wait_until(1.0)
    loop = _Loop(Music(), [])
    loop.advance(1.0, clock)
    assert loop.underruns == 1


def test_the_reference_of_a_part_sets_its_level():
    writer = BarWriter("house", 1, bpm=120.0)
    note = Note("bass", 0.1, 0.3, 40.0, 0.9)
    same, other = (
        LiveMix(writer.parts, writer.mix, RATE, reference={"bass": [note, *extra]})
        for extra in ((), (Note("bass", 0.1, 0.3, 64.0, 0.9),) * 3)
    )
    for mix in (same, other):
        mix.add([note])
    assert np.abs(same.next_block(RATE)).max() != np.abs(other.next_block(RATE)).max()
