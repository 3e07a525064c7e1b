"""Files beside a composed sound: stems that sum, notes, layers, practice; and what goes wrong."""

import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound, read_sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.io.formats import write_motion
from kinetune.tasks.composing import outputs
from tests.cli.conftest import assert_one_clear_line, kinetune

FLAGS = ("--engine", "composer", "--rate", 16_000, "--bpm", 120, "--first-beat", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs")
    request = DanceRequest("HO", 120.0, 6.0, first_beat_s=0.0, fps=30.0)
    write_motion(path / "dance.bvh", choreograph(1, request).clip)
    done = kinetune(
        "generate", "dance.bvh", *FLAGS, "--stems", "mastered", "--midi", "--layers", 4,
        "--practice", "80", "-o", "a.wav", "--json", cwd=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path / "result.json").write_text(done.stdout)
    return path


def db(error, whole):
    return 10.0 * np.log10(np.square(error).mean() / np.square(whole).mean() + 1e-30)


def total(folder, names):
    return np.sum([soundfile.read(folder / name)[0] for name in names], axis=0)


def test_mastered_stems_sum_to_the_file_that_was_delivered(folder):
    table = json.loads((folder / "a-stems" / "stems.json").read_text())
    assert table["sum"] == "a.wav"
    assert {p.name for p in (folder / "a-stems").iterdir()} == {*table["stems"], "stems.json"}
    whole = soundfile.read(folder / "a.wav")[0]
    # The delivered file has 16 bits.
    assert db(total(folder / "a-stems", table["stems"]) - whole, whole) < -70.0


def test_unmastered_stems_sum_to_the_mix_before_mastering(folder):
    done = kinetune(
        "generate", "dance.bvh", *FLAGS, "--stems", "unmastered", "-o", "u.flac", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((folder / "u-stems" / "stems.json").read_text())
    assert table["sum"] == "mix.flac"
    assert soundfile.info(folder / "u-stems" / "mix.flac").subtype == "PCM_24"
    whole = soundfile.read(folder / "u-stems" / "mix.flac")[0]
    assert db(total(folder / "u-stems", table["stems"]) - whole, whole) < -90.0
    assert np.abs(whole).max() < 1.0
    chain = table["master"]
    assert chain["loudness_lufs"] == -14.0
    assert {"tone", "saturation", "compressor", "limiter"} <= set(chain)


def test_a_mastered_stem_beyond_full_scale_is_not_clipped(tmp_path, monkeypatch):
    wave = np.linspace(-1.0, 1.0, 4000, dtype=np.float32)[:, None]
    monkeypatch.setattr(
        "kinetune.composer.output.mastering.master_stem",
        lambda piece, master, stem: Sound(stem, 16_000),
    )
    made = SimpleNamespace(
        piece=SimpleNamespace(loop=False, genre="HO"),
        master=SimpleNamespace(settings={}),
        sound=Sound(0.75 * wave, 16_000),
        stems={"kick": 1.5 * wave, "bass": -0.75 * wave},
    )
    outputs._write_stems(made, tmp_path / "a.flac", unmastered=False, export=ExportFormat())
    table = json.loads((tmp_path / "a-stems" / "stems.json").read_text())
    assert table["stems"] == ["kick.wav", "bass.flac"]
    assert soundfile.info(tmp_path / "a-stems" / "kick.wav").subtype == "FLOAT"
    found = total(tmp_path / "a-stems", table["stems"])
    np.testing.assert_allclose(found, 0.75 * wave[:, 0], atol=1e-6)


def test_layers_beyond_full_scale_are_turned_down_by_the_same():
    wave = np.linspace(-1.0, 1.0, 101, dtype=np.float32)[:, None]
    layers = {"calm": 0.5 * wave, "peak": 1.25 * wave}
    assert outputs._turn_down(layers) == pytest.approx(0.8)
    np.testing.assert_allclose(layers["calm"], 0.4 * wave, atol=1e-6)
    np.testing.assert_allclose(layers["peak"], wave, atol=1e-6)
    assert outputs._turn_down(layers) == pytest.approx(1.0)


def test_layers_are_as_long_as_the_piece_and_say_when_they_play(folder):
    table = json.loads((folder / "a-layers" / "layers.json").read_text())
    assert table["layers"] == ["1-calm.wav", "2-groove.wav", "3-full.wav", "4-peak.wav"]
    lengths = {soundfile.info(folder / "a-layers" / name).frames for name in table["layers"]}
    assert lengths == {soundfile.info(folder / "a.wav").frames}
    assert table["bpm"] == 120.0
    assert [time_s for time_s, _ in table["energy"]] == pytest.approx(np.arange(12) / 2)
    assert table["automation"][0]["start_s"] == 0.0


def test_the_result_names_all_files(folder):
    (piece,) = json.loads((folder / "result.json").read_text())
    made = piece["composed"]
    named = [made["stems"], made["midi"], made["layers"], *made["practice"]]
    assert named == ["a-stems", "a.mid", "a-layers", "a-practice-80.wav"]
    assert all((folder / name).exists() for name in named)
    # Count-in of four beats at 96 bpm, then 7.5 s.
    assert read_sound(folder / "a-practice-80.wav").duration_s == pytest.approx(2.5 + 7.5, abs=1e-3)


def test_nothing_that_exists_is_replaced_unasked(folder):
    done = kinetune("generate", "dance.bvh", *FLAGS, "--midi", "-o", "a.flac", cwd=folder)
    assert_one_clear_line(done)
    assert "a.json, a.chords.txt and 1 more exist already" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--stems", "mastered"), "--engine composer"),
        (("--midi",), "--engine composer"),
        (("--engine", "composer", "--stems", "some"), "mastered, unmastered"),
        (("--engine", "composer", "--layers", 20), "layers must be 2 to 9"),
        (("--engine", "composer", "--practice", "slow"), "70,85,100"),
        (("--engine", "composer", "--practice", "10"), "25 to 200"),
        (("--pack", "gamemaker"), "one of godot, unity, unreal, wwise, fmod"),
    ],
)
def test_what_is_impossible_is_one_clear_line(folder, flags, says):
    done = kinetune("generate", "dance.bvh", *flags, "-o", "bad.wav", cwd=folder)
    assert_one_clear_line(done)
    assert says in done.stderr


def test_more_layers_than_parts_name_the_parts(folder):
    done = kinetune("generate", "dance.bvh", *FLAGS, "--genre", "krump", "--layers", 9, "-o",
                    "many.wav", cwd=folder)  # fmt: skip
    assert done.returncode == 2
    assert not (folder / "many.wav").exists()
    assert "the parts of this piece (chords, bass" in done.stderr


def test_a_full_disk_leaves_no_half_of_the_stems(folder, monkeypatch):
    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "write_sound", full)
    done = kinetune("generate", "dance.bvh", *FLAGS, "--stems", "mastered", "-o", "full.wav",
                    cwd=folder)  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "No space left on device" in done.stderr
    assert not (folder / "full-stems").exists()
    assert not [p for p in folder.iterdir() if p.name.startswith(".full")]


def test_packs_hold_the_piece_its_layers_and_its_form(folder):
    flags = ("--loop", "--layers", 2, "--accent", "2.0", "--pack", "unity", "--pack", "godot")
    done = kinetune(
        "generate", "dance.bvh", *FLAGS, *flags, "-o", "p.wav", "--json", "--mono", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads(done.stdout)
    assert piece["packs"] == ["p-unity", "p-godot"]
    table = json.loads((folder / "p-unity" / "pack.json").read_text())
    assert (table["bpm"], table["beat_count"], table["loop"]) == (120.0, 12, True)
    assert table["layers"] == ["p_1_calm.wav", "p_2_full.wav"]
    kinds = {row["kind"] for row in table["events"]}
    assert kinds == {"beat", "accent", "section", "layers"}
    whole, layer = (read_sound(folder / name).samples for name in ("p.wav", "p-layers/1-calm.wav"))
    np.testing.assert_array_equal(read_sound(folder / "p-unity" / "p.wav").samples, whole)
    copied = read_sound(folder / "p-unity" / "p_1_calm.wav").samples
    np.testing.assert_allclose(copied, layer, atol=2.0**-15)


def test_a_pack_that_exists_is_replaced_only_if_asked(folder):
    (folder / "q-unity").mkdir()
    (folder / "q-unity" / "mine.txt").write_text("mine")
    wanted = ("generate", "dance.bvh", *FLAGS, "--pack", "unity", "-o", "q.wav")
    done = kinetune(*wanted, cwd=folder)
    assert_one_clear_line(done)
    assert "q-unity exists already" in done.stderr
    done = kinetune(*wanted, "--force", cwd=folder)
    assert done.returncode == 2
    assert "q-unity: holds other files" in done.stderr
    assert [path.name for path in (folder / "q-unity").iterdir()] == ["mine.txt"]
