import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Section,
    Silence,
    apply_silences,
    check_score,
    energy_at,
    fit_score,
    genre_weights,
    read_control_score,
    scale_times,
)
from kinetune.motion.beats.beat_grid import fixed_grid

GRID = fixed_grid(120.0, 0.0, 12.0)
TOML = """
[[sections]]
start_s = 4.1
end_s = 8.0
genre = "house"
energy = 1.5
[[accents]]
at_s = 5.3
[[silences]]
start_s = 10
end_s = 10.5
"""


def written(folder, text):
    path = folder / "score.toml"
    path.write_text(text)
    return path


def test_a_score_is_read_as_it_is_written(tmp_path):
    score = read_control_score(written(tmp_path, TOML))
    assert score.sections == (Section(4.1, 8.0, "house", 1.5),)
    assert score.accents == (Accent(5.3, 1.0),)
    assert score.silences == (Silence(10.0, 10.5),)
    assert score.exact is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[section]]\nstart_s = 1", "unknown key 'section'"),
        (
            "[[sections]]\nstart_s = 1\nend_s = 2\ngenere = 'x'",
            r"unknown key 'genere' in \[sections",
        ),
        ("[[sections]]\nstart_s = 1", r"missing key 'sections\[0\].end_s'"),
        ("[[sections]]\nstart_s = 2\nend_s = 1", "before it ends, found 2 to 1 s"),
        ("[[sections]]\nstart_s = 0\nend_s = 2\n[[sections]]\nstart_s = 1\nend_s = 3", "overlap"),
        ("[[silences]]\nstart_s = 2\nend_s = 3\n[[silences]]\nstart_s = 0\nend_s = 1", "in order"),
        ("[[accents]]\nat_s = 2\n[[accents]]\nat_s = 1", "in order of time"),
        ("[[accents]]\nat_s = -1", "at 0 s or later"),
        ("[[accents]]\nat_s = nan", "at_s: expected a finite number"),
        ("[[accents]]\nat_s = 1\nstrength = 9", "strength must be 0 to 2"),
        ("[[sections]]\nstart_s = 0\nend_s = 2\nenergy = 9", "energy must be"),
        ("[[sections]]\nstart_s = 0\nend_s = 2\ngenre = 'polka'", "unknown genre"),
        ("accents = 3", "expected a list"),
        ("nonsense", "not valid TOML"),
    ],
)
def test_a_score_that_makes_no_sense_is_one_line_with_its_file(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        read_control_score(written(tmp_path, text))
    assert "score.toml" in str(error.value)
    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize(
    "score",
    [
        ControlScore(accents=(Accent(12.0),)),
        ControlScore(silences=(Silence(13.0, 14.0),)),
        ControlScore(sections=(Section(30.0, 40.0),)),
    ],
)
def test_what_would_begin_after_the_end_is_reported(score):
    check_score(score)
    with pytest.raises(ConfigError, match=r"the music lasts 12.00 s"):
        check_score(score, 12.0)


def test_sections_and_silences_move_to_bars_and_accents_do_not():
    score = ControlScore(
        (Section(4.3, 8.4),), (Accent(5.3),), (Silence(9.8, 12.3), Silence(12.4, 12.6))
    )
    moved = fit_score(score, fixed_grid(120.0, 0.0, 20.0), 20.0)
    assert (moved.sections[0].start_s, moved.sections[0].end_s) == (4.0, 8.0)
    assert moved.accents == score.accents
    assert moved.silences == (Silence(10.0, 12.0), Silence(12.4, 12.6))
    exact = ControlScore(score.sections, exact=True)
    assert fit_score(exact, GRID, 20.0) == exact


@pytest.mark.parametrize(("start_s", "end_s"), [(2.7, 3.3), (1.9, 2.2), (0.1, 0.9)])
def test_a_silence_shorter_than_half_a_bar_stays_where_it_is(start_s, end_s):
    """Bars of 2 s: the middle of one is nearest to two lines, 2 s apart."""
    score = ControlScore(silences=(Silence(start_s, end_s),))
    assert fit_score(score, fixed_grid(120.0, 0.0, 20.0), 20.0) == score


def test_genre_weights_sum_to_one_and_follow_sections():
    score = ControlScore(
        (Section(0.0, 4.0, "house"), Section(4.0, 6.0, "krump"), Section(8.0, 9.0))
    )
    times = np.linspace(0.0, 10.0, 1001)
    shares = genre_weights(score, "BR", times)
    assert set(shares) == {"BR", "HO", "KR"}
    np.testing.assert_allclose(sum(shares.values()), 1.0)
    assert all((share >= 0).all() for share in shares.values())
    for time_s, code in ((0.0, "HO"), (3.8, "HO"), (4.2, "KR"), (6.3, "BR"), (8.5, "BR")):
        assert shares[code][round(time_s * 100)] == pytest.approx(1.0)


def test_energy_is_one_outside_its_sections():
    score = ControlScore((Section(2.0, 4.0, "", 2.0), Section(4.0, 6.0, "", 0.5)))
    times = np.array([1.0, 3.0, 4.0, 5.0, 7.0])
    np.testing.assert_allclose(energy_at(score, times), [1.0, 2.0, 1.0, 0.5, 1.0])


def test_a_loops_sections_give_way_across_its_end():
    score = ControlScore((Section(0.0, 2.0, "house", 2.0), Section(6.0, 9.0, "krump", 0.5)))
    times = np.arange(0.0, 8.0, 0.01)
    shares = genre_weights(score, "BR", times, loop_s=8.0)
    np.testing.assert_allclose(sum(shares.values()), 1.0)
    for wave in (*shares.values(), np.log(energy_at(score, times, loop_s=8.0))):
        steps = np.abs(np.diff(wave, append=wave[0]))
        assert steps.max() < 0.09
    assert shares["HO"][0] == pytest.approx(0.5)
    assert shares["KR"][-1] == pytest.approx(0.5, abs=0.05)
    inside = (times > 0.2) & (times < 7.8)
    for code, share in genre_weights(score, "BR", times).items():
        np.testing.assert_allclose(share[inside], shares[code][inside])


def test_a_section_over_the_whole_loop_has_no_edge():
    times = np.arange(0.0, 8.0, 0.01)
    for section in (Section(0.0, 8.0, "", 2.0), Section(0.0, 20.0, "", 2.0)):
        np.testing.assert_allclose(energy_at(ControlScore((section,)), times, loop_s=8.0), 2.0)


def test_a_silence_at_a_loops_beginning_fades_in_from_its_end():
    sound = Sound(np.ones(10_000, np.float32), 10_000)
    turned = Sound(np.ones(10_000, np.float32), 10_000)
    out = apply_silences(sound, (Silence(0.0, 0.3),), loop=True).samples
    middle = apply_silences(turned, (Silence(0.5, 0.8),), loop=True).samples
    np.testing.assert_array_equal(np.roll(out, 5_000), middle)
    assert np.abs(np.diff(out, append=out[0])).max() <= 0.021
    last = apply_silences(sound, (Silence(0.7, 1.0),), loop=True).samples
    np.testing.assert_array_equal(np.roll(last, -2_000), middle)


def test_a_score_moves_with_a_stretched_piece():
    score = ControlScore((Section(2.0, 4.0, "house"),), (Accent(3.0, 0.7),), (Silence(5.0, 6.0),))
    longer = scale_times(score, 1.5)
    assert longer.sections == (Section(3.0, 6.0, "house"),)
    assert longer.accents == (Accent(4.5, 0.7),)
    assert longer.silences == (Silence(7.5, 9.0),)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_silence_is_all_zeros_and_has_soft_ends(channels):
    shape = 10_000 if channels == 1 else (10_000, 2)
    sound = Sound(np.ones(shape, np.float32), 10_000)
    out = apply_silences(sound, (Silence(0.3, 0.6), Silence(0.9, 1.5))).samples
    out = out if channels == 1 else out[:, 0]
    assert (out[3000:5950] == 0).all()
    assert (out[9000:] == 0).all()
    assert (out[:2799] == 1).all()
    assert (out[6000:8799] == 1).all()
    assert np.abs(np.diff(out)).max() <= 0.021
    assert (sound.samples == 1).all()


def test_without_silences_the_sound_is_returned_unchanged():
    sound = Sound(np.ones(100, np.float32), 10_000)
    assert apply_silences(sound, ()) is sound
