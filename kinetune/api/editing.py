"""Edits of music."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.api.inputs import Dance, Span, Steps, loaded_pipeline, sound_of
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError
from kinetune.model.adapters.names import declare_genres
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Silence,
    read_control_score,
)
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import Dancers, dance_of
from kinetune.motion.io.formats import read_motion
from kinetune.tasks import edit as edit_task
from kinetune.tasks.edit import EditRequest, Material
from kinetune.tasks.editing.in_memory import material_of_file
from kinetune.tasks.generate import GenerateRequest
from kinetune.tasks.music import Music
from kinetune.tasks.recipe import Recipe, find_music_recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_for_dance
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.score_changes import score_changes

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline


def edit(  # noqa: PLR0913 - a user's options by name
    music: Music | Sound | str | Path,
    dance: Dance | None = None,
    *,
    redo: tuple[float, float | None] | None = None,
    continue_s: float | None = None,
    strength: float | None = None,
    genre: str | None = None,
    keep_rhythm: bool | None = None,
    exact: bool = False,
    bpm: float | str = "auto",
    first_beat_s: float | None = None,
    score: ControlScore | str | Path | None = None,
    accents_s: Sequence[float] = (),
    silences_s: Sequence[Span] = (),
    energy: float | None = None,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    model: "str | Path | DanceToMusicPipeline | None" = None,
    device: str = "auto",
    progress: Steps | None = None,
) -> Music:
    """Edit music: regenerate a span, extend it, vary it or change its genre.

    Composed music is changed by the composer, unless a model is named.

    Args:
        music: What :func:`generate` returned, a sound, or a sound file.
        dance: The dance; the music begins with it. None takes the one it was made for.
        redo: Start and end of a span to regenerate, seconds; None as end is the end of the music.
        continue_s: Seconds to add after the end.
        strength: Amount of change, 0 to 1.
        genre: Another style; the music's own if None.
        keep_rhythm: Keep the loudness envelope; None keeps it where only the genre changes.
        exact: Do not snap times to bar lines.
        bpm: Beats per minute; or ``auto``, ``half`` or ``double`` of the dance's tempo.
        first_beat_s: Time at which a bar begins.
        score: Sections, accents and silences, or a TOML file of them, in place of the music's own.
        accents_s: Times of accents to add; alone, with silences, their bars are regenerated.
        silences_s: Start and end of silences to add.
        energy: Factor on the motion energy within the new part; None leaves it.
        seed: Random seed; each seed gives another result.
        steps: Denoising steps; those of the music if None.
        guidance: Classifier-free guidance scale; that of the music if None.
        model: A bundled name, a checkpoint folder, a hub id, or a loaded pipeline; that of the
            music if None.
        device: ``auto`` or a torch device.
        progress: Called with denoising steps done and in all.

    Raises:
        KinetuneError: A file can't be used, or an option is impossible.
    """
    if isinstance(score, str | Path):
        score = read_control_score(Path(score))
    if isinstance(model, str):
        declare_genres(model, genre)
    before = getattr(music.origin.request, "options", None) if isinstance(music, Music) else None
    request = EditRequest(
        music=Path(music) if isinstance(music, str | Path) else Path("music.wav"),
        motion=None if dance is None or isinstance(dance, MotionClip) else Path(dance),
        redo=redo,
        continue_s=continue_s,
        strength=strength,
        keep_rhythm=keep_rhythm,
        exact=exact,
        options=MusicOptions(
            genre=genre, seed=seed, steps=steps, guidance=guidance,
            beats=BeatOptions(bpm, first_beat_s),
            score=before.score if before and score is None else score,
        ),
        changes=score_changes(
            [Accent(at_s) for at_s in accents_s], [Silence(*span) for span in silences_s], energy
        ),
        model=model if isinstance(model, str) else None,
    )  # fmt: skip
    recipe = find_music_recipe(request.music) if isinstance(music, str | Path) else None
    if recipe is not None and not isinstance(dance, MotionClip):
        request = edit_task.complete_request(request, recipe)
    material = _material(music, dance, request, recipe)
    made = _made_by_composer(music, recipe, request.music)
    if made is not None and model is None:
        from kinetune.tasks.composing.redo import edit_composed_in_memory

        return edit_composed_in_memory(made, request, material)
    pipeline = loaded_pipeline(model or request.model or _model_of(music), device)
    request = replace(request, model=pipeline.model)
    return edit_task.edit_in_memory(material, request, pipeline=pipeline, progress=progress)[1]


def _material(
    music: Music | Sound | str | Path,
    dance: Dance | None,
    request: EditRequest,
    recipe: Recipe | None,
) -> Material:
    sound = sound_of(music)
    clip: Dancers
    if isinstance(dance, MotionClip):
        clip = dance
    elif request.motion is not None:
        motions = (request.motion, *request.partners)
        clip = dance_of([read_motion(path, request.read) for path in motions])
    elif isinstance(music, Music):
        clip = music.clip
    else:
        raise ConfigError("which dance is the music for? Give it as the second argument")
    if isinstance(music, Music):
        genre = GenreChoice(music.genre, "recipe")
        return Material(
            sound,
            clip,
            music.beats,
            genre,
            harmony=music.harmony,
            model_lufs=music.model_lufs,
            attributes=music.attributes,
        )
    if isinstance(music, Sound):
        return Material(sound, clip, None, genre_for_dance(clip.name))
    # A clip in memory is no file to make the music again from.
    motions = () if request.motion is None else (request.motion, *request.partners)
    inputs = (request.music, *motions) if motions else ()
    return material_of_file(
        sound, clip, recipe, music=request.music, dance=clip.name, inputs=inputs
    )


def _made_by_composer(
    music: Music | Sound | str | Path, recipe: Recipe | None, path: Path
) -> GenerateRequest | None:
    """How composed music was made; None of other music."""
    made: object = None
    if isinstance(music, Music):
        made = music.origin.request
    elif recipe is not None:
        made = edit_task.recorded_request(recipe, path)
    if isinstance(made, GenerateRequest) and made.options.engine == "composer":
        return made
    return None


def _model_of(music: Music | Sound | str | Path) -> "str | DanceToMusicPipeline":
    if not isinstance(music, Music):
        return "default"
    model = str(getattr(music.origin.request, "model", None) or "default")
    return "default" if model == "composer" else model
