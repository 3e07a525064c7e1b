"""Options of music generation."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from kinetune import genres
from kinetune.composer.options import ComposerOptions
from kinetune.corpus.prompts.reader import Prompt
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import ControlScore, check_score
from kinetune.tasks.requests.beat_options import BeatOptions

Engine = Literal["diffusion", "composer"]
MAX_STEPS, MAX_GUIDANCE = 1000, 50.0


@dataclass(frozen=True)
class MusicOptions:
    """Options of music generation; None takes the value from the dance or the checkpoint.

    Attributes:
        genre: Name or code.
        seed: 0 or more; the same seed, dance and options give the same music.
        steps: Denoising steps, 1 to 1000.
        guidance: Classifier-free guidance scale, 0 to 50; 1 is off.
        beats: Which beats it is made to.
        loop: Make a seamless loop of whole bars.
        score: Sections, accents and silences.
        engine: What makes the music: the diffusion model, or the composer.
        composer: Key and chords, for a model that reads them too; and the stretches that the
            composer regenerates.
        loop_bars: Bars of a loop, from the beginning of the dance; None takes all of the dance.
        prompt: What the music should be like, as it was read; see ``generating/prompt.py``, which
            also sets genre, beats and score from it.

    Raises:
        ConfigError: An unknown genre or engine, a number out of range, or an option of the other
            engine.
    """

    genre: str | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    beats: BeatOptions = field(default_factory=BeatOptions)
    loop: bool = False
    score: ControlScore | None = None
    engine: Engine = "diffusion"
    composer: ComposerOptions = field(default_factory=ComposerOptions)
    loop_bars: int | None = None
    prompt: Prompt | None = None

    def __post_init__(self) -> None:
        if self.genre is not None:
            genres.genre_code(self.genre)
        if self.seed < 0:
            raise ConfigError(f"the seed must be 0 or more, found {self.seed}")
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise ConfigError(f"steps must be 1 to {MAX_STEPS}, found {self.steps}")
        if self.guidance is not None and not 0.0 <= self.guidance <= MAX_GUIDANCE:
            raise ConfigError(f"guidance must be 0 to {MAX_GUIDANCE:g}, found {self.guidance:g}")
        if self.score is not None:
            check_score(self.score)
        if self.loop_bars is not None and not (self.loop and self.loop_bars >= 1):
            raise ConfigError(
                f"bars of a loop are counted from 1 and need a loop, found {self.loop_bars}"
            )
        self._check_engine()

    @property
    def holds_tempo(self) -> bool:
        """Whether a loop keeps the tempo of its beats instead of filling the dance."""
        return self.beats.sets_tempo or self.loop_bars is not None

    def _check_engine(self) -> None:
        if self.engine not in get_args(Engine):
            known = ", ".join(get_args(Engine))
            raise ConfigError(f"the engine must be one of {known}; found {self.engine!r}")
        if self.engine == "composer":
            if (self.steps, self.guidance) != (None, None):
                raise ConfigError("the composer has no denoising steps and no guidance")
        elif self.composer.takes:
            raise ConfigError(
                "only the composer redoes bars of a piece as it makes it: add --engine composer, "
                "or change the music with kinetune edit"
            )
