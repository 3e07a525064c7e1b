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


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(genres, "_DECLARED", set())
    genres.declare(["bachata", "cha-cha"])


def test_a_models_genres_are_known_by_their_names(declared):
    for text in ("bachata", "Bachata", " BACHATA "):
        assert genres.genre_code(text) == "bachata"
    assert genres.genre_code("Cha Cha") == "cha-cha"
    assert genres.genre_name("cha-cha") == "cha-cha"
    assert genres.is_new("bachata")
    assert not genres.is_new("HO")
    with pytest.raises(ConfigError, match=r"did you mean bachata\?.*choose one of .*cha-cha"):
        genres.genre_code("bachatta")


def test_a_new_genre_has_no_place_in_the_one_hot_vector(declared):
    with pytest.raises(ConfigError, match="known only to the model"):
        genres.genre_index("bachata")


def test_names_that_people_use_for_the_ten_are_no_new_genres():
    assert genres.known_or_new("Disco") == "WA"
    assert genres.known_or_new("Bossa Nova") == "bossa-nova"
    with pytest.raises(ConfigError, match="a name of its own"):
        genres.declare(["disco"])


@pytest.mark.parametrize("text", ["", "x", "a" * 41, "../etc", "tüt", "a/b", "9!"])
def test_names_that_cannot_be_genres_are_refused(text):
    with pytest.raises(ConfigError, match="the name of a new genre"):
        genres.known_or_new(text)
