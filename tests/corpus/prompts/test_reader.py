"""Prompts: what is requested, what excluded, and what is not understood."""

import pytest

from kinetune.corpus.prompts.reader import MOST_CHARACTERS, Prompt, read_prompt
from kinetune.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "requested", "excluded"),
    [
        (
            "dark minimal house with a rubber bass and no piano",
            "mode:minor tone:dark density:sparse genre:house bass:rubber",
            "instrument:piano",
        ),
        # Plurals, hyphens, marks.
        ("Hi-Hats & congas/bongos", "instrument:hi-hat instrument:conga instrument:bongo", ""),
        # The longest phrase counts: an electric piano is no piano, a slap bass no bass.
        ("electric piano, slap bass", "instrument:electric-piano bass:slap", ""),
        # A negation lasts over a list, and ends with a clause or an article.
        (
            "no piano, organ or strings, but a guitar",
            "instrument:guitar",
            "instrument:piano instrument:organ instrument:strings",
        ),
        ("no piano and a flute", "instrument:flute", "instrument:piano"),
        ("no piano and flute", "", "instrument:piano instrument:flute"),
        ("no piano, flute", "instrument:flute", "instrument:piano"),
        ("without drums. fast", "tempo:fast", "instrument:drums"),
        ("not too busy", "", "density:busy"),
        ("not without a harp", "instrument:harp", ""),
        ("drumless", "", "instrument:drums"),
        # Contradictions: the later word, and the word that means one thing.
        ("fast, not fast", "", "tempo:fast"),
        ("slow then fast", "tempo:fast", ""),
        ("a piano, no piano", "", "instrument:piano"),
        ("minor but happy", "mode:minor tone:bright", ""),
        # Negations of other languages keep the names of instruments from being requested.
        ("ein Lied ohne Piano", "", "instrument:piano"),
        ("musique sans piano", "", "instrument:piano"),
    ],
)
def test_what_a_prompt_means(text, requested, excluded):
    prompt = read_prompt(text)
    assert sorted(prompt.requested) == sorted(requested.split())
    assert sorted(prompt.excluded) == sorted(excluded.split())


def test_words_without_a_meaning_are_listed_and_others_ignored():
    prompt = read_prompt("a purple fast track, please, with quokka sounds")
    assert prompt.requested == ("tempo:fast",)
    assert prompt.unknown == ("purple", "quokka")
    assert prompt.summary() == 'understood: fast; not understood: "purple", "quokka"'


@pytest.mark.parametrize(
    "text", ["xyzzy plugh", "ein dunkles trauriges Stück", "quelque chose de triste", "???", "42"]
)
def test_nonsense_and_other_languages_change_nothing_and_a_line_says_so(text):
    prompt = read_prompt(text)
    assert (prompt.requested, prompt.excluded) == ((), ())
    line = prompt.summary()
    assert line.startswith("nothing of the prompt")
    assert "\n" not in line


def test_the_summary_names_what_is_excluded():
    line = read_prompt("dark house without piano, not too busy").summary()
    assert line == "understood: minor, dark, house, no piano, not busy"


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00\x1b"])
def test_an_empty_prompt_is_an_error(text):
    with pytest.raises(ConfigError, match="the prompt is empty"):
        read_prompt(text)


def test_a_long_prompt_is_an_error_that_counts():
    with pytest.raises(ConfigError, match="10000 characters; expected 2000 or fewer"):
        read_prompt("a" * 10_000)
    assert read_prompt("piano " * (MOST_CHARACTERS // 6)).requested == ("instrument:piano",)


def test_control_characters_are_spaces():
    prompt = read_prompt("dark\x1b[31m\x00house\u202e")
    assert prompt.text == "dark [31m house"
    assert "genre:house" in prompt.requested


def test_a_matcher_is_given_unknown_words_only_and_their_negation_counts():
    given = []

    def matcher(phrases):
        given.extend(phrases)
        return [("instrument:guitar",) if phrase == "ukulele" else () for phrase in phrases]

    prompt = read_prompt("fast, no ukulele, blorb", matcher)
    assert given == ["ukulele", "blorb"]
    assert prompt.excluded == ("instrument:guitar",)
    assert (prompt.requested, prompt.unknown) == (("tempo:fast",), ("blorb",))


def test_a_damaged_prompt_of_a_recipe_is_an_error():
    with pytest.raises(ConfigError, match="unknown musical attribute 'mode:blue'"):
        Prompt("blue", ("mode:blue",))
