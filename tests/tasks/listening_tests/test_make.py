from collections import Counter

import numpy as np
import pytest

from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import ConfigError, OutputError
from kinetune.tasks.listening_tests import make_listening_test, stimuli
from kinetune.tasks.listening_tests.make import latin_square
from tests.tasks.listening_tests.conftest import ITEMS, config_of, key_of, music, request


@pytest.mark.parametrize(("dances", "conditions", "per_dance"), [(12, 6, 2), (5, 4, 1), (3, 7, 9)])
def test_all_lists_together_hear_everything_equally_often(dances, conditions, per_dance):
    lists = latin_square(dances, conditions, per_dance)
    assert len(lists) == conditions
    counts = Counter(cell for one in lists for cell in one)
    assert set(counts.values()) == {min(per_dance, conditions)}
    assert len(counts) == dances * conditions
    for one in lists:
        assert len(set(one)) == len(one)
        assert set(Counter(dance for dance, _ in one).values()) == {min(per_dance, conditions)}


def test_the_page_holds_every_clip_and_nothing_that_names_it(made):
    key, config = key_of(made), config_of(made)
    assert set(key["conditions"]["quality"]) == {
        "ours", "theirs", "reference", "anchor-3500", "anchor-7000",
    }  # fmt: skip
    assert set(key["conditions"]["correspondence"]) == {
        "ours", "theirs", "reference", "random-pair", "half-beat-off", "click",
    }  # fmt: skip
    files = {path.stem for path in (made / "page" / "media").iterdir()}
    assert files == set(key["stimuli"]) | set(key["headphones"])
    text = (made / "page" / "config.js").read_text()
    for word in ("ours", "theirs", "anchor", "attention", "gold", "reference"):
        assert f'"{word}"' not in text
    for one in config["lists"]:
        for section in ("quality", "correspondence"):
            conditions = [key["stimuli"][name]["condition"] for name in one[section]]
            assert conditions.count("attention") == 1
            assert len(conditions) == len(ITEMS) + (2 if section == "quality" else 1)
    sides = Counter(
        key["stimuli"][pair[0]]["condition"] for one in config["lists"] for pair in one["pairs"]
    )
    assert sides["ours"] == sides["theirs"]


def test_clips_have_one_length_rate_and_loudness(made):
    from kinetune.audio.loudness import integrated_lufs

    key = key_of(made)
    for name, what in key["stimuli"].items():
        sound = read_sound(made / "page" / "media" / f"{name}.flac")
        assert (sound.rate_hz, sound.duration_s) == (44_100, pytest.approx(1.0))
        if what["condition"] in ("ours", "theirs", "reference", "anchor-3500"):
            assert integrated_lufs(sound) == pytest.approx(-23.0, abs=0.6)


def test_anchors_hold_nothing_above_their_frequency():
    sound = stimuli.clip_of(music(3, 4.0), 3.0)
    for cutoff_hz in stimuli.ANCHORS_HZ:
        samples = stimuli.low_passed(sound, cutoff_hz).samples
        power = np.abs(np.fft.rfft(samples)) ** 2
        hz = np.fft.rfftfreq(len(samples), 1 / 44_100)
        whole = np.abs(np.fft.rfft(sound.samples)) ** 2
        above, below = hz > 1.3 * cutoff_hz, hz < 0.7 * cutoff_hz
        assert power[above].sum() < 1e-3 * whole[above].sum()
        ratio = power[below].sum() / whole[below].sum()
        assert 0.9 < ratio < 2.0


def test_the_headphone_tones_are_softer_and_inverted_where_they_say():
    samples = stimuli.headphone_trial(1, 2).samples
    step = round(1.2 * 44_100)
    tones = [samples[k * step : k * step + round(0.8 * 44_100)] for k in range(3)]
    levels = [float(np.sqrt(np.mean(tone[:, 0] ** 2))) for tone in tones]
    assert levels[1] / levels[0] == pytest.approx(10 ** (-6 / 20), rel=0.01)
    assert levels[2] == pytest.approx(levels[0], rel=0.01)
    np.testing.assert_allclose(tones[2][:, 0], -tones[2][:, 1])
    np.testing.assert_allclose(tones[0][:, 0], tones[0][:, 1])
    # Over loudspeakers, which add the channels, the inverted one vanishes.
    assert np.abs(tones[2].sum(axis=1)).max() < 1e-6


def test_the_clip_half_a_beat_off_is_late_by_half_a_beat():
    clicks = np.zeros(44_100 * 3, np.float32)
    clicks[[22_050, 66_150]] = 0.5
    late = stimuli.clip_of(Sound(clicks, 44_100), 3.0, start_s=-0.25).samples
    assert np.flatnonzero(np.abs(late) > 0.1 * np.abs(late).max()) / 44_100 == pytest.approx(
        [0.75, 1.75]
    )


def test_the_attention_clip_ends_in_three_beeps():
    made = stimuli.attention_clip(Sound(np.full(4 * 44_100, 0.01, np.float32), 44_100)).samples
    loud = np.abs(made) > 0.5
    starts = np.flatnonzero(np.diff(loud.astype(int)) == 1) / 44_100
    beeps = 1 + int(np.sum(np.diff(starts) > 0.1))
    assert beeps == 3
    assert starts[0] == pytest.approx(2.5, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systems": {}}, "needs a system"),
        ({"systems": {"gold": "x"}}, "can't be called 'gold'"),
        ({"clip_s": 0.5}, "--clip must be 1 to 30, found 0.5"),
        ({"dances": 1}, "--dances must be 2 to 200"),
    ],
)
def test_impossible_requests_are_one_line(folders, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        request(folders, tmp_path / "out", **changes)


def test_folders_without_common_dances_are_one_line(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"same name in all 4 folders, found 0"):
        make_listening_test(request(folders, tmp_path / "out", motions=tmp_path / "empty"))
    with pytest.raises(ConfigError, match="no such folder"):
        make_listening_test(request(folders, tmp_path / "out", reference=tmp_path / "none"))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_files_is_kept(folders, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        make_listening_test(request(folders, tmp_path / "out", motions=None, pairs=False))
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
