"""Beats and music for dances."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.api.inputs import Dances, Span, Steps, dancers, loaded_pipeline, motion_paths
from kinetune.audio.export import ExportFormat
from kinetune.composer.options import Take
from kinetune.model.adapters.names import declare_genres
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Silence,
    read_control_score,
)
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.tasks.composing.engine import ComposerPipeline
from kinetune.tasks.generate import GenerateRequest, finish_music, make_music
from kinetune.tasks.generating.prompt import with_prompt
from kinetune.tasks.music import Music
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.composer_options import composer_options
from kinetune.tasks.requests.genre_choice import genre_for_dance
from kinetune.tasks.requests.music_options import Engine, MusicOptions
from kinetune.tasks.requests.score_options import combine_score

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline


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
    return BeatOptions(bpm, first_beat_s, None, metre, reading).grid_for(dancers(dance))


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
    prompt: str | None = None,
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
        key: Such as ``A minor``; drawn if None. For the composer and for models that read the
            harmony, as the bundled one does.
        chords: Likewise: such as ``Am F C G``, a chord a bar, or a file of chords.
        redo: Of composed music: takes, or starts and ends, whose bars are regenerated.
        prompt: What the music should be like, such as ``dark house with a rubber bass, no piano``:
            for the composer; the model follows genre, mode, tempo and energy.
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
    if isinstance(model, str):
        declare_genres(model, genre)
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
    options = with_prompt(options, prompt)
    inputs = motion_paths(dance)
    clip = dancers(dance)
    pipeline = ComposerPipeline() if engine == "composer" else loaded_pipeline(model, device)
    request = GenerateRequest(
        inputs,
        options=options,
        export=ExportFormat(rate_hz, None if stereo is None else 1 + stereo, loudness_lufs),
        model=pipeline.model,
    )
    code = genre_for_dance(inputs[0].name if inputs else clip.name, options.genre).code
    made = make_music(
        clip, options, genre=code, pipeline=pipeline, export=request.export, progress=progress
    )
    return finish_music(made, clip, request, inputs=inputs, pipeline=pipeline)


def _take(each: Take | Span, seed: int) -> Take:
    return each if isinstance(each, Take) else Take(*each, seed + 1)


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
