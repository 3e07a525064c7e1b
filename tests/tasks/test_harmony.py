"""Key and chords of music by a model: drawn as the composer draws them, kept in the recipe."""

import json
from dataclasses import replace

import numpy as np
import pytest

import kinetune as kt
from kinetune import genres
from kinetune.audio.sound import read_sound
from kinetune.composer import notes
from kinetune.composer.compose import compose_harmony, compose_piece
from kinetune.composer.options import ComposerOptions, Take
from kinetune.composer.output.chord_files import read_chords
from kinetune.composer.piece import PieceRequest
from kinetune.composer.prompts.attributes import piece_attributes
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import ConfigError, OutputError
from kinetune.model.conditioning.control_score import ControlScore, Section
from kinetune.model.presets import build_pipeline
from kinetune.model.sampling.loops import fit_loop
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.motion.io.formats import write_motion
from kinetune.tasks.edit import EditRequest
from kinetune.tasks.edit import edit as edit_file
from kinetune.tasks.generate import GenerateRequest, generate
from kinetune.tasks.generating.prompt import with_prompt
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.recipe import read_recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.harmony import draw_attributes, draw_harmony
from kinetune.tasks.requests.music_options import MusicOptions
from tests.model.conftest import shaken, tiny_stereo, tiny_stereo_config

BEATS = BeatOptions(bpm=120.0, first_beat_s=0.0)


@pytest.fixture(scope="module")
def clip():
    request = DanceRequest("HO", 120.0, 8.0, first_beat_s=0.0, fps=30.0)
    return choreograph(1, request).clip


@pytest.fixture(scope="module")
def pipeline():
    return tiny_stereo()


def test_chords_of_the_user_stand_at_the_bars(clip):
    options = MusicOptions(beats=BEATS, composer=ComposerOptions(chords="Am F/A Cmaj9 G7"))
    made = draw_harmony(clip, options, genre="house")
    # Tones and bass as pitch classes over C; a bar of 120 bpm lasts 2 s.
    assert [(c.start_s, c.name, c.bass, c.tones) for c in made.chords] == [
        (0.0, "Am", 9, (0, 4, 9)), (2.0, "F/A", 9, (0, 5, 9)),
        (4.0, "Cmaj9", 0, (0, 2, 4, 7, 11)), (6.0, "G7", 7, (2, 5, 7, 11)),
    ]  # fmt: skip
    assert (made.key, made.tonic) == ("A minor", 9)


def test_a_seed_has_the_key_and_chords_that_the_composer_plays(clip):
    for seed in (0, 1):
        made = draw_harmony(clip, MusicOptions(seed=seed, beats=BEATS), genre="krump")
        grid = fixed_grid(120.0, 0.0, clip.duration_s)
        piece = compose_piece(PieceRequest(clip, grid, "krump", seed))
        assert made.key == piece.key.name
        expected = [(c.start_s, c.symbol.name) for c in piece.chords]
        assert [(c.start_s, c.name) for c in made.chords] == expected


def test_a_new_genre_has_the_grammar_of_house(clip):
    genres.declare(["milonga"])
    options = MusicOptions(seed=3, beats=BEATS)
    new, house = (draw_harmony(clip, options, genre=name) for name in ("milonga", "house"))
    assert new == house


@pytest.mark.parametrize("loop", [False, True])
def test_chords_are_those_of_the_piece_and_no_note_is_written(clip, loop, monkeypatch):
    """With a section in another genre, a redone bar and an upbeat."""
    score = ControlScore(sections=(Section(4.0, 8.0, genre="krump"),))
    takes = ComposerOptions(takes=(Take(2.0, 4.0, 7, "waack"),))
    grid = fixed_grid(120.0, 0.5, clip.duration_s)
    request = PieceRequest(clip, grid, "house", 3, takes, score, loop)
    piece = compose_piece(request)
    monkeypatch.setattr(notes, "write_song", lambda *how: pytest.fail("notes were written"))
    assert compose_harmony(request) == (piece.key, piece.chords)
    assert len({chord.symbol.name for chord in piece.chords}) > 1


def test_chords_of_a_loop_have_the_beats_of_the_models_loop(clip):
    """The composer and the model fit a loop to the same bars."""
    grid = fixed_grid(117.0, 0.31, clip.duration_s)
    options = MusicOptions(loop=True, composer=ComposerOptions(chords="C G"))
    made = draw_harmony(clip, options, genre="house", grid=grid)
    loop = fit_loop(clip, grid, column_s=0.0929, window_s=12.0, hold_tempo=False)
    bar_s = 4 * 60.0 / loop.output_grid.bpm
    bars_s = loop.output_grid.bar_start_s + bar_s * np.arange(-1, 8)
    changes_s = [c.start_s for c in made.chords[1:]]
    assert changes_s
    for start_s in changes_s:
        assert np.abs(bars_s - start_s).min() < 1e-3


def test_attributes_are_those_of_the_composers_piece_and_of_the_prompt(clip):
    options = MusicOptions(seed=2, beats=BEATS)
    grid = fixed_grid(120.0, 0.0, clip.duration_s)
    piece = compose_piece(PieceRequest(clip, grid, "locking", 2))
    assert draw_attributes(clip, options, genre="locking") == piece_attributes(piece)
    told = with_prompt(options, "a hammond organ, a drum machine, no brass")
    names = draw_attributes(clip, told, genre="locking")
    assert {"instrument:organ", "kit:machine"} <= set(names)
    assert "instrument:brass" not in names


def test_a_model_is_told_the_attributes_and_an_edit_keeps_them(clip, tmp_path):
    """The rows of the attributes are larger than in training, so that a request shows."""
    names = ("instrument:organ", "kit:machine", "kit:acoustic")
    model = shaken(build_pipeline(replace(tiny_stereo_config(), attributes=names)))
    model.register_modules(vocoder=tiny_stereo().vocoder)
    model.condition_encoder.attributes_in.weight.data.fill_(0.5)
    write_motion(tmp_path / "dance.bvh", clip)
    options = MusicOptions(genre="house", steps=2, beats=BEATS)
    sounds = {}
    for name, prompt in (("with", "organ, drum machine"), ("without", "no organ, live drums")):
        request = GenerateRequest(
            (tmp_path / "dance.bvh",), tmp_path / f"{name}.wav",
            options=with_prompt(options, prompt),
        )  # fmt: skip
        generate(request, pipeline=LazyPipeline.around(model))
        sounds[name] = read_sound(tmp_path / f"{name}.wav").samples
    told = read_recipe(tmp_path / "with.json").attributes
    assert told == {"instrument:organ": 1.0, "kit:machine": 1.0, "kit:acoustic": -1.0}
    told = read_recipe(tmp_path / "without.json").attributes
    assert told == {"instrument:organ": -1.0, "kit:machine": -1.0, "kit:acoustic": 1.0}
    assert not np.allclose(sounds["with"], sounds["without"], atol=1e-3)
    kt.edit(tmp_path / "without.wav", redo=(2.0, 4.0), steps=2, model=model).save(
        tmp_path / "edited.wav"
    )
    assert read_recipe(tmp_path / "edited.json").attributes == told


def test_generate_writes_chords_and_recipe_and_an_edit_keeps_them(clip, pipeline, tmp_path):
    write_motion(tmp_path / "dance.bvh", clip)
    request = GenerateRequest(
        (tmp_path / "dance.bvh",), tmp_path / "a.wav",
        options=MusicOptions(
            genre="house", steps=2, beats=BEATS, composer=ComposerOptions(chords="Am F C G")
        ),
    )  # fmt: skip
    lazy = LazyPipeline.around(pipeline)
    (piece,) = generate(request, pipeline=lazy).pieces
    assert (piece.harmony.key, piece.harmony.chords) == ("A minor", "Am F C G")
    written = read_chords(tmp_path / "a.chords.txt")
    assert written == ((0.0, "Am"), (2.0, "F"), (4.0, "C"), (6.0, "G"))
    recipe = read_recipe(tmp_path / "a.json")
    assert [c.name for c in recipe.harmony.chords] == ["Am", "F", "C", "G"]
    before = json.loads((tmp_path / "a.json").read_text())["kinetune"]["harmony"]
    edited = kt.edit(tmp_path / "a.wav", redo=(2.0, 4.0), steps=2, model=pipeline)
    edited.save(tmp_path / "b.wav")
    assert json.loads((tmp_path / "b.json").read_text())["kinetune"]["harmony"] == before
    change = EditRequest(
        tmp_path / "a.wav", output=tmp_path / "c.wav", redo=(2.0, 4.0),
        options=MusicOptions(steps=2),
    )  # fmt: skip
    harmony = edit_file(change, pipeline=lazy).harmony
    assert (harmony.key, harmony.chords) == ("A minor", "Am F C G")
    assert read_chords(tmp_path / "c.chords.txt") == written
    (tmp_path / "c.wav").unlink()
    (tmp_path / "c.json").unlink()
    with pytest.raises(OutputError, match=r"c\.chords\.txt"):
        edit_file(change, pipeline=lazy)
    assert not (tmp_path / "c.wav").exists()
    (tmp_path / "a.wav").unlink()
    (tmp_path / "a.json").unlink()
    with pytest.raises(OutputError, match=r"a\.chords\.txt"):
        generate(request, pipeline=lazy)


def test_chords_for_a_model_without_harmony_are_refused(clip):
    plain = shaken(build_pipeline(replace(tiny_stereo_config(), harmony=False)))
    with pytest.raises(ConfigError, match="has no key and chords as a condition"):
        kt.generate(clip, chords="Am F", model=plain)
    with pytest.raises(ConfigError, match="only the composer redoes bars"):
        kt.generate(clip, redo=[(0.0, 2.0)], model=plain)
