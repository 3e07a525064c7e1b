import shutil

import numpy as np
import pytest
import soundfile

from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.pairing import Folders, gather
from kinetune.metrics.evaluation.runner import LENGTH, SILENT, UNUSABLE, fitted, listen_to_all
from tests.metrics.conftest import bursts, write_world


@pytest.fixture
def world(tmp_path):
    made = write_world(tmp_path)
    for folder in (made.reference, made.system, made.motions):
        for path in folder.iterdir():
            if path.stem not in ("dance0", "dance1"):
                path.unlink()
    return made


def listened(world, **options):
    folders = Folders({"ours": world.system}, world.reference, world.motions, **options)
    return list(listen_to_all(gather(folders).clips, seed=0, workers=1))


def kinds(one):
    return [(problem.label, problem.kind) for problem in one.problems]


def test_every_row_is_heard_and_the_dance_seen(world):
    one = listened(world)[0]
    assert set(one.heard) == {"ours", "reference", "click", "noise", "silence"}
    assert all(heard[0].duration_s == one.duration_s == 5.0 for heard in one.heard.values())
    assert len(one.seen.speed) == 300
    np.testing.assert_array_equal(one.true_beats_s, one.heard["reference"][0].beats_s)
    assert one.problems == ()


def test_workers_and_order_change_nothing(world):
    clips = gather(Folders({"ours": world.system}, world.reference, world.motions)).clips
    one = list(listen_to_all(clips, seed=0, workers=2))
    other = list(listen_to_all(clips[::-1], seed=0, workers=1))[::-1]
    for a, b in zip(one, other, strict=True):
        for label, heard in a.heard.items():
            np.testing.assert_array_equal(heard[0].strength, b.heard[label][0].strength)


def test_a_file_that_is_no_sound_or_holds_nan_is_a_problem_and_the_rest_goes_on(world):
    (world.system / "dance0.wav").write_bytes(b"no sound at all")
    samples = np.full(110_250, 0.1, np.float32)
    samples[5] = np.nan
    soundfile.write(world.system / "dance1.wav", samples, 22_050, "FLOAT")
    first, second = listened(world)
    assert kinds(first) == kinds(second) == [("ours", UNUSABLE)]
    assert "NaN" in second.problems[0].detail
    assert first.heard["ours"] == ()
    assert "reference" in first.heard


def test_a_motion_that_can_not_be_read_is_a_problem(world):
    (world.motions / "dance0.npz").write_bytes(b"PK\x03\x04 not really")
    one = listened(world)[0]
    assert kinds(one) == [("motions", UNUSABLE)]
    assert one.seen is None
    # Without the body the clicks follow the reference's tempo.
    apart = one.heard["click"][0].tempo_bpm / one.heard["reference"][0].tempo_bpm
    assert apart == pytest.approx(1.0, abs=0.05)


def test_shorter_music_is_judged_by_its_silence_and_longer_is_cut(world):
    short = Sound(read_sound(world.system / "dance0.wav").samples[: 3 * 22_050], 22_050)
    write_sound(world.system / "dance0.wav", short)
    long = np.tile(read_sound(world.system / "dance1.wav").samples, 2)
    write_sound(world.system / "dance1.wav", Sound(long, 22_050))
    first, second = listened(world)
    assert kinds(first) == kinds(second) == [("ours", LENGTH)]
    assert "3.00 s for 5.00 s: the rest judged as silence" in first.problems[0].detail
    assert "10.00 s for 5.00 s: cut" in second.problems[0].detail
    assert first.heard["ours"][0].onsets_s.max() < 3.1
    assert first.heard["ours"][0].sanity.silent_share == pytest.approx(0.4, abs=0.02)
    assert second.heard["ours"][0].duration_s == 5.0


def test_another_rate_and_two_channels_are_no_problem(world):
    sound = bursts(np.arange(0.2, 5.0, 0.5), rate_hz=48_000)
    stereo = Sound(np.stack([sound.samples] * 2, axis=1), 48_000)
    write_sound(world.system / "dance0.wav", stereo)
    one = listened(world)[0]
    assert one.problems == ()
    assert len(one.heard["ours"][0].strength) == len(one.heard["reference"][0].strength)


def test_a_silent_file_is_said_and_kept(world):
    write_sound(world.system / "dance0.wav", baselines.silence(5.0))
    one = listened(world)[0]
    assert kinds(one) == [("ours", SILENT)]
    assert not one.problems[0].loses_value
    assert len(one.heard["ours"]) == 1


def test_clicks_follow_the_listed_beats_before_the_body(world, tmp_path):
    (tmp_path / "beats").mkdir()
    beats = np.arange(0.3, 5.0, 0.75)
    (tmp_path / "beats" / "dance0.txt").write_text("\n".join(map(str, beats)) + "\n")
    one, other = listened(world, beats=tmp_path / "beats")
    np.testing.assert_allclose(one.true_beats_s, beats)
    onsets = one.heard["click"][0].onsets_s
    assert np.abs(onsets[:, None] - beats).min(axis=1).max() < 0.03
    np.testing.assert_array_equal(other.true_beats_s, other.heard["reference"][0].beats_s)


def test_a_dance_without_any_usable_sound_is_not_judged(world):
    for folder in (world.system, world.reference):
        (folder / "dance0.wav").write_bytes(b"nothing")
    one = listened(world)[0]
    assert one.duration_s == 0.0
    assert one.heard == {}
    assert kinds(one) == [("ours", UNUSABLE), ("reference", UNUSABLE)]


def test_progress_is_told(world):
    told = []
    clips = gather(Folders({"ours": world.system})).clips
    list(listen_to_all(clips, seed=0, workers=1, progress=lambda *both: told.append(both)))
    assert told == [(1, 2), (2, 2)]


def test_a_sound_is_fitted_in_both_ways():
    sound = Sound(np.ones((100, 2), np.float32), 100)
    assert fitted(sound, 0.4).samples.shape == (40, 2)
    longer = fitted(sound, 1.5).samples
    assert longer.shape == (150, 2)
    assert not longer[100:].any()


def test_takes_are_heard_one_by_one(world, tmp_path):
    for take in ("0", "1", "2"):
        shutil.copytree(world.system, tmp_path / "takes" / take)
    clips = gather(Folders({"ours": tmp_path / "takes"})).clips
    one = next(iter(listen_to_all(clips, seed=0, workers=1)))
    assert len(one.heard["ours"]) == len(one.paths["ours"]) == 3
