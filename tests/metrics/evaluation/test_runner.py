import shutil

import numpy as np
import pytest
import soundfile

from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.pairing import Folders, pair_folders
from kinetune.metrics.evaluation.runner import LENGTH, SILENT, UNUSABLE, analyse_clips, pad_or_crop
from tests.metrics.conftest import bursts, write_world


@pytest.fixture
def world(tmp_path):
    made = write_world(tmp_path)
    for folder in (made.reference, made.system, made.motions):
        for path in folder.iterdir():
            if path.stem not in ("dance0", "dance1"):
                path.unlink()
    return made


def analyses(world, **options):
    folders = Folders({"ours": world.system}, world.reference, world.motions, **options)
    return list(analyse_clips(pair_folders(folders).clips, seed=0, workers=1))


def kinds(one):
    return [(problem.label, problem.kind) for problem in one.problems]


def test_every_row_and_the_dance_are_analysed(world):
    one = analyses(world)[0]
    assert set(one.audio) == {"ours", "reference", "click", "noise", "silence"}
    assert all(heard[0].duration_s == one.duration_s == 5.0 for heard in one.audio.values())
    assert len(one.motion.speed) == 300
    np.testing.assert_array_equal(one.reference_beats_s, one.audio["reference"][0].beats_s)
    assert one.problems == ()


def test_workers_and_order_change_nothing(world):
    clips = pair_folders(Folders({"ours": world.system}, world.reference, world.motions)).clips
    one = list(analyse_clips(clips, seed=0, workers=2))
    other = list(analyse_clips(clips[::-1], seed=0, workers=1))[::-1]
    for a, b in zip(one, other, strict=True):
        for label, heard in a.audio.items():
            np.testing.assert_array_equal(heard[0].strength, b.audio[label][0].strength)


def test_runner_reports_unreadable_and_nan_sounds(world):
    (world.system / "dance0.wav").write_bytes(b"no sound at all")
    samples = np.full(110_250, 0.1, np.float32)
    samples[5] = np.nan
    soundfile.write(world.system / "dance1.wav", samples, 22_050, "FLOAT")
    first, second = analyses(world)
    assert kinds(first) == kinds(second) == [("ours", UNUSABLE)]
    assert "NaN" in second.problems[0].detail
    assert first.audio["ours"] == ()
    assert "reference" in first.audio


def test_a_motion_that_can_not_be_read_is_a_problem(world):
    (world.motions / "dance0.npz").write_bytes(b"PK\x03\x04 not really")
    one = analyses(world)[0]
    assert kinds(one) == [("motions", UNUSABLE)]
    assert one.motion is None
    # Without the body the clicks follow the reference's tempo.
    apart = one.audio["click"][0].tempo_bpm / one.audio["reference"][0].tempo_bpm
    assert apart == pytest.approx(1.0, abs=0.05)


def test_shorter_music_is_padded_with_silence_and_longer_is_cut(world):
    short = Sound(read_sound(world.system / "dance0.wav").samples[: 3 * 22_050], 22_050)
    write_sound(world.system / "dance0.wav", short)
    long = np.tile(read_sound(world.system / "dance1.wav").samples, 2)
    write_sound(world.system / "dance1.wav", Sound(long, 22_050))
    first, second = analyses(world)
    assert kinds(first) == kinds(second) == [("ours", LENGTH)]
    assert "3.00 s for 5.00 s: padded with silence" in first.problems[0].detail
    assert "10.00 s for 5.00 s: cut" in second.problems[0].detail
    assert first.audio["ours"][0].onsets_s.max() < 3.1
    assert first.audio["ours"][0].sanity.silent_share == pytest.approx(0.4, abs=0.02)
    assert second.audio["ours"][0].duration_s == 5.0


def test_another_rate_and_two_channels_are_no_problem(world):
    sound = bursts(np.arange(0.2, 5.0, 0.5), rate_hz=48_000)
    stereo = Sound(np.stack([sound.samples] * 2, axis=1), 48_000)
    write_sound(world.system / "dance0.wav", stereo)
    one = analyses(world)[0]
    assert one.problems == ()
    assert len(one.audio["ours"][0].strength) == len(one.audio["reference"][0].strength)


def test_a_silent_file_is_reported_and_kept(world):
    write_sound(world.system / "dance0.wav", baselines.silence(5.0))
    one = analyses(world)[0]
    assert kinds(one) == [("ours", SILENT)]
    assert not one.problems[0].loses_value
    assert len(one.audio["ours"]) == 1


def test_clicks_follow_the_listed_beats_before_the_body(world, tmp_path):
    (tmp_path / "beats").mkdir()
    beats = np.arange(0.3, 5.0, 0.75)
    (tmp_path / "beats" / "dance0.txt").write_text("\n".join(map(str, beats)) + "\n")
    one, other = analyses(world, beats=tmp_path / "beats")
    np.testing.assert_allclose(one.reference_beats_s, beats)
    onsets = one.audio["click"][0].onsets_s
    assert np.abs(onsets[:, None] - beats).min(axis=1).max() < 0.03
    np.testing.assert_array_equal(other.reference_beats_s, other.audio["reference"][0].beats_s)


def test_a_dance_without_any_usable_sound_is_not_scored(world):
    for folder in (world.system, world.reference):
        (folder / "dance0.wav").write_bytes(b"nothing")
    one = analyses(world)[0]
    assert one.duration_s == 0.0
    assert one.audio == {}
    assert kinds(one) == [("ours", UNUSABLE), ("reference", UNUSABLE)]


def test_progress_is_reported(world):
    told = []
    clips = pair_folders(Folders({"ours": world.system})).clips
    list(analyse_clips(clips, seed=0, workers=1, progress=lambda *both: told.append(both)))
    assert told == [(1, 2), (2, 2)]


def test_a_sound_is_padded_or_cut():
    sound = Sound(np.ones((100, 2), np.float32), 100)
    assert pad_or_crop(sound, 0.4).samples.shape == (40, 2)
    longer = pad_or_crop(sound, 1.5).samples
    assert longer.shape == (150, 2)
    assert not longer[100:].any()


def test_variations_are_analysed_one_by_one(world, tmp_path):
    for variation in ("0", "1", "2"):
        shutil.copytree(world.system, tmp_path / "variations" / variation)
    clips = pair_folders(Folders({"ours": tmp_path / "variations"})).clips
    one = next(iter(analyse_clips(clips, seed=0, workers=1)))
    assert len(one.audio["ours"]) == len(one.paths["ours"]) == 3
