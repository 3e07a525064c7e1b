"""The harmony lane: channels, transposition, what the condition encoder makes of it."""

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.model.condition import DanceCondition, DanceInput
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.conditioning.harmony import (
    Chord,
    Harmony,
    harmony_channels,
    repeat_harmony,
    stretch_harmony,
)

# A minor, then F major over C from two seconds on, then no chord.
HARMONY = Harmony(9, (Chord(0.5, 9, (0, 4, 9)), Chord(2.0, 0, (0, 5, 9)), Chord(3.0, 0, ())))


def classes(row):
    return tuple(np.flatnonzero(row.numpy()))


def test_channels_are_tones_bass_and_tonic():
    made = harmony_channels(HARMONY, np.array([0.0, 1.0, 1.999, 2.0, 3.5])).unflatten(1, (3, 12))
    assert made.shape == (5, 3, 12)
    # The first chord holds before its start too.
    for row, (tones, bass) in zip(
        made,
        [((0, 4, 9), (9,))] * 3 + [((0, 5, 9), (0,)), ((), ())],
        strict=True,
    ):
        assert (classes(row[0]), classes(row[1]), classes(row[2])) == (tones, bass, (9,))


def test_a_transposed_harmony_has_turned_channels():
    up = Harmony(
        (9 + 5) % 12,
        tuple(
            Chord(c.start_s, (c.bass + 5) % 12, tuple((t + 5) % 12 for t in c.tones))
            for c in HARMONY.chords
        ),
    )
    times_s = np.linspace(0.0, 4.0, 50)
    own, turned = (harmony_channels(h, times_s).unflatten(1, (3, 12)) for h in (HARMONY, up))
    assert torch.equal(turned, own.roll(5, dims=2))


def test_a_stretched_harmony_has_its_chords_at_stretched_times():
    times_s = np.linspace(0.0, 4.0, 41)
    own, slow = (harmony_channels(h, t) for h, t in (
        (HARMONY, times_s), (stretch_harmony(HARMONY, 1.5), 1.5 * times_s)
    ))  # fmt: skip
    assert torch.equal(slow, own)


def test_a_repeated_harmony_wraps_at_the_period():
    made = repeat_harmony(HARMONY, period_s=2.5, until_s=6.0)
    # The chord at 3 s lies beyond the period, and before 0.5 s the loop's last chord sounds on.
    assert [(chord.start_s, chord.bass) for chord in made.chords] == [
        (0.0, 0), (0.5, 9), (2.0, 0), (2.5, 0), (3.0, 9), (4.5, 0), (5.0, 0), (5.5, 9), (7.0, 0)
    ]  # fmt: skip
    assert made.tonic == HARMONY.tonic
    inside = np.arange(0.05, 2.5, 0.1)
    first, second = (harmony_channels(made, inside + k * 2.5) for k in (0, 1))
    assert torch.equal(first, second)


def test_without_a_harmony_or_chords_what_is_unknown_is_zero():
    times_s = np.arange(4.0)
    assert harmony_channels(None, times_s).eq(0.0).all()
    alone = harmony_channels(Harmony(2, ()), times_s).unflatten(1, (3, 12))
    assert alone[:, :2].eq(0.0).all()
    assert torch.equal(alone[:, 2], torch.eye(12)[2].expand(4, 12))


@pytest.mark.parametrize(
    ("tonic", "chords", "message"),
    [
        (12, (), "found 12"),
        (0, (Chord(0.0, -1, ()),), "found -1"),
        (0, (Chord(0.0, 0, (0, 14)),), "found 14"),
        (0, (Chord(1.0, 0, ()), Chord(0.5, 0, ())), "in order of their starts"),
    ],
)
def test_impossible_harmonies_are_refused(tonic, chords, message):
    with pytest.raises(ConfigError, match=message):
        Harmony(tonic, chords)


@pytest.fixture
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = DanceCondition(channels=32, mel_frames=128, reads_harmony=True)
        made.no_harmony.data.normal_()
    return made.eval()


def dance(harmony):
    rows = torch.randn(120, 58, generator=torch.Generator().manual_seed(0))
    beats_s = timebase.beat_times(120.0, 0.25, 4.0)
    return DanceInput(rows, "HO", beats_s, 0.25, music=MusicConditions(harmony))


def columns(encoder, harmony, start_s=0.0):
    with torch.no_grad():
        return encoder(encoder.gather(dance(harmony), start_s))["columns"]


def test_a_chord_is_added_to_the_columns_it_sounds_in(encoder):
    """The same but for one chord from 2 s on: only columns from there on differ, by a product."""
    other = Harmony(9, (HARMONY.chords[0], Chord(2.0, 2, (2, 5, 9))))
    plain = Harmony(9, HARMONY.chords[:1])
    change = (columns(encoder, other) - columns(encoder, plain))[0]
    first = int(2.0 * 22_050 / 512 / 4)
    assert change[:, :first].eq(0.0).all()
    weight = encoder.harmony_in.weight.unflatten(1, (4, 3, 12)).sum(dim=1)  # (D, 3, 12)
    # A minor becomes D minor: tones 0 and 4 give way to 2 and 5, bass 9 to 2.
    expected = weight[:, 0, [2, 5]].sum(1) - weight[:, 0, [0, 4]].sum(1)
    expected = expected + weight[:, 1, 2] - weight[:, 1, 9]
    torch.testing.assert_close(
        change[:, first + 1 :], expected[:, None].expand(-1, 32 - first - 1), atol=1e-5, rtol=0.0
    )


def test_a_free_harmony_is_the_dropped_one(encoder):
    batch = encoder.gather(dance(HARMONY), 0.0)
    with torch.no_grad():
        none = encoder(batch.dropped())["columns"]
        free = encoder(encoder.gather(dance(None), 0.0).dropped())["columns"]
    torch.testing.assert_close(none, free)
    given, absent = columns(encoder, HARMONY), columns(encoder, None)
    lane = encoder.gather(dance(HARMONY), 0.0).harmony.reshape(1, 32, -1)
    expected = encoder.harmony_in(lane).transpose(1, 2) - encoder.no_harmony[None, :, None]
    torch.testing.assert_close(given - absent, expected, atol=1e-5, rtol=0.0)


def test_encoders_without_the_lane_are_as_before():
    plain = DanceCondition(channels=32, mel_frames=128)
    assert not any("harmony" in name for name in plain.state_dict())
    assert plain.gather(dance(HARMONY), 0.0).harmony.shape == (1, 1, 36)
    with torch.no_grad():
        with_it, without = (plain(plain.gather(dance(h), 0.0))["columns"] for h in (HARMONY, None))
    assert torch.equal(with_it, without)
