import pytest

from kinetune import genres
from kinetune.errors import ConfigError


@pytest.mark.parametrize("text", ["BR", "br", "break", "Break", "breakdance"])
def test_names_and_codes_in_any_case_are_understood(text):
    assert genres.genre_code(text) == "BR"


def test_every_name_leads_to_its_code_and_back():
    for code in genres.CODES:
        assert genres.genre_code(genres.genre_name(code)) == code


def test_the_order_is_that_of_the_papers_one_hot_vector():
    assert list(genres.CODES) == sorted(genres.CODES)
    assert [genres.genre_index(code) for code in genres.CODES] == list(range(10))


def test_an_unknown_genre_lists_the_known():
    with pytest.raises(ConfigError, match="'polka'.*house"):
        genres.genre_code("polka")


@pytest.mark.parametrize(
    ("text", "code"),
    [("hip-hop", "MH"), ("Hip Hop", "MH"), ("hiphop", "MH"), ("jazz", "JS"), ("ballet", "JB"),
     ("breaking", "BR"), ("LA style", "LH"), ("Whacking", "WA"), ("krumping", "KR")],
)  # fmt: skip
def test_everyday_names_are_known(text, code):
    assert genres.genre_code(text) == code


def test_a_slip_of_the_pen_is_guessed():
    with pytest.raises(ConfigError, match="did you mean waacking"):
        genres.genre_code("waackingg")
