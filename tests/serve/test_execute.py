"""Jobs as a worker does them, in this process."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("pydantic")

from kinetune.errors import ConfigError
from kinetune.files import WEIGHTS
from kinetune.motion.clip import resample
from kinetune.motion.io.formats import read_motion, write_bvh
from kinetune.motion.kinematics import joint_positions, joint_speeds
from kinetune.serve.execute import Workshop, execute
from kinetune.serve.motions import group_request
from kinetune.serve.store import Store
from kinetune.serve.work_files import POSITIONS, SKELETON, zip_folder
from kinetune.tasks.inspect import InspectGroupRequest, inspect_group
from kinetune.tasks.requests.serialisation import to_json
from tests.conftest import swaying_clip

pytestmark = pytest.mark.slow
# 16 bits are rounded in another way in FLAC than in WAV.
ONE_STEP = 1.01 / 2**15


def no_model(name):
    raise AssertionError(f"the model {name} is loaded")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, dance):
    return Workshop(Store(tmp_path_factory.mktemp("data")), 600.0, no_model)


@pytest.fixture(scope="module")
def motion(workshop, dance):
    """A motion that has been read."""
    store = workshop.store
    work = store.add("motion", {"name": dance.name, "bytes": 1}, limit=9)
    folder = store.folder_of("motion", work.id)
    folder.mkdir(parents=True)
    (folder / dance.name).write_bytes(dance.read_bytes())
    store.claim("motion", "w")
    store.finish(work.id, "done")
    return work.id


def do(workshop, **request):
    """Do a job; return its result and its folder."""
    store = workshop.store
    store.add("job", request, limit=9)
    work = store.claim("job", "w")
    try:
        result = execute(work, workshop, lambda *_: None)
    except BaseException:
        store.finish(work.id, "failed")
        raise
    store.finish(work.id, "done", result=result)
    return result, store.folder_of("job", work.id)


@pytest.fixture(scope="module")
def composed(workshop, motion):
    """A composed piece with all that goes with it."""
    return do(
        workshop, task="generate", motion=motion, beat_maps=["json"],
        options={"engine": "composer", "genre": "house", "composer": {"chords": "Am F C G"}},
        composed={"stems": "mastered", "midi": True, "layers": 2}, packs=["godot"],
    )  # fmt: skip


def samples(data):
    sound, rate_hz = soundfile.read(io.BytesIO(data), always_2d=True)
    return sound, rate_hz


def test_a_composed_piece_names_no_model_and_loads_none(composed):
    result, folder = composed
    recipe = json.loads((folder / "dance.json").read_text())["kinetune"]
    assert recipe["request"]["model"] == "composer"
    assert recipe["request"]["options"]["engine"] == "composer"
    assert recipe["model_sha256"] == ""
    assert result["pieces"][0]["composed"]["chords"].startswith("Am F C")
    assert WEIGHTS.is_dir(), "there is a model it could have loaded"


def test_folders_come_as_archives_and_the_stems_sum_to_the_sound(composed):
    result, folder = composed
    assert {path.name for path in folder.iterdir()} == {
        "dance.bvh", "dance.wav", "dance.json", "dance.mid", "dance.chords.txt",
        "dance.beats.json", "dance-stems.zip", "dance-layers.zip", "dance-godot.zip",
    }  # fmt: skip
    assert result["pieces"][0]["composed"]["stems"] == "dance-stems.zip"
    assert result["pieces"][0]["packs"] == ["dance-godot.zip"]
    sound, rate_hz = samples((folder / "dance.wav").read_bytes())
    total = np.zeros_like(sound)
    with zipfile.ZipFile(folder / "dance-stems.zip") as archive:
        table = json.loads(archive.read("dance-stems/stems.json"))
        for name in table["stems"]:
            stem, stem_rate_hz = samples(archive.read(f"dance-stems/{name}"))
            assert stem_rate_hz == rate_hz
            total += stem
    assert len(table["stems"]) >= 3
    np.testing.assert_allclose(total, sound, atol=2e-4)
    with zipfile.ZipFile(folder / "dance-layers.zip") as archive:
        layers = json.loads(archive.read("dance-layers/layers.json"))["layers"]
        assert {f"dance-layers/{name}" for name in layers} < set(archive.namelist())


def test_bars_of_a_composed_piece_are_redone_and_the_others_stay(workshop, composed):
    _, folder = composed
    result, edited = do(
        workshop, task="edit", job=folder.name, file="dance.wav", redo=[4.0, 6.0],
        options={"seed": 5},
    )  # fmt: skip
    before, rate_hz = samples((folder / "dance.wav").read_bytes())
    after, _ = samples((edited / result["output"]).read_bytes())
    # Fills and pick-ups of the new bars begin in the beat before them.
    start = round((result["start_s"] - 0.5) * rate_hz)
    # The master's gain and limiter follow the whole mix: what stays may differ by a little level.
    gain = np.sum(before[:start] * after[:start]) / np.sum(before[:start] ** 2)
    assert gain == pytest.approx(1.0, abs=0.1)
    apart = np.linalg.norm(after[:start] - gain * before[:start])
    assert apart < 0.05 * np.linalg.norm(gain * before[:start])
    own = slice(start, start + round(2.0 * rate_hz))
    changed = np.linalg.norm(after[own] - gain * before[own])
    assert changed > 0.2 * np.linalg.norm(gain * before[own])
    assert np.abs(after[start:] - gain * before[start:]).max() > 0.05
    recipe = json.loads((edited / "dance-edit.json").read_text())["kinetune"]
    assert recipe["request"]["model"] == "composer"
    assert [take["seed"] for take in recipe["request"]["options"]["composer"]["takes"]] == [5]


def test_changes_are_added_to_the_score_as_on_the_command_line(workshop, composed, tmp_path):
    """An accent, then a silence with more energy in its bars; the score has both in the end."""
    from tests.cli.conftest import kinetune

    _, folder = composed
    _, first = do(
        workshop, task="edit", job=folder.name, file="dance.wav", options={"seed": 1},
        changes={"accents": [{"at_s": 1}, {"at_s": 2.5, "strength": 2}]},
    )  # fmt: skip
    result, second = do(
        workshop, task="edit", job=first.name, file="dance-edit.wav", redo=[2, 4],
        options={"seed": 2},
        changes={
            "accents": [{"at_s": 2.5, "strength": 0}], "energy": 2,
            "silences": [{"start_s": 3.0, "end_s": 3.5}],
        },
    )  # fmt: skip
    score = json.loads((second / result["recipe"]).read_text())["kinetune"]["request"]["options"][
        "score"
    ]
    assert score["accents"] == [{"at_s": 1.0, "strength": 1.0}]
    assert score["silences"] == [{"start_s": 3.0, "end_s": 3.5}]
    assert [section["energy"] for section in score["sections"]] == [2.0]
    for name in ("dance.wav", "dance.json", "dance.bvh"):
        shutil.copy(folder / name, tmp_path)
    for command in (
        "edit dance.wav --accent 1 --accent 2.5:2 --seed 1",
        "edit dance-edit.wav --redo 2:4 --seed 2 --accent 2.5:0 --silence 3:3.5 --energy 2",
    ):
        done = kinetune(*command.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for folder, name in ((first, "dance-edit.wav"), (second, "dance-edit-edit.wav")):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_an_export_has_the_same_music_and_what_was_asked_for(workshop, composed):
    _, folder = composed
    result, exported = do(
        workshop, task="export", job=folder.name, file="dance.wav", format="flac",
        composed={"stems": "unmastered"}, beat_maps=["csv"],
    )  # fmt: skip
    assert {path.name for path in exported.iterdir()} >= {
        "dance.flac", "dance-stems.zip", "dance.beats.csv",
    }  # fmt: skip
    assert (result["output"], result["composed"]["stems"]) == ("dance.flac", "dance-stems.zip")
    wav, _ = samples((folder / "dance.wav").read_bytes())
    flac, _ = samples((exported / "dance.flac").read_bytes())
    np.testing.assert_allclose(flac, wav, atol=ONE_STEP)


def test_packs_come_as_archives_that_hold_the_same_as_on_the_command_line(
    workshop, composed, tmp_path
):
    from tests.cli.conftest import kinetune

    _, folder = composed
    tools = ("godot", "unity", "unreal", "wwise", "fmod")
    result, exported = do(
        workshop, task="export", job=folder.name, file="dance.wav", packs=[*tools],
        composed={"layers": 2},
    )  # fmt: skip
    assert result["packs"] == [f"dance-{tool}.zip" for tool in tools]
    assert result["same"] is True
    for name in ("dance.json", "dance.bvh"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    options = [word for tool in tools for word in ("--pack", tool)]
    done = kinetune(
        "again", "dance.json", "-o", "dance.wav", "--layers", 2, "--force", *options, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for tool in tools:
        with zipfile.ZipFile(exported / f"dance-{tool}.zip") as archive:
            packed = {Path(name).name: archive.read(name) for name in archive.namelist()}
            assert {Path(name).parent.name for name in archive.namelist()} == {f"dance-{tool}"}
        made = {path.name: path.read_bytes() for path in (tmp_path / f"dance-{tool}").iterdir()}
        assert packed == made
        assert {"pack.json", "README.txt"} < set(packed)
        assert len(json.loads(packed["pack.json"])["layers"]) == 2


def test_what_was_not_made_by_a_job_can_not_be_exported(workshop, composed):
    _, folder = composed
    with pytest.raises(ConfigError, match="no recipe"):
        do(workshop, task="export", job=folder.name, file="dance.mid")


def test_music_of_the_model_is_exported_in_another_format_after_an_edit(
    tmp_path, motion, workshop, tiny_model
):
    from kinetune.tasks.lazy_pipeline import LazyPipeline

    pipeline = LazyPipeline(str(tiny_model), "cpu")
    own = Workshop(workshop.store, 600.0, lambda name: pipeline)
    options = {"genre": "house", "steps": 2}
    _, made = do(own, task="generate", motion=motion, options=options, model=str(tiny_model))
    edit, edited = do(
        own, task="edit", job=made.name, file="dance.wav", redo=[2.0, 4.0], options={"seed": 1}
    )
    result, exported = do(
        own, task="export", job=edited.name, file=edit["output"], format="flac",
        beat_maps=["json"], packs=["godot"],
    )  # fmt: skip
    wav, _ = samples((edited / edit["output"]).read_bytes())
    flac, _ = samples((exported / result["output"]).read_bytes())
    np.testing.assert_allclose(flac, wav, atol=ONE_STEP)
    assert result["packs"] == ["dance-edit-godot.zip"]
    with zipfile.ZipFile(exported / "dance-edit-godot.zip") as archive:
        pack = json.loads(archive.read("dance-edit-godot/pack.json"))
        ogg = soundfile.info(io.BytesIO(archive.read("dance-edit-godot/dance_edit.ogg")))
    assert (ogg.frames, pack["samples"]) == (len(wav), len(wav))
    assert pack["bpm"] == pytest.approx(edit["bpm"], abs=1e-4)
    beats = json.loads((exported / "dance-edit.beats.json").read_text())
    assert beats["bpm"] == pytest.approx(edit["bpm"], abs=0.01)
    with pytest.raises(ConfigError, match="not composed"):
        do(own, task="export", job=edited.name, file=edit["output"], composed={"midi": True})


@pytest.fixture(scope="module")
def couple(workshop, motion, tmp_path_factory):
    """A group of two dancers, the second shorter and shifted; both files have one name."""
    store, folder = workshop.store, tmp_path_factory.mktemp("second")
    clip = replace(swaying_clip(fps=60.0, duration_s=5.0), name="dance")
    write_bvh(folder / "dance.bvh", replace(clip, root_m=clip.root_m + [2.0, 0.0, 0.0]))
    second = store.add("motion", {"name": "dance.bvh", "bytes": 2}, limit=9)
    store.folder_of("motion", second.id).mkdir(parents=True)
    shutil.copy(folder / "dance.bvh", store.folder_of("motion", second.id))
    store.claim("motion", "w")
    store.finish(second.id, "done")
    members = [store.find("motion", each) for each in (motion, second.id)]
    work = store.add("motion", group_request(members), limit=9)
    store.claim("motion", "w")
    result = execute(work, workshop, lambda *_: None)
    store.finish(work.id, "done", result=result)
    return store.find("motion", work.id)


def test_a_group_is_read_as_the_command_line_reads_it(workshop, couple):
    """Readings are those of ``inspect --together``; positions have a dancer's axis."""
    folder = workshop.store.folder_of("motion", couple.id)
    assert couple.request["files"] == ["dance.bvh", "dance-2.bvh"]
    paths = tuple(folder / name for name in couple.request["files"])
    expected = to_json(inspect_group(InspectGroupRequest(paths)))
    for name in ("bpm", "bar_start_s", "readings", "doubt", "duration_s"):
        assert couple.result[name] == expected[name]
    assert [dancer["motion"] for dancer in couple.result["dancers"]] == ["dance.bvh", "dance-2.bvh"]
    assert couple.result["duration_s"] == pytest.approx(6.0, abs=0.05)
    table = json.loads((folder / SKELETON).read_text())
    raw = np.frombuffer((folder / POSITIONS).read_bytes(), "<f4")
    positions = raw.reshape(table["frames"], table["dancers"], len(table["joints"]), 3)
    first, second = (joint_positions(read_motion(path)) for path in paths)
    np.testing.assert_allclose(positions[:, 0, :, ::2], first[..., ::2], atol=1e-4)
    np.testing.assert_allclose(positions[:150, 1, :, ::2], second[::2][:150, :, ::2], atol=1e-3)
    # The second dancer has finished after five seconds, and stands still.
    assert np.ptp(positions[150:, 1], axis=0).max() < 1e-4
    speeds = [joint_speeds(resample(read_motion(path), 30.0)).mean(axis=1) for path in paths]
    mean = np.array(table["mean_joint_speed_m_s"])
    np.testing.assert_allclose(mean[:140], (speeds[0][:140] + speeds[1][:140]) / 2, atol=1e-3)
    np.testing.assert_allclose(mean[155:], speeds[0][155:], atol=1e-3)


def test_a_group_gets_one_piece_that_is_redone_filmed_and_made_again(
    workshop, couple, tmp_path, monkeypatch
):
    from kinetune.render import mux
    from tests.cli.conftest import kinetune

    options = {"engine": "composer", "genre": "house"}
    result, folder = do(workshop, task="generate", motion=couple.id, options=options)
    assert result["pieces"][0]["output"] == "dance-together.wav"
    assert result["pieces"][0]["partners"] == ["dance-2.bvh"]
    for name in couple.request["files"]:
        shutil.copy(folder / name, tmp_path)
    command = ["generate", *couple.request["files"], "--together", "--engine", "composer"]
    done = kinetune(*command, "--genre", "house", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("dance-together.wav", "dance-together.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    source = {"job": folder.name, "file": "dance-together.wav"}
    _, edited = do(workshop, task="edit", **source, redo=[4.0, 6.0], options={"seed": 5})
    recipe = json.loads((edited / "dance-together-edit.json").read_text())["kinetune"]
    assert recipe["request"]["motions"] == ["dance.bvh", "dance-2.bvh"]
    result, _ = do(workshop, task="export", job=edited.name, file="dance-together-edit.wav")
    assert result["same"] is True
    filmed = []
    monkeypatch.setattr(mux, "write_film", lambda path, scene, *_, **__: filmed.append(scene.clip))
    do(workshop, task="film", **source)
    assert len(filmed[0].clips) == 2


def test_an_archive_is_the_same_for_the_same_files(tmp_path):
    archives = []
    for name in ("a", "b"):
        folder = tmp_path / name / "stems"
        folder.mkdir(parents=True)
        (folder / "kick.wav").write_bytes(b"boom" * 1000)
        archives.append(zip_folder(folder).read_bytes())
        assert not folder.exists()
    assert archives[0] == archives[1]
    with zipfile.ZipFile(tmp_path / "a" / "stems.zip") as archive:
        assert archive.namelist() == ["stems/kick.wav"]
        assert archive.read("stems/kick.wav") == b"boom" * 1000
