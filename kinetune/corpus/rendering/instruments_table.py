"""Every instrument by name, synthesised and recorded, as styles and scores name them."""

from collections.abc import Mapping

from kinetune.corpus.rendering.instruments import SYNTHESISED, Instrument
from kinetune.corpus.rendering.sampled import SAMPLED

INSTRUMENTS: Mapping[str, Instrument] = {**SYNTHESISED, **SAMPLED}
