"""Dances with their own music: by name, by table, with offsets."""

import numpy as np
import pytest
import soundfile

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ConfigError
from kinetune.motion.features import rhythm_features
from kinetune.motion.io.amass import write_amass
from kinetune.training.songs.dance_pairs import (
    PairSetRequest,
    align,
    prepare_pairs,
    read_table,
)
from tests.conftest import swaying_clip
from tests.training.songs.conftest import RATE_HZ, song_samples


@pytest.fixture
def folders(tmp_path):
    motions, music = tmp_path / "motions", tmp_path / "music"
    motions.mkdir()
    music.mkdir()
    for name in ("jump", "gWA_slide"):
        write_amass(motions / f"{name}.npz", swaying_clip(duration_s=9.0))
        soundfile.write(music / f"{name}.wav", song_samples(), RATE_HZ)
    return motions, music


def test_dances_are_paired_by_name(folders, tmp_path, tiny_model):
    motions, music = folders
    write_amass(motions / "alone.npz", swaying_clip(duration_s=9.0))
    result = prepare_pairs(PairSetRequest(motions, music, tmp_path / "out", model=str(tiny_model)))
    items = {item.name: item for item in result.prepared.items}
    assert {name: item.genre for name, item in items.items()} == {"jump": "HO", "gWA_slide": "WA"}
    assert [each.reason for each in result.left_out] == [
        f"{motions / 'alone.npz'}: no music of that name in {music}"
    ]
    rows = result.prepared.feature_rows(items["jump"])
    np.testing.assert_allclose(rows, rhythm_features(swaying_clip(duration_s=9.0)), atol=1e-3)
    assert items["jump"].duration_s == pytest.approx(9.0)
    assert items["jump"].tonic == 0


def test_music_of_one_name_twice_is_left_out(folders, tmp_path, tiny_model):
    motions, music = folders
    soundfile.write(music / "jump.flac", song_samples(), RATE_HZ)
    result = prepare_pairs(PairSetRequest(motions, music, tmp_path / "out", model=str(tiny_model)))
    assert "several pieces of that name: jump.flac and jump.wav" in result.left_out[0].reason


def test_an_offset_cuts_what_only_one_of_both_has():
    clip, sound = swaying_clip(duration_s=9.0), Sound(song_samples(), RATE_HZ)
    danced, music = align(clip, sound, 2.0)
    np.testing.assert_array_equal(music.samples, sound.samples[2 * RATE_HZ : 11 * RATE_HZ])
    np.testing.assert_array_equal(danced.root_m, clip.root_m)
    danced, music = align(clip, sound, -2.0)
    np.testing.assert_array_equal(music.samples, sound.samples[: 7 * RATE_HZ])
    np.testing.assert_array_equal(danced.root_m, clip.root_m[120:])


@pytest.mark.parametrize("offset_s", [-10.0, 17.0])
def test_an_offset_beyond_the_ends_is_refused(offset_s):
    clip, sound = swaying_clip(duration_s=9.0), Sound(song_samples(), RATE_HZ)
    with pytest.raises(AudioError, match="leaves nothing in common"):
        align(clip, sound, offset_s)


def test_a_table_pairs_with_offsets_and_lists_wrong_lines(folders, tmp_path, tiny_model):
    motions, music = folders
    table = tmp_path / "pairs.csv"
    table.write_text(
        "motion,music,offset_s,genre\n"
        "jump.npz,gWA_slide.wav,1.5,forro\n"
        "jump.npz,jump.wav,99,\n"
        "jump.npz,jump.wav,soon,\n"
        "none.npz,jump.wav,0,\n"
        "gWA_slide.npz,jump.wav,-5,\n"
    )
    result = prepare_pairs(
        PairSetRequest(motions, music, tmp_path / "out", table, model=str(tiny_model))
    )
    (item,) = result.prepared.items
    assert (item.name, item.genre) == ("jump", "forro")
    # The first bar of the song begins at 0.25 s, so the dance's at 0.75 s.
    assert (item.bar_start_s - 0.75) % 2.0 == pytest.approx(0.0, abs=0.15)
    reasons = sorted(each.reason for each in result.left_out)
    assert len(reasons) == 4
    beyond = f"{motions / 'jump.npz'}: an offset of 99 s leaves nothing in common"
    assert any(reason.startswith(beyond) for reason in reasons)
    assert any("pairs.csv:4: offset_s: expected seconds, found 'soon'" in r for r in reasons)
    assert any("pairs.csv:5" in reason and "no such file" in reason for reason in reasons)
    assert any("4.0 s in common at an offset of -5 s" in reason for reason in reasons)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "motion,music,loudness\n", "motion\nx\n"])
def test_a_table_with_other_columns_is_refused(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match="expected the columns motion, music"):
        read_table(path, tmp_path, tmp_path, None, [])
