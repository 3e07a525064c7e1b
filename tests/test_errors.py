import pickle

import pytest

from kinetune.errors import MAX_MESSAGE, KinetuneError, MotionError, printable


def test_what_a_terminal_would_obey_is_escaped():
    error = MotionError("dance.bvh: joint '\x1b[31mred\x07\x9b2J' \u202egnp.exe")
    assert str(error) == r"dance.bvh: joint '\x1b[31mred\x07\x9b2J' \u202egnp.exe"


def test_halves_of_characters_can_be_printed():
    assert printable("name \ud800x") == r"name \ud800x"
    printable("name \udcff").encode("utf-8")


def test_a_message_is_one_line_and_letters_of_any_script_stay():
    assert printable("左足\n Knöchel\tпоза\r") == "左足  Knöchel поза "


def test_a_long_message_keeps_its_beginning_and_its_end():
    text = "dance.bvh: " + "x" * 4_000_000 + " export it again"
    short = str(KinetuneError(text))
    assert len(short) <= MAX_MESSAGE
    assert short.startswith("dance.bvh: xxx")
    assert short.endswith("xxx export it again")
    assert " ... " in short


def test_an_error_survives_the_way_between_processes_unchanged():
    error = pickle.loads(pickle.dumps(MotionError("a\x1b b" + "y" * 5000)))
    assert isinstance(error, MotionError)
    assert str(error) == str(MotionError("a\x1b b" + "y" * 5000))


@pytest.mark.parametrize("length", [10, 100, MAX_MESSAGE, MAX_MESSAGE + 1])
def test_printable_text_within_the_limit_is_kept_as_it_is(length):
    text = "a" * length
    assert len(printable(text)) == min(length, MAX_MESSAGE)
    assert (printable(text) == text) == (length <= MAX_MESSAGE)
