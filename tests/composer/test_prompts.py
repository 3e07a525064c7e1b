"""Pieces as prompts request them: what is named changes, and nothing else."""

import pytest

from kinetune.composer.prompts.attributes import piece_attributes, played_piece
from kinetune.corpus.prompts.attributes import LIMITS, instrument_share, measure, treble_db
from kinetune.corpus.prompts.reader import read_prompt
from kinetune.corpus.prompts.vocabulary import attribute
from tests.composer.conftest import piece

SECONDS = 16.0


def made(text, genre="house", seed=1, **how):
    prompt = None if text is None else read_prompt(text)
    return piece(genre, seed=seed, seconds=SECONDS, prompt=prompt, **how)


def notes_by_part(music):
    return {voice.part.name: voice.notes for voice in music.voices}


@pytest.mark.parametrize("genre", ["house", "ballet-jazz", "krump", "middle-hip-hop"])
@pytest.mark.parametrize(
    "name",
    [
        "instrument:piano", "instrument:organ", "instrument:flute", "instrument:conga",
        "instrument:harp", "instrument:claps", "instrument:percussion", "instrument:melody",
        "bass:rubber", "bass:acoustic", "kit:acoustic", "kit:machine", "mode:major", "mode:minor",
        "tone:dark", "space:wet", "space:dry", "feel:swing", "feel:straight",
    ],
)  # fmt: skip
def test_what_is_requested_is_there(genre, name):
    text = next(word for word in attribute(name).words if read_prompt(word).requested == (name,))
    assert name in piece_attributes(made(text, genre))


@pytest.mark.parametrize("genre", ["house", "ballet-jazz", "locking"])
@pytest.mark.parametrize("word", ["piano", "drums", "bass", "percussion", "strings", "melody"])
def test_what_is_excluded_plays_no_note(genre, word):
    prompt = read_prompt(f"no {word}")
    (name,) = prompt.excluded
    music = played_piece(piece(genre, seed=1, seconds=SECONDS, prompt=prompt))
    assert instrument_share(music, attribute(name), effects=True) == 0.0
    assert music.parts


def test_density_moves_the_number_of_notes():
    def onsets(text):
        return measure(played_piece(made(text)), "density")

    plain, sparse, busy = onsets(None), onsets("sparse"), onsets("busy")
    assert sparse < 0.75 * plain
    assert busy > 1.15 * plain
    assert sparse < LIMITS["density"][0] < LIMITS["density"][1] < busy


def test_a_bass_changes_its_instrument_and_no_note():
    plain, slapped = made(None), made("slap bass")
    assert notes_by_part(slapped) == notes_by_part(plain)
    changed = {
        a.part.name: b.part.instrument
        for a, b in zip(plain.voices, slapped.voices, strict=True)
        if a.part.instrument != b.part.instrument
    }
    assert changed == {"bass": "thumb_bass"}


def test_muted_drums_leave_the_other_notes_as_they_are():
    plain, without = made(None), made("no drums")
    rest = notes_by_part(without)
    assert not {"kick", "snare", "hat", "crash"} & set(rest)
    assert {name: notes_by_part(plain)[name] for name in rest} == rest


def test_a_prompt_that_is_not_understood_changes_nothing():
    plain, same = made(None), made("xyzzy plugh")
    assert notes_by_part(same) == notes_by_part(plain)
    assert (same.mix, same.key, same.swing) == (plain.mix, plain.key, plain.swing)
    assert [v.part for v in same.voices] == [v.part for v in plain.voices]


def test_the_users_key_and_chords_win_over_a_mode():
    assert made("major", composer={"key": "A minor"}).key.name == "A minor"
    chords = made("minor", composer={"chords": "C F G C"})
    assert chords.key.name == "C major"
    assert [c.symbol.name for c in chords.chords[:3]] == ["C", "F", "G"]


def test_a_mode_keeps_the_tonic():
    plain, major = made(None), made("major")
    assert plain.key.minor
    assert (major.key.tonic, major.key.minor) == (plain.key.tonic, False)


def test_the_narrower_of_a_request_and_an_exclusion_counts():
    music = played_piece(made("brass, no trumpet", "waacking"))
    assert instrument_share(music, attribute("instrument:brass")) > 0.1
    assert instrument_share(music, attribute("instrument:trumpet"), effects=True) == 0.0


def test_words_move_the_mix_in_their_direction():
    plain = made(None).mix
    assert treble_db(made("muffled").mix) <= treble_db(plain) - 4.0
    assert treble_db(made("crisp").mix) >= treble_db(plain) + 4.0
    assert made("dry").mix.reverb <= 0.04
    assert made("cathedral").mix.reverb >= 0.4
