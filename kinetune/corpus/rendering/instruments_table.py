"""Every voice by name, synthesised and recorded; scores name their instruments by these."""

from collections.abc import Callable, Mapping

from kinetune.corpus.rendering.instruments import SYNTHESISED
from kinetune.corpus.rendering.sampled import SAMPLED
from kinetune.corpus.rendering.synthesis import Strike, Wave

VOICES: Mapping[str, Callable[[Strike], Wave]] = {**SYNTHESISED, **SAMPLED}
