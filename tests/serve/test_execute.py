"""Jobs as a worker does them, in this process."""

import io
import json
import zipfile

import numpy as np
import pytest
import soundfile

pytest.importorskip("pydantic")

from kinetune.errors import ConfigError
from kinetune.files import WEIGHTS
from kinetune.serve.execute import Workshop, execute
from kinetune.serve.store import Store
from kinetune.serve.work_files import zip_folder

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
        composed={"stems": "mastered", "midi": True, "layers": 2},
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
        "dance.beats.json", "dance-stems.zip", "dance-layers.zip",
    }  # fmt: skip
    assert result["pieces"][0]["composed"]["stems"] == "dance-stems.zip"
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


def test_an_export_has_the_same_music_and_what_was_asked_for(workshop, composed):
    _, folder = composed
    result, exported = do(
        workshop, task="export", job=folder.name, file="dance.wav", format="flac",
        composed={"stems": "unmastered"}, beat_maps=["csv"],
    )  # fmt: skip
    assert {path.name for path in exported.iterdir()} >= {
        "dance.flac", "dance-stems.zip", "dance.beats.csv",
    }  # fmt: skip
    assert result["pieces"][0]["output"] == "dance.flac"
    wav, _ = samples((folder / "dance.wav").read_bytes())
    flac, _ = samples((exported / "dance.flac").read_bytes())
    np.testing.assert_allclose(flac, wav, atol=ONE_STEP)


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
        own, task="export", job=edited.name, file=edit["output"], format="flac", beat_maps=["json"]
    )
    wav, _ = samples((edited / edit["output"]).read_bytes())
    flac, _ = samples((exported / result["output"]).read_bytes())
    np.testing.assert_allclose(flac, wav, atol=ONE_STEP)
    beats = json.loads((exported / "dance-edit.beats.json").read_text())
    assert beats["bpm"] == pytest.approx(edit["bpm"], abs=0.01)
    with pytest.raises(ConfigError, match="not composed"):
        do(own, task="export", job=edited.name, file=edit["output"], composed={"midi": True})


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
