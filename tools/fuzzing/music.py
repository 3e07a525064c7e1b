"""Readers of what goes with music: beats, sounds and their comments, recipes, films."""

import io
import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

from fuzzing.mutations import change_integer, change_json, change_number, change_ogg_page
from fuzzing.target import Target
from kinetune.audio.beat_map import beat_map, read_beats, write_beat_map
from kinetune.audio.ogg_tags import read_comments
from kinetune.audio.sound import Sound, read_genre, read_sound, write_sound
from kinetune.render.soundtrack import check_film, replace_soundtrack
from kinetune.tasks.edit import EditRequest, complete_request
from kinetune.tasks.generate import GenerateRequest
from kinetune.tasks.recipe import Grid, Recipe, file_sha256, find_music_recipe, read_recipe
from kinetune.tasks.requests.serialisation import to_json

_RATE_HZ = 8000
_LONGEST_S = 2.5 * 3600.0


def _beats(folder: Path, suffix: str) -> list[bytes]:
    path = folder / f"seed{suffix}"
    write_beat_map(path, beat_map(120.0, np.arange(0.25, 6.0, 0.5), 0.25, 6.0))
    return [path.read_bytes()]


def _beat_texts(folder: Path) -> list[bytes]:
    commas = b"0,100\n1,300\n2,500\n3,700\n"
    semicolons = "Zeit;Takt\n0,5;1\n1,0;2\n1,5;3\n".encode("utf-16")
    written = _beats(folder, ".txt") + _beats(folder, ".csv")
    return [*written, commas, semicolons, b"\xef\xbb\xbf0.1\n0.6\n1.1\n"]


def _beat_lists(folder: Path) -> list[bytes]:
    return [*_beats(folder, ".json"), json.dumps([0.5 * beat for beat in range(9)]).encode()]


def _tempo_maps(folder: Path) -> list[bytes]:
    events = b"\0\xff\x51\x03\x07\xa1\x20" + b"\x9e\0\xff\x51\x03\x09\x27\xc0" + b"\0\xff\x2f\0"
    track = b"MTrk" + struct.pack(">I", len(events)) + events
    two_tracks = b"MThd" + struct.pack(">IHHH", 6, 1, 2, 480) + track * 2
    return [*_beats(folder, ".mid"), two_tracks]


def _check_beats(result: object) -> str:
    beats = np.asarray(result)
    ascending = bool((np.diff(beats) > 0).all())
    return "" if np.isfinite(beats).all() and ascending else "beats that aren't ascending"


def _sounds(folder: Path, suffix: str) -> list[bytes]:
    time_s = np.arange(_RATE_HZ // 3) / _RATE_HZ
    mono = (0.3 * np.sin(2 * np.pi * 220.0 * time_s)).astype(np.float32)
    comment = _recipe_texts(folder)[0].decode()
    seeds = []
    for number, samples in enumerate((mono, np.stack([mono, -mono], axis=1))):
        path = folder / f"seed-{number}{suffix}"
        loops = suffix != ".mp3" and number == 1
        write_sound(path, Sound(samples, _RATE_HZ), loops=loops, genre="house", comment=comment)
        seeds.append(path.read_bytes())
    return seeds


def _read_sound(path: Path) -> Sound:
    """As the doors do: its genre, its recipe, its samples."""
    read_genre(path)
    sound = read_sound(path)
    find_music_recipe(path)
    if path.suffix == ".ogg":
        read_comments(path)
    return sound


def _check_sound(result: object) -> str:
    sound: Sound = result  # type: ignore[assignment]
    if not np.isfinite(sound.samples).all():
        return "samples that aren't finite"
    return "" if 0.0 < sound.duration_s <= _LONGEST_S else f"{sound.duration_s:g} s of sound"


def _recipe_texts(folder: Path) -> list[bytes]:
    grid = Grid(120.0, 0.25, 0.25, True, tuple(0.25 + 0.5 * beat for beat in range(8)))
    dance, music = Path("dance.bvh"), Path("music.wav")
    requests = {
        "generate": GenerateRequest(motions=(dance,), output=Path("music.wav")),
        "edit": EditRequest(music=music, motion=dance, redo=(1.0, None)),
    }
    inputs = {}
    for name in ("dance.bvh", "music.wav"):
        (folder / name).write_bytes(b"as it was")
        inputs[name] = file_sha256(folder / name)
    recipes = [
        Recipe(task, to_json(request), inputs, "", "HO", grid, 4.0, {"torch": "2.9"}, "0" * 64)
        for task, request in requests.items()
    ]
    return [json.dumps({"kinetune": to_json(recipe)}).encode() for recipe in recipes]


def _follow_recipe(path: Path) -> Recipe:
    """As ``again`` and ``edit`` do, up to the files it was made from."""
    recipe = read_recipe(path)
    complete_request(EditRequest(music=path, redo=(0.0, 1.0)), recipe)
    return recipe


def _check_recipe(result: object) -> str:
    recipe: Recipe = result  # type: ignore[assignment]
    return _check_beats(recipe.grid.beat_grid().beats_s)


def _films(folder: Path) -> list[bytes]:
    import av

    films = []
    for form, codec in (("mp4", "libx264"), ("matroska", "libx264"), ("avi", "mpeg4")):
        out = io.BytesIO()
        with av.open(out, "w", format=form) as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for number in range(8):
                picture = np.full((64, 64, 3), 20 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        films.append(out.getvalue())
    return films


def _put_on_film(path: Path) -> float:
    """As ``--onto`` does; how long the film is, seconds."""
    info = check_film(path)
    sound = Sound(np.zeros(_RATE_HZ // 2, np.float32), _RATE_HZ)
    replace_soundtrack(path.with_name("out.mp4"), path, sound)
    return info.duration_s


MUSIC_TARGETS: dict[str, Target] = {
    "beats": Target(".txt", _beat_texts, read_beats, _check_beats, (change_number,)),
    "beats-json": Target(".json", _beat_lists, read_beats, _check_beats, (change_json,)),
    "beats-midi": Target(".mid", _tempo_maps, read_beats, _check_beats, (change_integer,)),
    **{
        f"sound-{kind}": Target(
            f".{kind}", lambda folder, kind=kind: _sounds(folder, f".{kind}"), _read_sound,
            _check_sound, (change_ogg_page,) if kind == "ogg" else (change_integer,),
        )
        for kind in ("wav", "flac", "ogg", "mp3")
    },
    "recipe": Target(".json", _recipe_texts, _follow_recipe, _check_recipe, (change_json,)),
    "film": Target(".mp4", _films, _put_on_film, mutators=(change_integer,)),
}  # fmt: skip
