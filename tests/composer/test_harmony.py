"""Keys and chords: parsed to the right notes, spelled as they were, clear about what is wrong."""

import pytest

from kinetune.composer import harmony
from kinetune.composer.harmony import Key, parse_chord, parse_chords, parse_key
from kinetune.corpus.composition.grammar import QUALITIES, Chord
from kinetune.errors import ConfigError


def pitch_classes(text):
    symbol = parse_chord(text)
    return symbol.root, {(symbol.root + tone) % 12 for tone in symbol.tones}


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("C", "C E G"),
        ("Am", "A C E"),
        ("F#m7b5", "F# A C E"),
        ("Bbmaj7", "A# D F A"),
        ("E7#9", "E G# D G"),
        ("Gsus4", "G C D"),
        ("Db:min7", "C# E G# B"),
        ("A:hdim7", "A C D# G"),
        ("C/E", "E G C"),
        ("D/C", "C D F# A"),
        ("C6/9", "C E G A D"),
        ("Caug", "C E G#"),
    ],
)
def test_a_chord_has_its_notes_over_its_lowest(text, notes):
    names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    wanted = [names.index(note) for note in notes.split()]
    root, found = pitch_classes(text)
    assert found == set(wanted)
    assert root == wanted[0]


@pytest.mark.parametrize("text", ["Am", "F#m7b5", "Bbmaj7", "C/E", "Eb6/9", "G7sus4", "Ddim7"])
def test_a_chord_is_written_back_as_it_was_read(text):
    symbol = parse_chord(text)
    key = Key(5, minor=False) if "b" in text[:2] else Key(0, minor=False)
    again = harmony.symbol_of(symbol.in_key(key), key)
    assert (again.name, again.root) == (text, symbol.root)


def test_chord_names_of_styles_round_trip():
    key = Key(0, minor=True)
    for quality, tones in QUALITIES.items():
        symbol = harmony.symbol_of(Chord(2, tones), key)
        again = parse_chord(symbol.name)
        assert {tone % 12 for tone in again.tones} == {tone % 12 for tone in tones}, quality
        assert again.root == 2


@pytest.mark.parametrize(
    ("text", "tonic", "minor", "name"),
    [
        ("A minor", 9, True, "A minor"),
        ("Am", 9, True, "A minor"),
        ("f# Major", 6, False, "F# major"),
        ("Bb", 10, False, "Bb major"),
        ("eb moll", 3, True, "D# minor"),
    ],
)
def test_keys(text, tonic, minor, name):
    key = parse_key(text)
    assert (key.tonic, key.minor) == (tonic, minor)
    assert key.name == name


@pytest.mark.parametrize(
    ("progression", "name"),
    [
        ("Am F C G", "A minor"),
        ("C G Am F", "C major"),
        ("Dm7 G7 Cmaj7 Cmaj7", "C major"),
        ("Ebm Abm Bb7 Ebm", "D# minor"),
        ("Bb F Gm Eb", "Bb major"),
    ],
)
def test_the_key_of_a_progression(progression, name):
    bars = parse_chords(progression)
    assert harmony.guess_key(symbol for bar in bars for symbol in bar).name == name


def test_bars_of_a_progression():
    def names(text):
        return [[symbol.name for symbol in bar] for bar in parse_chords(text)]

    assert names("Am F C G") == [["Am"], ["F"], ["C"], ["G"]]
    assert names("Am F,C G") == [["Am"], ["F", "C"], ["G"]]
    assert names("| Am | F C | G |") == [["Am"], ["F", "C"], ["G"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Am H G", "'H'"),
        ("Am Fmajj7", "Fmaj7"),
        ("C/X", "bass note"),
        ("", "empty"),
        ("| C D E F G |", "four chords"),
    ],
)
def test_a_progression_that_cannot_be_parsed_names_the_chord(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_chords(text)


@pytest.mark.parametrize("text", ["H minor", "A dorian", "", "minor"])
def test_a_key_that_cannot_be_parsed_is_named(text):
    with pytest.raises(ConfigError, match="expected a key"):
        parse_key(text)
