"""Prompts in requests: what is decided before any music is made, and what an engine leaves out.

Genre, tempo and energy follow from options that exist; the composer does the rest, see
``composer/prompts/constraints.py``. The mode reaches models that read the harmony, other
attributes those whose condition they are.
"""

from collections.abc import Collection
from dataclasses import replace

from kinetune.corpus.prompts.reader import Prompt, read_prompt
from kinetune.corpus.prompts.vocabulary import attribute, labels
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.score_options import combine_score

# Factors on the motion energy: requested, and where the opposite is excluded.
_ENERGY = {"calm": 0.55, "energetic": 1.4}
_LESS_ENERGY = {"energetic": 0.8, "calm": 1.2}
# Axes that reach the diffusion model, the mode through its harmony.
_HEEDED_BY_MODEL = ("genre", "tempo", "energy")


def with_prompt(options: MusicOptions, text: str | None) -> MusicOptions:
    """Return options with what a prompt requests; what the options set themselves stays.

    Args:
        options: The user's others.
        text: The prompt; None leaves them as they are.

    Raises:
        ConfigError: It is empty or too long.
    """
    if text is None:
        return options
    from kinetune.corpus.prompts.sentences import find_matcher

    prompt = read_prompt(text, find_matcher())
    beats = options.beats
    if beats.bpm == "auto" and beats.beats_s is None and (pace := _pace(prompt)):
        beats = replace(beats, bpm=pace)
    return replace(
        options,
        genre=options.genre or prompt.wanted("genre"),
        beats=beats,
        score=combine_score(options.score, energy=_energy(prompt)),
        prompt=prompt,
    )


def _pace(prompt: Prompt) -> str:
    """Which reading of the tempo a prompt prefers; empty for none."""
    return prompt.wanted("tempo") or ("moderate" if prompt.unwanted("tempo") else "")


def _energy(prompt: Prompt) -> float:
    """Factor on the motion energy."""
    if (wanted := prompt.wanted("energy")) is not None:
        return _ENERGY[wanted]
    unwanted = prompt.unwanted("energy")
    return _LESS_ENERGY[unwanted[0]] if len(unwanted) == 1 else 1.0


def unheeded(
    options: MusicOptions, *, reads_harmony: bool, attributes: Collection[str] = ()
) -> tuple[str, ...]:
    """Return what a prompt says that the engine can't do, by label.

    Args:
        options: With the prompt.
        reads_harmony: Whether the model reads key and chords.
        attributes: Names of the musical attributes that are a condition of the model.
    """
    prompt = options.prompt
    if prompt is None:
        return ()
    if options.engine == "composer":
        return tuple(f"not {name}" for name in labels(_genres(prompt)))
    axes = (*_HEEDED_BY_MODEL, "mode") if reads_harmony else _HEEDED_BY_MODEL

    def left(names: tuple[str, ...]) -> list[str]:
        return labels(n for n in names if attribute(n).axis not in axes and n not in attributes)

    requested, excluded = left(prompt.requested), left(prompt.excluded)
    without = [f"no {name}" for name in (*excluded, *labels(_genres(prompt)))]
    return (*requested, *without)


def _genres(prompt: Prompt) -> list[str]:
    """The genres that a prompt excludes: there is no telling which one it wants."""
    return [name for name in prompt.excluded if attribute(name).axis == "genre"]
