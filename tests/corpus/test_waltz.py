"""Bars of three from the style to the sound."""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kinetune import genres, timebase
from kinetune.corpus import pairs
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.folder import CorpusItem
from kinetune.corpus.pairs import make_pair
from kinetune.corpus.styles.style import read_style, style_of
from kinetune.errors import ConfigError
from tests.corpus.test_music import plan

BPM = 120.0


def waltz(seed, code="JB", duration_s=24.0):
    return compose(dataclasses.replace(plan(code, bpm=BPM, duration_s=duration_s), metre=3), seed)


def beat_of(score, note):
    """Which beat of its bar a note falls on, nearest, and how far from it in beats."""
    beats = (note.start_s - score.bars_s[note.bar]) * BPM / 60.0
    return round(beats) % 3, abs(beats - round(beats))


@pytest.mark.parametrize("code", ["JB", "JS"])
def test_bars_have_three_beats_and_the_kick_opens_them(code):
    hits, snares = np.zeros(3), np.zeros(3)
    for seed in range(8):
        score = waltz(seed, code)
        np.testing.assert_allclose(np.diff(score.bars_s), 1.5)
        for note in score.notes:
            beat, away = beat_of(score, note)
            if away < 0.15 and note.part in ("kick", "snare"):
                (hits if note.part == "kick" else snares)[beat] += note.velocity
    assert hits[0] > 2.0 * max(hits[1:])
    assert max(snares[1:]) > snares[0]


def test_chords_change_on_bars():
    changes = 0
    for seed in range(8):
        score = waltz(seed)
        roots = {}
        for note in score.notes:
            if note.part == "bass" and beat_of(score, note) == (0, pytest.approx(0.0, abs=0.1)):
                roots[note.bar] = note.pitch % 12
        in_order = [roots[bar] for bar in sorted(roots)]
        changes += sum(a != b for a, b in pairwise(in_order))
        held = {line.name for line in score.parts if line.name.startswith("line")}
        for note in score.notes:
            if note.part in held and note.duration_s > 1.3:
                assert beat_of(score, note)[0] == 0
                assert note.duration_s < 1.5
    assert changes > 20


def test_every_note_of_a_bar_lies_within_its_three_beats():
    score = waltz(3)
    for note in score.notes:
        since_s = note.start_s - score.bars_s[note.bar]
        assert -0.1 < since_s < 1.6


def test_the_first_beat_of_three_is_the_heaviest_in_the_sound():
    power = np.zeros(3)
    for seed in range(4):
        pair = make_pair(seed, genre="JB", bpm=BPM, metre=3, duration_s=12.0, rate_hz=8_000)
        assert (pair.metre, pair.grid.metre, pair.source) == (3, 3, "phrases")
        np.testing.assert_allclose(np.diff(pair.downbeats_s), 1.5)
        spectrum = np.fft.rfft(pair.sound.samples)
        spectrum[np.fft.rfftfreq(len(pair.sound.samples), 1 / 8_000) > 150.0] = 0.0
        low = np.fft.irfft(spectrum) ** 2
        for beat_s in pair.beats_s[:-1]:
            number = round((beat_s - pair.downbeats_s[0]) * BPM / 60.0) % 3
            first = timebase.samples_in(beat_s, 8_000)
            power[number] += low[first : first + 1_200].mean()
    assert power[0] > 1.3 * max(power[1:])


def test_a_style_says_how_often_its_songs_are_in_three():
    drawn = Counter(pairs._draw_metre(seed, "JB") for seed in range(400))
    share = style_of("JB").waltz.share
    assert drawn[3] / 400 == pytest.approx(share, abs=0.07)
    assert {pairs._draw_metre(seed, "HO") for seed in range(50)} == {4}
    assert {style_of(code).metres for code in genres.CODES} == {(4, 3)}


def test_a_genre_without_bars_of_three_says_so():
    alone = dataclasses.replace(style_of("HO"), waltz=None)
    assert alone.metres == (4,)
    with pytest.raises(ConfigError, match="no bars of 3"):
        alone.in_metre(3)


def test_a_rhythm_of_the_wrong_length_is_named(tmp_path):
    import kinetune.corpus.styles as styles

    text = styles.__path__[0] + "/ballet-jazz.toml"
    with open(text, encoding="utf-8") as file:
        broken = file.read().replace('"X-----------"', '"X---------------"')
    path = tmp_path / "mine.toml"
    path.write_text(broken)
    with pytest.raises(ConfigError, match=r"waltz, drums.kick: expected 12"):
        read_style(path)


def test_a_manifest_of_before_is_in_four():
    item = CorpusItem("a", "HO", 120.0, (0.5,), (0.5,), (0.1,), 4.0, 1)
    assert item.metre == 4
