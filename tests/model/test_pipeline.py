from dataclasses import replace

import numpy as np
import pytest

from kinetune import timebase
from kinetune.errors import ConfigError, MotionError
from kinetune.model.conditioning.control_score import Accent, ControlScore, Section, Silence
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.motion.beats.beat_grid import fixed_grid
from tests.conftest import swaying_clip


@pytest.fixture(scope="module")
def dance():
    return swaying_clip(duration_s=4.0)


@pytest.mark.parametrize("duration_s", [0.5, 2.0, 9.7])
def test_the_music_is_as_long_as_the_dance(mono_pipeline, duration_s):
    dance = swaying_clip(duration_s=duration_s)
    music = mono_pipeline(dance, genre="HO")
    assert abs(music.sound.duration_s - dance.duration_s) < 1 / timebase.mel_rate_hz()
    assert music.mel.shape == (32, timebase.mel_frames_in(len(music.sound.samples)))


def test_the_same_seed_gives_the_same_samples(mono_pipeline, dance):
    one, two = (mono_pipeline(dance, genre="HO", seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.sound.samples, two.sound.samples)


@pytest.mark.parametrize(
    "change",
    [
        {"genre": "BR"},
        {"seed": 4},
        {"num_inference_steps": 5},
        {"guidance_scale": 1.0},
        {"guidance_scale": 4.0},
        {"grid": fixed_grid(91.0, 0.0, 4.0)},
        {"grid": fixed_grid(91.0, 0.21, 4.0)},
        {"grid": replace(fixed_grid(91.0, 0.0, 4.0), bar_start_s=0.66)},
    ],
)
def test_every_option_changes_the_music(mono_pipeline, dance, change):
    base = {"genre": "HO", "seed": 3, "grid": fixed_grid(120.0, 0.0, 4.0)}
    one = mono_pipeline(dance, **base)
    two = mono_pipeline(dance, **(base | change))
    assert not np.allclose(one.mel, two.mel, atol=1e-4)


def test_the_dance_changes_the_music(mono_pipeline):
    one, two = (
        mono_pipeline(swaying_clip(seed=seed), genre="HO", grid=fixed_grid(120.0, 0.0, 4.0))
        for seed in (0, 1)
    )
    assert not np.allclose(one.mel, two.mel, atol=1e-4)


def test_the_requested_tempo_is_the_grids(mono_pipeline, dance):
    music = mono_pipeline(dance, genre="HO", grid=fixed_grid(90.0, 0.5, 4.0))
    assert music.grid.bpm == 90.0
    np.testing.assert_allclose(np.diff(music.grid.beats_s), 60.0 / 90.0)
    assert np.abs(music.grid.beats_s - 0.5).min() < 1e-6


def test_progress_is_reported_every_step(mono_pipeline, dance):
    told = []
    mono_pipeline(dance, genre="HO", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_papers_design_makes_music_of_any_length(paper_pipeline):
    music = paper_pipeline(swaying_clip(duration_s=7.0), genre="BR")
    assert music.sound.duration_s == pytest.approx(7.0)
    assert music.mel.shape[0] == 256


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"genre": "polka"}, ConfigError, "unknown genre"),
        ({"genre": "HO", "num_inference_steps": 0}, ConfigError, "steps must be"),
        ({"genre": "HO", "guidance_scale": float("nan")}, ConfigError, "guidance must be"),
    ],
)
def test_impossible_options_are_reported(mono_pipeline, dance, options, error, message):
    with pytest.raises(error, match=message):
        mono_pipeline(dance, **options)


def test_one_frame_is_too_short(mono_pipeline):
    with pytest.raises(MotionError, match=r"1 frames at 60 fps .* expected 0.5 s"):
        mono_pipeline(swaying_clip(duration_s=1 / 60), genre="HO")


def test_saving_and_loading_gives_the_same_music(mono_pipeline, dance, tmp_path):
    mono_pipeline.save_pretrained(tmp_path / "model")
    loaded = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    again = DanceToMusicPipeline.from_pretrained(str(tmp_path / "model"))
    one, two = (pipe(dance, genre="HO", seed=1) for pipe in (loaded, again))
    np.testing.assert_array_equal(one.sound.samples, two.sound.samples)
    # Weights rest as float16 on disk: close to, not exactly, what was saved.
    np.testing.assert_allclose(one.mel, mono_pipeline(dance, genre="HO", seed=1).mel, atol=0.05)
    files = [p for p in (tmp_path / "model").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors", ".py"}
    # The one Python file is the hint that diffusers' own loader needs; kinetune never runs it.
    assert [p.name for p in files if p.suffix == ".py"] == ["pipeline.py"]


def test_the_papers_design_is_saved_and_loaded(paper_pipeline, tmp_path):
    dance = swaying_clip(duration_s=3.0)
    paper_pipeline.save_pretrained(tmp_path / "paper")
    loaded = DanceToMusicPipeline.from_pretrained(tmp_path / "paper")
    one, two = (pipe(dance, genre="BR", seed=2) for pipe in (paper_pipeline, loaded))
    np.testing.assert_allclose(one.mel, two.mel, atol=0.05)


GRID = fixed_grid(120.0, 0.0, 4.0)


@pytest.mark.parametrize(
    ("score", "changed_s", "kept_s"),
    [
        (ControlScore(accents=(Accent(3.0),)), (2.85, 3.3), (0.0, 2.7)),
        (ControlScore(silences=(Silence(2.0, 2.9),), exact=True), (2.0, 2.8), (3.1, 4.0)),
    ],
)
def test_accents_and_silences_change_the_mel_where_they_are(
    mono_pipeline, dance, score, changed_s, kept_s
):
    base = {"genre": "HO", "grid": GRID}
    one, two = (mono_pipeline(dance, **base, score=wish).mel for wish in (None, score))
    apart = np.abs(one - two).max(axis=0)

    def frames(span_s):
        return slice(*(round(time_s * 22_050 / 512) for time_s in span_s))

    assert apart[frames(changed_s)].max() > 0.01
    assert apart[frames(kept_s)].max() == 0.0


def test_a_silence_is_silent(mono_pipeline, dance):
    score = ControlScore(silences=(Silence(2.0, 2.9),), exact=True)
    sound = mono_pipeline(dance, genre="HO", grid=GRID, score=score).sound
    assert (sound.samples[44_100 : int(2.89 * 22_050)] == 0.0).all()
    assert np.abs(sound.samples[int(2.95 * 22_050) :]).max() > 0.0


@pytest.mark.parametrize("change", [{"genre": "krump"}, {"energy": 2.0}, {"energy": 0.4}])
def test_a_section_has_its_own_genre_and_energy(mono_pipeline, dance, change):
    score = ControlScore((Section(2.0, 4.0, **change),))
    one, two = (
        mono_pipeline(dance, genre="HO", grid=GRID, score=wish).mel for wish in (None, score)
    )
    assert not np.allclose(one, two, atol=1e-4)


def test_a_section_over_everything_is_another_genre(mono_pipeline, dance):
    score = ControlScore((Section(0.0, 60.0, "krump"),), exact=True)
    one = mono_pipeline(dance, genre="HO", grid=GRID, score=score).mel
    two = mono_pipeline(dance, genre="KR", grid=GRID).mel
    # The shares are the genre's own everywhere, so it is the very same.
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_the_papers_design_takes_a_score_too(paper_pipeline):
    score = ControlScore((Section(2.0, 4.0, "krump", 2.0),), (Accent(1.0),), (Silence(4.0, 4.5),))
    sound = paper_pipeline(swaying_clip(duration_s=5.0), genre="BR", score=score).sound
    assert np.isfinite(sound.samples).all()


def test_a_score_that_does_not_fit_is_reported(mono_pipeline, dance):
    with pytest.raises(ConfigError, match="the music lasts 4.00 s"):
        mono_pipeline(dance, genre="HO", score=ControlScore(accents=(Accent(9.0),)))
    with pytest.raises(ConfigError, match="an accent at 3 s, but the loop lasts 2.40 s"):
        mono_pipeline(dance, genre="HO", grid=fixed_grid(100.0, 0.0, 4.0),
                         score=ControlScore(accents=(Accent(3.0),)), loop=True)  # fmt: skip
