"""The music of the ten genres by code; kicks and snares mark the beat in every one."""

from collections.abc import Mapping

from kinetune.corpus.composition.grammar import Style
from kinetune.corpus.styles.club import BALLET_JAZZ, HOUSE, WAACKING
from kinetune.corpus.styles.hip_hop import LA_HIP_HOP, MIDDLE_HIP_HOP, STREET_JAZZ
from kinetune.corpus.styles.street import BREAK, KRUMP, LOCKING, POPPING

STYLES: Mapping[str, Style] = {
    "BR": BREAK, "HO": HOUSE, "JB": BALLET_JAZZ, "JS": STREET_JAZZ, "KR": KRUMP,
    "LH": LA_HIP_HOP, "LO": LOCKING, "MH": MIDDLE_HIP_HOP, "PO": POPPING, "WA": WAACKING,
}  # fmt: skip
