"""The functions of ``import kinetune``: dances and music in memory, paths where they are handy."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound, read_sound
from kinetune.composer.options import Take
from kinetune.corpus.folder import PairSettings
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Silence,
    read_control_score,
)
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import Dancers, dance_of
from kinetune.motion.io.formats import ReadOptions, read_motion
from kinetune.motion.retargeting.joint_mapping import read_mapping
from kinetune.tasks import corpus as corpus_task
from kinetune.tasks import edit as edit_task
from kinetune.tasks import evaluate as evaluate_task
from kinetune.tasks import film as film_task
from kinetune.tasks.composing.engine import ComposerPipeline
from kinetune.tasks.corpus import CorpusRequest, CorpusResult
from kinetune.tasks.edit import EditRequest, Material
from kinetune.tasks.evaluate import EvaluateRequest, EvaluateResult, ScoringOptions
from kinetune.tasks.generate import GenerateRequest, finish_music, make_music
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music
from kinetune.tasks.recipe import find_music_recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.composer_options import composer_options
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_for_dance, genre_of_music
from kinetune.tasks.requests.music_options import Engine, MusicOptions
from kinetune.tasks.requests.output_paths import FilmOptions, check_absent
from kinetune.tasks.requests.score_options import combine_score

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline

Dance = str | Path | MotionClip
# One dancer, or several who dance together.
Dances = Dance | Sequence[Dance]
Span = tuple[float, float]
Steps = Callable[[int, int], None]


def load_motion(
    path: str | Path,
    *,
    fps: float | None = None,
    animation: str | None = None,
    mapping: str | Path | None = None,
    blender: str | Path | None = None,
) -> MotionClip:
    """Return the dance of a motion file: AIST++, AMASS, BVH, glTF, FBX or joint positions.

    Args:
        path: The file.
        fps: Frames per second, where the file's own are missing or wrong.
        animation: Which animation of a glTF or FBX file, by name.
        mapping: A TOML file that says which joint is which.
        blender: Blender's program, for FBX.

    Raises:
        MotionError: The file can't be used.
        ConfigError: The mapping can't be used.
    """
    joints = None if mapping is None else read_mapping(Path(mapping))
    program = None if blender is None else Path(blender)
    return read_motion(path, ReadOptions(joints, animation, fps, program))


def load_sound(path: str | Path) -> Sound:
    """Return the sound of a WAV, FLAC, OGG or MP3 file.

    Raises:
        AudioError: The file can't be used.
    """
    return read_sound(Path(path))


def find_beats(
    dance: Dances,
    *,
    bpm: float | str = "auto",
    first_beat_s: float | None = None,
    metre: int | None = None,
    reading: int = 1,
) -> BeatGrid:
    """Return the beats of a dance: tempo, beat times and bars.

    Args:
        dance: A motion file or a clip; or several, for the one grid of a group.
        bpm: A tempo to hold, or ``auto``, ``half`` or ``double`` of the one found.
        first_beat_s: Time at which a bar begins, to hold.
        metre: Beats per bar, 3 or 4; estimated from the motion if None.
        reading: Which of the readings of the dance to take, 1 for the most likely.

    Raises:
        KinetuneError: The file can't be used, or a number is out of range.
    """
    return BeatOptions(bpm, first_beat_s, None, metre, reading).grid_for(_dancers(dance))


def generate(  # noqa: PLR0913 - a user's options by name
    dance: Dances,
    *,
    genre: str | None = None,
    bpm: float | str = "auto",
    first_beat_s: float | None = None,
    beats_s: Sequence[float] | None = None,
    metre: int | None = None,
    reading: int = 1,
    seed: int = 0,
    loop: bool = False,
    loop_bars: int | None = None,
    score: ControlScore | str | Path | None = None,
    accents_s: Sequence[float] = (),
    silences_s: Sequence[Span] = (),
    energy: float = 1.0,
    exact: bool = False,
    engine: Engine = "diffusion",
    key: str | None = None,
    chords: str | Path | None = None,
    redo: Sequence[Take | Span] = (),
    steps: int | None = None,
    guidance: float | None = None,
    rate_hz: int | None = None,
    stereo: bool | None = None,
    loudness_lufs: float = -14.0,
    model: "str | Path | DanceToMusicPipeline" = "default",
    device: str = "auto",
    progress: Steps | None = None,
) -> Music:
    """Return music for a dance.

    Args:
        dance: A motion file or a clip, 0.5 s to 2 h long; or several that begin together, for one
            piece to which they all dance.
        genre: Name or code; from an AIST++ file name, or house, if None.
        bpm: Beats per minute; or ``auto``, ``half`` or ``double`` of the dance's tempo.
        first_beat_s: Time at which a bar begins.
        beats_s: All beat times, seconds; excludes the two above.
        metre: Beats per bar, 3 or 4; estimated from the motion if None.
        reading: Which of the readings of the dance to take, 1 for the most likely.
        seed: Random seed; each seed gives another piece.
        loop: Make a seamless loop of whole bars.
        loop_bars: Bars of that loop, from the beginning of the dance; all of it if None.
        score: Sections, accents and silences, or a TOML file of them.
        accents_s: Times of hits that stand out.
        silences_s: Start and end of silences.
        energy: Factor on the energy of all of the piece, 0.1 to 3.
        exact: Do not snap times to bar lines.
        engine: ``diffusion``, the model, or ``composer``: notes played by instruments.
        key: Of composed music, such as ``A minor``; drawn if None.
        chords: Of composed music: such as ``Am F C G``, a chord a bar, or a file of chords.
        redo: Of composed music: takes, or starts and ends, whose bars are regenerated.
        steps: Denoising steps; the model's own number if None.
        guidance: Classifier-free guidance scale; the model's own if None.
        rate_hz: Samples per second; the model's own if None.
        stereo: Two channels or one; the model's own if None.
        loudness_lufs: Integrated loudness.
        model: A bundled name, a checkpoint folder, a hub id, or a loaded pipeline.
        device: ``auto`` or a torch device.
        progress: Called with denoising steps done and in all.

    Raises:
        KinetuneError: The dance can't be used, or an option is impossible.
    """
    if isinstance(score, str | Path):
        score = read_control_score(Path(score))
    options = MusicOptions(
        genre=genre,
        seed=seed,
        steps=steps,
        guidance=guidance,
        beats=BeatOptions(
            bpm, first_beat_s, None if beats_s is None else _floats(beats_s), metre, reading
        ),
        loop=loop or loop_bars is not None,
        loop_bars=loop_bars,
        score=combine_score(
            score,
            accents=[Accent(at_s) for at_s in accents_s],
            silences=[Silence(*span) for span in silences_s],
            energy=energy,
            exact=exact,
        ),
        engine=engine,
        composer=composer_options(key, chords, [_take(each, seed) for each in redo]),
    )
    inputs = _files(dance)
    clip = _dancers(dance)
    pipeline = ComposerPipeline() if engine == "composer" else _pipeline(model, device)
    request = GenerateRequest(
        inputs,
        options=options,
        export=ExportFormat(rate_hz, None if stereo is None else 1 + stereo, loudness_lufs),
        model=pipeline.model,
    )
    code = genre_for_dance(inputs[0].name if inputs else clip.name, genre).code
    made = make_music(
        clip, options, genre=code, pipeline=pipeline, export=request.export, progress=progress
    )
    return finish_music(made, clip, request, inputs=inputs, pipeline=pipeline)


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
    is_file = isinstance(music, str | Path)
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
            beats=BeatOptions(bpm, first_beat_s), score=before.score if before else None,
        ),
        model=model if isinstance(model, str) else None,
    )  # fmt: skip
    if is_file:
        recipe = find_music_recipe(request.music)
        if recipe is not None and not isinstance(dance, MotionClip):
            request = edit_task.complete_request(request, recipe)
    material = _material(music, dance, request)
    made = _made_by_composer(music)
    if made is not None and model is None:
        from kinetune.tasks.composing.redo import edit_composed_in_memory

        return edit_composed_in_memory(made, request, material.clip, material.genre.code)
    pipeline = _pipeline(model or request.model or _model_of(music), device)
    request = replace(request, model=pipeline.model)
    return edit_task.edit_in_memory(material, request, pipeline=pipeline, progress=progress)[1]


def film(
    dance: Dances,
    music: Music | Sound | str | Path,
    path: str | Path,
    *,
    overwrite: bool = False,
    progress: Steps | None = None,
) -> Path:
    """Render a video of a dance with music, and return the .mp4 file.

    Args:
        dance: A motion file or a clip; or several dancers, who are filmed together.
        music: Any music; it begins with the dance.
        path: The .mp4 file.
        overwrite: Replace a file that exists.
        progress: Called with pictures done and in all.

    Raises:
        OutputError: The file exists, or can't be written.
        KinetuneError: The dance or the music can't be used.
    """
    target = Path(path)
    if not overwrite:
        check_absent([target])
    clip = _dancers(dance)
    sound = _sound(music)
    recipe = find_music_recipe(Path(music)) if isinstance(music, str | Path) else None
    if isinstance(music, Music):
        grid = music.beats
    else:
        grid = recipe.grid.beat_grid() if recipe else BeatOptions().grid_for(clip)
    film_task.write_film(
        target, clip, grid, sound, title=clip.name, options=FilmOptions(), progress=progress
    )
    return target


def evaluate(
    music: str | Path | Mapping[str, str | Path],
    *,
    reference: str | Path | None = None,
    motions: str | Path | None = None,
    out: str | Path | None = None,
    scoring: ScoringOptions | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EvaluateResult:
    """Return metrics of dance music from any system, with baselines.

    Args:
        music: A folder of sound files, or several by label.
        reference: Folder of the music that was danced to.
        motions: Folder of the dances.
        out: Folder for tables and pictures; None keeps none.
        scoring: How it is made.
        progress: Called with the stage, and what is done of it and in all.

    Raises:
        KinetuneError: A folder, file or label can't be used.
    """
    if isinstance(music, Mapping):
        systems = {label: Path(folder) for label, folder in music.items()}
    else:
        systems = {Path(music).resolve().name: Path(music)}
    with tempfile.TemporaryDirectory() as scratch:
        request = EvaluateRequest(
            systems,
            Path(out or scratch),
            None if reference is None else Path(reference),
            None if motions is None else Path(motions),
            scoring=scoring or ScoringOptions(),
        )
        return evaluate_task.evaluate(request, progress=progress)


def make_corpus(
    out: str | Path,
    minutes: float,
    *,
    seed: int = 0,
    pairs: PairSettings | None = None,
    workers: int | None = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> CorpusResult:
    """Make paired dances and music to train on, or continue with a corpus that was interrupted.

    Args:
        out: Its folder.
        minutes: Minutes of dance and music, at least.
        seed: The same seed gives the same corpus.
        pairs: What its pairs share: genre, length, rate.
        workers: Processes; None is one a core, which needs ``if __name__ == "__main__":`` in a
            script.
        progress: Called with the stage, and pairs done and in all.

    Raises:
        KinetuneError: A setting is out of range, or the folder can't be written to.
    """
    request = CorpusRequest(Path(out), minutes, seed, pairs or PairSettings(), workers)
    return corpus_task.make_corpus(request, progress=progress)


def _dancers(dance: Dances) -> Dancers:
    each = [dance] if isinstance(dance, str | Path | MotionClip) else dance
    return dance_of([one if isinstance(one, MotionClip) else read_motion(one) for one in each])


def _files(dance: Dances) -> tuple[Path, ...]:
    """The files of a dance; none where a dancer is in memory, for that is no file to read again."""
    each = [dance] if isinstance(dance, str | Path | MotionClip) else dance
    files = [Path(one) for one in each if not isinstance(one, MotionClip)]
    return tuple(files) if len(files) == len(each) else ()


def _sound(music: Music | Sound | str | Path) -> Sound:
    if isinstance(music, Music):
        return music.sound
    return music if isinstance(music, Sound) else read_sound(Path(music))


def _take(each: Take | Span, seed: int) -> Take:
    return each if isinstance(each, Take) else Take(*each, seed + 1)


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _material(
    music: Music | Sound | str | Path, dance: Dance | None, request: EditRequest
) -> Material:
    sound = _sound(music)
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
        return Material(sound, clip, music.beats, GenreChoice(music.genre, "recipe"))
    if isinstance(music, Sound):
        return Material(sound, clip, None, genre_for_dance(clip.name))
    recipe = find_music_recipe(request.music)
    if recipe is not None:
        genre, grid = GenreChoice(recipe.genre, "recipe"), recipe.grid.beat_grid()
    else:
        genre, grid = genre_of_music(request.music, sound, clip.name), None
    # A clip in memory is no file to make the music again from.
    motions = () if request.motion is None else (request.motion, *request.partners)
    inputs = (request.music, *motions) if motions else ()
    return Material(sound, clip, grid, genre, inputs)


def _made_by_composer(music: Music | Sound | str | Path) -> GenerateRequest | None:
    """How composed music was made; None of other music."""
    if isinstance(music, Sound):
        return None
    if isinstance(music, Music):
        made: object = music.origin.request
    else:
        recipe = find_music_recipe(Path(music))
        made = recipe and edit_task.recorded_request(recipe, Path(music))
    if isinstance(made, GenerateRequest) and made.options.engine == "composer":
        return made
    return None


def _model_of(music: Music | Sound | str | Path) -> "str | DanceToMusicPipeline":
    if not isinstance(music, Music):
        return "default"
    model = str(getattr(music.origin.request, "model", None) or "default")
    return "default" if model == "composer" else model


def _pipeline(model: "str | Path | DanceToMusicPipeline", device: str) -> LazyPipeline:
    if isinstance(model, str | Path):
        return _loaded(str(model), device)
    return LazyPipeline.around(model)


@lru_cache(maxsize=1)
def _loaded(model: str, device: str) -> LazyPipeline:
    """The model of the last call, kept for the next."""
    return LazyPipeline(model, device)
