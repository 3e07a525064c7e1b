import json

import numpy as np
import pytest

from kinetune import timebase
from kinetune.audio.sound import Sound, read_genre, read_sound, write_sound
from kinetune.cli.terminal.options import open_span, time_span
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import DanceProfile
from kinetune.corpus.rendering.mixer import render
from kinetune.errors import ConfigError
from kinetune.tasks.edit import EditRequest, edit
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_of_music
from kinetune.tasks.requests.music_options import MusicOptions
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.cli.test_generate import dance

RATE_HZ = 44_100


def tune(folder, seconds=1.5):
    """A user's own file: stereo, 44.1 kHz."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * 220.0 * time_s) * (time_s % 0.5 < 0.3)
    path = folder / "tune.wav"
    write_sound(path, Sound(np.stack([tone, 0.5 * tone], 1).astype(np.float32), RATE_HZ))
    return path


def test_redo_regenerates_a_span_and_prints_json(tmp_path, tiny_model):
    music, motion = tune(tmp_path), dance(tmp_path)
    done = kinetune(
        "edit", music, "--motion", motion, "--redo", "0.5:1.0", "--exact", "--genre", "house",
        "--seed", 3, "--model", tiny_model, "--json", "--plot", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["start_s"], told["end_s"], told["seed"]) == (0.5, 1.0, 3)
    assert (told["sample_rate"], told["genre"], told["strength"]) == (RATE_HZ, "HO", 1.0)
    before, after = read_sound(music), read_sound(tmp_path / "tune-edit.wav")
    assert after.samples.shape == before.samples.shape
    first, last = int(0.48 * RATE_HZ), RATE_HZ
    np.testing.assert_array_equal(after.samples[:first], before.samples[:first])
    np.testing.assert_array_equal(after.samples[last:], before.samples[last:])
    assert not np.allclose(after.samples[first:last], before.samples[first:last], atol=1e-3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "sway.bvh", "tune-edit.json", "tune-edit.png", "tune-edit.wav", "tune.wav",
    ]  # fmt: skip


def test_music_is_gone_on_from(tmp_path, tiny_model):
    target = tmp_path / "longer.flac"
    made = edit(
        EditRequest(
            tune(tmp_path, 1.0), dance(tmp_path), target, continue_s=0.8, exact=True,
            model=str(tiny_model),
        )
    )  # fmt: skip
    assert made.duration_s == pytest.approx(1.8, abs=0.01)
    assert read_sound(target).duration_s == pytest.approx(1.8, abs=0.01)


def test_a_rate_that_mp3_does_not_know_is_refused_before_the_change(tmp_path):
    write_sound(tmp_path / "a.wav", Sound(np.zeros(96_000, np.float32), 96_000))
    done = kinetune(
        "edit", tmp_path / "a.wav", "--motion", dance(tmp_path), "--redo", "0:0.5",
        "-o", tmp_path / "b.mp3", "--model", tmp_path / "there-is-none",
    )  # fmt: skip
    assert_one_clear_line(done)
    assert "MP3 knows 8000, 11025" in done.stderr


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_the_genre_tag_of_music_is_used(tmp_path, suffix):
    path = tmp_path / f"tune.{suffix}"
    sound = Sound(np.zeros(RATE_HZ, dtype=np.float32), RATE_HZ)
    write_sound(path, sound, genre="krump")
    assert read_genre(path) == "krump"
    assert genre_of_music(path, sound, "gBR_x.pkl") == GenreChoice("KR", "sound file")
    write_sound(path, sound, genre="Polka")
    assert genre_of_music(path, sound, "gBR_x.pkl") == GenreChoice("BR", "file name")
    write_sound(path, sound)
    assert read_genre(path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("code", ["KR", "HO", "JB"])
def test_untagged_music_is_classified(tmp_path, code):
    beats_s = timebase.beat_times(105.0, 0.0, 12.0)
    plan = DanceProfile(code, 105.0, 12.0, 0.0, np.full(len(beats_s), 0.6))
    sound = render(compose(plan, 12), 22_050)
    write_sound(tmp_path / "tune.wav", sound)
    assert genre_of_music(tmp_path / "tune.wav", sound, "hero.bvh") == GenreChoice(
        code, "classifier"
    )
    short = Sound(sound.samples[:5000], 22_050)
    assert genre_of_music(tmp_path / "tune.wav", short, "hero.bvh") == GenreChoice("HO", "default")


def test_a_change_keeps_the_genre_of_the_music(tmp_path, tiny_model):
    music, motion = tune(tmp_path), dance(tmp_path)
    write_sound(music, read_sound(music), genre="waacking")
    out = tmp_path / "out.wav"
    how = {"output": out, "model": str(tiny_model), "existing": "replace"}
    stretch = {"redo": (0.5, 1.0), "exact": True, **how}
    assert edit(EditRequest(music, motion, **stretch)).genre == "WA"
    assert read_genre(out) == "waacking"
    other = MusicOptions(genre="krump")
    edit(EditRequest(music, motion, options=other, **stretch))
    assert read_genre(out) == "waacking", "a stretch does not make a style"
    edit(EditRequest(music, motion, strength=0.5, options=other, **how))
    assert read_genre(out) == "krump"


@pytest.mark.slow
def test_the_beat_may_be_the_musics_own(tmp_path, tiny_model):
    music, motion = tune(tmp_path, 8.0), dance(tmp_path)
    how = {"output": tmp_path / "a.wav", "redo": (0.4, 1.6), "model": str(tiny_model)}
    how["existing"] = "replace"
    tempi = [
        edit(EditRequest(music, motion, beats_of=source, **how)).bpm
        for source in ("dance", "music")
    ]
    assert tempi[1] == pytest.approx(120.0, rel=0.03)
    assert tempi[0] != tempi[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to change"),
        (["--redo", "1"], "START:END"),
        (["--redo", "a:b"], "START:END"),
        (["--redo", "1.0:0.5"], "before it ends"),
        (["--redo", "0.5:9"], "the music lasts 1.50 s"),
        (["--continue", "20"], "the dance lasts 2.00 s"),
        (["--strength", "0"], "strength must be"),
        (["--strength", "0.5", "--genre", "polka"], "unknown genre"),
        (["--strength", "0.5", "--bpm", "5"], "30 to 300"),
        (["--strength", "0.5", "--seed", "-1"], "the seed must be 0 or more"),
        (["--strength", "0.5", "--steps", "0"], "steps must be"),
        (["--strength", "0.5", "--beat-of", "god"], "dance or music"),
        (["--strength", "0.5", "-o", "a.aiff"], "use one of"),
    ],
)
def test_an_impossible_wish_is_one_clear_line(tmp_path, tiny_model, options, said):
    music, motion = tune(tmp_path), dance(tmp_path)
    done = kinetune(
        "edit", music, "--motion", motion, "--model", tiny_model, *options, cwd=tmp_path
    )
    assert_one_clear_line(done)
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sway.bvh", "tune.wav"]


def test_music_that_is_none_is_one_clear_line(tmp_path, tiny_model):
    motion = dance(tmp_path)
    for music in (tmp_path / "no.wav", motion):
        done = kinetune(
            "edit", music, "--motion", motion, "--strength", 0.5, "--model", tiny_model,
            cwd=tmp_path,
        )  # fmt: skip
        assert_one_clear_line(done)


def test_a_time_span_is_two_numbers():
    assert time_span("12.0:16.5") == (12.0, 16.5)
    for text in ("", ":", "1:", ":1", "1:2:3", "nan:2", "1:end"):
        with pytest.raises(ConfigError, match="START:END"):
            time_span(text)


@pytest.mark.parametrize(
    ("redo", "done", "is_widened"),
    [
        ("0.5:1.0", "0.10 to 1.50", True),
        ("0.5:", "0.10 to 1.50", True),
        ("0.5:end", "0.10 to 1.50", True),
        (":0.05", "0.00 to 0.10", True),
        ("0.1:", "0.10 to 1.50", False),
        ("0.1:1.5", "0.10 to 1.50", False),
        ("0.103:1.495", "0.10 to 1.50", False),
    ],
)
def test_a_span_that_was_widened_is_reported_in_a_line(
    tmp_path, tiny_model, redo, done, is_widened
):
    """Bar lines at 0.1 and 1.7 s, music of 1.5 s."""
    made = kinetune(
        "edit", tune(tmp_path), "--motion", dance(tmp_path), "--redo", redo, "--bpm", 150,
        "--first-beat", 0.1, "--model", tiny_model, "--steps", 1, cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert f"tune-edit.wav: {done} s new" in made.stdout
    line = (
        f"  --redo {redo} was widened to {done} s, the bar lines; --exact takes times as they are"
    )
    assert (line in made.stdout.splitlines()) == is_widened
    assert ("widened" in made.stdout) == is_widened


def test_a_span_to_redo_may_be_open():
    assert open_span("12.0:16.5") == (12.0, 16.5)
    assert open_span(":5") == (0.0, 5.0)
    assert open_span("5:") == open_span("5:end") == (5.0, None)
    for text in ("", ":", "5", "a:", "1:2:3", "nan:2", "1:inf", "-inf:"):
        with pytest.raises(ConfigError, match="START:END"):
            open_span(text)
