import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kinetune.audio.beat_map import read_beats
from kinetune.audio.export import ExportFormat
from kinetune.audio.loudness import integrated_lufs
from kinetune.audio.sound import read_sound
from kinetune.errors import AudioError, OutputError
from kinetune.model.conditioning.control_score import ControlScore, Silence
from kinetune.motion.io.formats import read_motion, write_motion
from kinetune.tasks.generate import GenerateRequest, generate, make_music
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_for_dance
from kinetune.tasks.requests.motion_files import MotionPath
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import sound_paths
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.conftest import EXAMPLE, swaying_clip


def dance(folder, name="sway.bvh", **how):
    path = folder / name
    write_motion(path, swaying_clip(duration_s=2.0, **how))
    return path


def made(*motions, **request):
    """What a request makes; it must not fail."""
    result = generate(GenerateRequest(tuple(motions), **request))
    assert result.failures == ()
    return result.pieces


def test_json_is_all_there_is_on_stdout(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model,
        "--genre", "house", "--bpm", 100, "--seed", 5, "--json", "--plot",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads(done.stdout)
    info = soundfile.info(tmp_path / "a.wav")
    assert piece["output"] == str(tmp_path / "a.wav")
    assert piece["genre"] == "HO"
    assert piece["seed"] == 5
    assert piece["bpm"] == 100.0
    assert piece["sample_rate"] == info.samplerate == 22_050
    assert piece["duration_s"] == pytest.approx(info.duration)
    assert piece["duration_s"] == pytest.approx(2.0, abs=512 / 22_050)
    np.testing.assert_allclose(np.diff(piece["beats_s"]), 0.6, atol=1e-3)
    assert set(piece["seconds"]) == {"load", "features", "denoise", "decode", "vocode", "total"}
    total = sum(v for k, v in piece["seconds"].items() if k not in ("load", "total"))
    assert piece["seconds"]["total"] == pytest.approx(total)
    assert piece["real_time_factor"] == pytest.approx(total / piece["duration_s"])
    assert piece["peak_memory_mb"] > 50
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.png", "a.wav", "sway.bvh"]


def test_a_batch_continues_after_a_failure(tmp_path, tiny_model):
    good, bad, other = dance(tmp_path), tmp_path / "no.bvh", dance(tmp_path, "b.bvh", seed=1)
    bad.write_text("HIERARCHY\nnonsense")
    done = kinetune(
        "generate", good, bad, other, "-o", tmp_path / "out", "--model", tiny_model, "--json"
    )
    assert done.returncode == 1
    assert [p["motion"] for p in json.loads(done.stdout)] == [str(good), str(other)]
    assert "1 of 3 failed" in done.stderr
    assert "no.bvh" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "b.json", "b.wav", "sway.json", "sway.wav",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genre", "polka"], "unknown genre 'polka'"),
        (["--bpm", "1000"], "bpm must be"),
        (["--steps", "0"], "steps must be"),
        (["--guidance", "-1"], "guidance must be"),
        (["--seed", "-1"], "the seed must be 0 or more"),
        (["--model", "nothing"], "no such model"),
        (["--device", "toaster"], "device 'toaster'"),
        (["-o", "a.aiff"], "use one of .wav"),
    ],
)
def test_an_impossible_option_is_one_line_and_code_2(tmp_path, tiny_model, arguments, message):
    if "--model" not in arguments:
        arguments = [*arguments, "--model", tiny_model]
    done = kinetune("generate", dance(tmp_path), *arguments, cwd=tmp_path)
    assert_one_clear_line(done)
    assert message in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["sway.bvh"]


def test_a_missing_motion_is_one_line_and_code_2(tmp_path, tiny_model):
    done = kinetune("generate", tmp_path / "none.bvh", "--model", tiny_model, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "none.bvh" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a file in the way works alike, but says otherwise")
def test_a_place_that_cannot_be_written_is_reported_before_any_work(tmp_path, tiny_model):
    (tmp_path / "file").write_text("")
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "file" / "a.wav", "--model", tiny_model
    )
    assert_one_clear_line(done)
    assert "can't be written" in done.stderr


def test_a_damaged_checkpoint_is_one_line_and_code_2(tmp_path, tiny_model):
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"short")
    done = kinetune("generate", dance(tmp_path), "--model", broken, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "damaged" in done.stderr


def test_shell_and_python_are_one(tmp_path, tiny_model):
    motion = dance(tmp_path)
    kinetune("generate", motion, "-o", tmp_path / "a.wav", "--model", tiny_model, "--seed", 9)
    made(motion, output=tmp_path / "b.wav", options=MusicOptions(seed=9), model=str(tiny_model))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_the_genre_is_requested_or_in_the_name_or_the_default():
    assert genre_for_dance(EXAMPLE.name) == GenreChoice("BR", "file name")
    assert genre_for_dance(EXAMPLE.name, "house") == GenreChoice("HO", "request")
    assert genre_for_dance("gang_dance.bvh") == GenreChoice("HO", "default")


def test_equal_names_get_numbers_and_files_are_not_shared(tmp_path):
    motions = [MotionPath(Path(name)) for name in ("a/x.bvh", "b/x.bvh", "c/y.npz")]
    found = sound_paths(motions, tmp_path)
    assert [p.name for p in found] == ["x.wav", "x-2.wav", "y.wav"]
    with pytest.raises(OutputError, match="name a folder"):
        sound_paths(motions[1:], tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"\.aiff"):
        sound_paths(motions[:1], tmp_path / "a.aiff")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_the_sound_is_exported_as_requested(tmp_path, tiny_model, suffix):
    target = tmp_path / f"a{suffix}"
    export = ExportFormat(44_100, 2, -23.0)
    made(dance(tmp_path), output=target, export=export, model=str(tiny_model))
    sound = read_sound(target)
    assert (sound.rate_hz, sound.samples.shape[1]) == (44_100, 2)
    assert sound.duration_s == pytest.approx(2.0, abs=0.06)
    assert integrated_lufs(sound) == pytest.approx(-23.0, abs=0.5)


def test_beat_map_round_trips_through_beats_option(tmp_path, tiny_model):
    clip = dance(tmp_path)
    maps = ("json", "csv", "labels", "midi")
    (piece,) = made(clip, output=tmp_path / "a.wav", beat_maps=maps, model=str(tiny_model))
    for name in ("a.beats.json", "a.beats.csv", "a.beats.txt"):
        np.testing.assert_allclose(read_beats(tmp_path / name), piece.beats_s, atol=1e-4)
    assert (tmp_path / "a.mid").is_file()
    done = kinetune(
        "generate", clip, "-o", tmp_path / "b.wav", "--beats", tmp_path / "a.beats.csv",
        "--model", tiny_model, "--json",
    )  # fmt: skip
    (again,) = json.loads(done.stdout)
    np.testing.assert_allclose(again["beats_s"], piece.beats_s, atol=1e-4)


def test_half_and_double_are_of_the_dances_own_tempo(tmp_path):
    clip = read_motion(EXAMPLE)
    plain, half, double = (
        BeatOptions(bpm).grid_for(clip).bpm for bpm in ("auto", "half", "double")
    )
    assert half == pytest.approx(plain / 2)
    assert double == pytest.approx(plain * 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bpm", "quick"], "a number, auto, half, double"),
        (["--bpm", 5], "30 to 300"),
        (["--beat-map", "xml"], "json, csv, labels, midi"),
        (["--rate", 5], "sample rate"),
        (["--loudness", 3], "loudness"),
        (["--beats", "none.txt"], "no such file of beats"),
        (["--beats", "none.txt", "--bpm", 100], "leave --bpm"),
        (["-o", "a.aiff"], "use one of"),
    ],
)
def test_an_impossible_wish_is_one_clear_line(tmp_path, tiny_model, options, said):
    done = kinetune("generate", dance(tmp_path), "--model", tiny_model, *options, cwd=tmp_path)
    assert_one_clear_line(done)
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sway.bvh"]


def test_a_loop_is_marked_in_the_sound_and_in_the_beats(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model, "--loop",
        "--beat-map", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"smpl" in (tmp_path / "a.wav").read_bytes()
    beats = json.loads((tmp_path / "a.beats.json").read_text())
    assert beats["loops"] is True
    assert beats["duration_s"] == pytest.approx(2.0, abs=1e-3)
    assert "(fitted to whole bars of the dance)" in done.stdout
    assert "loop of 2.00 s; the dance lasts 2.00 s" in done.stdout


def test_a_loop_keeps_the_whole_dance_unless_its_tempo_is_given(tmp_path, tiny_model):
    """A first beat alone moves the bars, not the length; a tempo ends with its last whole bar."""
    motion = dance(tmp_path)
    options = MusicOptions(steps=1, loop=True, beats=BeatOptions(first_beat_s=0.1))
    pipeline = LazyPipeline(str(tiny_model), "cpu")
    clip = read_motion(motion)
    bent = make_music(clip, options, genre="HO", pipeline=pipeline)
    assert bent.sound.duration_s == pytest.approx(clip.duration_s, abs=1e-3)
    assert bent.grid.bar_start_s == pytest.approx(0.1, abs=0.02)
    options = replace(options, beats=BeatOptions(bpm=150.0, first_beat_s=0.1))
    held = make_music(clip, options, genre="HO", pipeline=pipeline)
    assert held.grid.bpm == pytest.approx(150.0)
    assert held.sound.duration_s == pytest.approx(1.6, abs=1e-3)


@pytest.mark.parametrize("engine", ["diffusion", "composer"])
def test_a_loop_has_as_many_bars_as_asked_for(tmp_path, tiny_model, engine):
    path = tmp_path / "sway.bvh"
    write_motion(path, swaying_clip(duration_s=6.0))
    model = ["--model", tiny_model, "--steps", 1] if engine == "diffusion" else []
    done = kinetune(
        "generate", path, "-o", tmp_path / "a.wav", "--engine", engine, *model, "--json",
        "--loop-bars", 2, "--bpm", 120, "--beat-map", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads(done.stdout)
    assert piece["duration_s"] == pytest.approx(2 * 4 * 0.5, abs=1e-3)
    assert piece["bpm"] == pytest.approx(120.0, abs=1e-6)
    beats = json.loads((tmp_path / "a.beats.json").read_text())
    assert (beats["loops"], len(beats["beats_s"])) == (True, 8)
    again = kinetune("again", tmp_path / "a.json", "-o", tmp_path / "b.wav")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_loop_of_more_bars_than_the_dance_has_is_refused(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model,
        "--loop-bars", 9, "--bpm", 120,
    )  # fmt: skip
    assert_one_clear_line(done)
    assert "less than 9 bars of 2.00 s at 120.0 bpm; take 1 or fewer" in done.stderr


def test_a_loop_as_mp3_is_refused_before_anything_is_made(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.mp3", "--model", tiny_model, "--loop"
    )
    assert done.returncode == 2
    assert "can't loop" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sway.bvh"]


def test_generate_rejects_an_mp3_rate_first(tmp_path):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.mp3", "--rate", 96_000,
        "--model", tmp_path / "there-is-none",
    )  # fmt: skip
    assert_one_clear_line(done)
    assert "MP3 knows 8000, 11025" in done.stderr
    assert "found 96000; choose one of them, or write .ogg" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sway.bvh"]


def test_variations_are_ranked_best_first(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model,
        "--variations", 3, "--seed", 4, "--beat-map", "json", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pieces = json.loads(done.stdout)
    assert [piece["rank"] for piece in pieces] == [1, 2, 3]
    assert sorted(piece["seed"] for piece in pieces) == [4, 5, 6]
    totals = [piece["scores"]["total"] for piece in pieces]
    assert totals == sorted(totals, reverse=True)
    assert set(pieces[0]["scores"]) == {"beats", "energy", "accents", "similarity", "total"}
    assert [piece["output"] for piece in pieces] == [
        str(tmp_path / f"a-{k}.wav") for k in (1, 2, 3)
    ]
    assert len({(tmp_path / f"a-{k}.wav").read_bytes() for k in (1, 2, 3)}) == 3
    assert (tmp_path / "a-variations.png").read_bytes()[:4] == b"\x89PNG"
    names = [f"a-{k}{end}" for k in (1, 2, 3) for end in (".beats.json", ".json", ".wav")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *names,
        "a-variations.png",
        "sway.bvh",
    ]


def test_one_piece_has_its_own_name_and_no_scores(tmp_path, tiny_model):
    (piece,) = made(dance(tmp_path), output=tmp_path / "a.wav", model=str(tiny_model))
    assert (piece.output, piece.rank, piece.scores) == (str(tmp_path / "a.wav"), 1, None)


def test_a_control_score_changes_the_music(tmp_path, tiny_model):
    score = tmp_path / "score.toml"
    score.write_text("exact = true\n[[silences]]\nstart_s = 0.5\nend_s = 1.0\n")
    motion = dance(tmp_path)
    done = kinetune(
        "generate", motion, "-o", tmp_path / "a.wav", "--score", score, "--model", tiny_model
    )
    assert done.returncode == 0, done.stderr
    options = MusicOptions(score=ControlScore(silences=(Silence(0.5, 1.0),), exact=True))
    made(motion, output=tmp_path / "b.wav", options=options, model=str(tiny_model))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    samples = read_sound(tmp_path / "a.wav").samples
    assert (samples[11_025 : int(0.99 * 22_050)] == 0).all()


@pytest.mark.parametrize(
    ("score", "options", "said"),
    [
        ("[[sections]]\nstart = 1", [], "unknown key 'start'"),
        ("[[sections]]\nstart_s = 0\nend_s = 2\n[[sections]]\nstart_s = 1\nend_s = 3", [],
         "overlap"),
        ("[[accents]]\nat_s = 50", [], "the music lasts 2.00 s"),
        ("[[accents]]\nat_s = 1.9", ["--loop", "--bpm", 150], "the loop lasts 1.60 s"),
        ("", ["--variations", 0], "1 to 64"),
    ],
)  # fmt: skip
def test_an_impossible_score_is_one_clear_line(tmp_path, tiny_model, score, options, said):
    (tmp_path / "score.toml").write_text(score)
    done = kinetune(
        "generate", dance(tmp_path), "--model", tiny_model, "--score", "score.toml", *options,
        cwd=tmp_path,
    )  # fmt: skip
    assert_one_clear_line(done)
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["score.toml", "sway.bvh"]


def test_a_run_that_is_broken_off_leaves_nothing_half_written(tmp_path, tiny_model):
    def stop(title, done, total):
        raise KeyboardInterrupt

    earlier = tmp_path / "out"
    earlier.mkdir()
    (earlier / "a.wav").write_bytes(b"earlier")
    request = GenerateRequest(
        (dance(tmp_path),), earlier / "a.wav", existing="replace", model=str(tiny_model)
    )
    with pytest.raises(KeyboardInterrupt):
        generate(request, progress=stop)
    assert [path.name for path in earlier.iterdir()] == ["a.wav"]
    assert (earlier / "a.wav").read_bytes() == b"earlier"


def test_a_film_that_is_broken_off_leaves_nothing_half_written(tmp_path):
    from kinetune.audio.sound import Sound
    from kinetune.render import mux, skeleton_video

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    scene = skeleton_video.Scene(
        swaying_clip(duration_s=1.0), np.array([0.5]), np.array([0.5]), "sway"
    )
    sound = Sound(np.zeros(22_050, np.float32), 22_050)
    with pytest.raises(KeyboardInterrupt):
        mux.write_film(tmp_path / "a.mp4", scene, sound, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("", "the prompt is empty"), (" \n\t", "the prompt is empty"), ("a" * 10_000, "has 10000")],
)
def test_an_empty_or_overlong_prompt_is_one_line(tmp_path, prompt, reason):
    done = kinetune("generate", dance(tmp_path), "--prompt", prompt, "-o", tmp_path / "a.wav")
    assert_one_clear_line(done)
    assert reason in done.stderr
    assert not (tmp_path / "a.wav").exists()


def test_a_prompt_is_followed_by_the_composer_and_kept_in_the_recipe(tmp_path):
    path = tmp_path / "sway.bvh"
    write_motion(path, swaying_clip(duration_s=6.0))
    done = kinetune(
        "generate", path, "-o", tmp_path / "a.wav", "--engine", "composer",
        "--prompt", "dark house\x1b with a rubber bass, no piano, purple",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = 'understood: minor, dark, house, rubber bass, no piano; not understood: "purple"'
    assert done.stderr.splitlines()[0] == line
    recipe = json.loads((tmp_path / "a.json").read_text())["kinetune"]
    assert recipe["genre"] == "HO"
    assert recipe["request"]["options"]["prompt"] == {
        "text": "dark house with a rubber bass, no piano, purple",
        "requested": ["mode:minor", "tone:dark", "genre:house", "bass:rubber"],
        "excluded": ["instrument:piano"],
        "unknown": ["purple"],
    }
    again = kinetune("again", tmp_path / "a.json", "-o", tmp_path / "b.wav")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_the_model_follows_a_genre_and_names_what_it_does_not(tmp_path, tiny_model):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / "a.wav", "--model", tiny_model, "--steps", 1,
        "--prompt", "busy disco with strings",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:2] == [
        "understood: busy, waacking, strings",
        "the model does not follow: busy, strings; --engine composer plays them",
    ]
    assert json.loads((tmp_path / "a.json").read_text())["kinetune"]["genre"] == "WA"
