"""The stems of a piece: groups of its parts under the names that studios use."""

from collections.abc import Mapping, Sequence

from kinetune.composer.piece import Piece, Voice

#: Roles of parts by stem, in the order in which stems are summed.
STEMS: Mapping[str, tuple[str, ...]] = {
    "kick": ("kick",),
    "snare": ("snare", "layer"),
    "hats": ("hat", "open_hat", "crash"),
    "percussion": ("tom", "drum"),
    "bass": ("bass",),
    "chords": ("chord", "pad"),
    "arpeggio": ("arp",),
    "lead": ("hook",),
    "fx": ("accent", "riser", "drop"),
}


def stem_groups(piece: Piece) -> dict[str, Sequence[Voice]]:
    """Return the voices of every stem that plays."""
    groups = {
        name: tuple(voice for voice in piece.voices if voice.role in roles)
        for name, roles in STEMS.items()
    }
    return {name: voices for name, voices in groups.items() if voices}
