"""The ten dance genres of AIST, by name and by code.

Source: the AIST dance database and FACT (Li et al. 2021); the order is alphabetical by
code, which is that of the paper's one-hot vector (scikit-learn sorts categories).
"""

import difflib

from kinetune.errors import ConfigError

# Code, name, slowest and fastest tempo of the database's music in beats per minute.
_TABLE = (
    ("BR", "break", 80, 130),
    ("HO", "house", 110, 135),
    ("JB", "ballet-jazz", 80, 130),
    ("JS", "street-jazz", 80, 130),
    ("KR", "krump", 80, 130),
    ("LH", "la-hip-hop", 80, 130),
    ("LO", "locking", 80, 130),
    ("MH", "middle-hip-hop", 80, 130),
    ("PO", "popping", 80, 130),
    ("WA", "waacking", 80, 130),
)

CODES: tuple[str, ...] = tuple(row[0] for row in _TABLE)
NAMES: tuple[str, ...] = tuple(row[1] for row in _TABLE)
TEMPO_RANGE_BPM: dict[str, tuple[int, int]] = {row[0]: (row[2], row[3]) for row in _TABLE}
# What people call them else.
_ALIASES = {
    "BR": ("breakdance", "breakdancing", "breaking", "breakin", "bboying", "b-boying"),
    "HO": ("house-dance", "deep-house"),
    "JB": ("ballet", "jazz-ballet", "lyrical-jazz"),
    "JS": ("jazz", "jazz-funk"),
    "KR": ("krumping",),
    "LH": ("la-style-hip-hop", "la-style", "la-hiphop", "new-style", "choreography"),
    "LO": ("lock", "campbellocking"),
    "MH": ("hip-hop", "hiphop", "middle-hiphop", "old-school-hip-hop", "hip-hop-freestyle"),
    "PO": ("pop", "poppin", "boogaloo", "robot"),
    "WA": ("waack", "whacking", "wacking", "punking", "disco"),
}
_CODE_OF = dict(zip(NAMES, CODES, strict=True)) | {
    alias: code for code, aliases in _ALIASES.items() for alias in aliases
}


def genre_code(text: str) -> str:
    """Return the two-letter code of a genre given by name or code, any case.

    Raises:
        ConfigError: No such genre; the message lists them all.
    """
    if code := find_genre(text):
        return code
    known = ", ".join(f"{name} ({code})" for code, name in zip(CODES, NAMES, strict=True))
    close = difflib.get_close_matches(_key(text), _CODE_OF, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"unknown genre {text!r}; {hint}choose one of {known}")


def find_genre(text: str) -> str | None:
    """Return the two-letter code of a genre given by name or code, any case, or None.

    Everyday names such as hip-hop, jazz or breakdance are known too.
    """
    key = _key(text)
    if key in _CODE_OF:
        return _CODE_OF[key]
    return key.upper() if key.upper() in CODES else None


def _key(text: str) -> str:
    return "-".join(text.strip().lower().replace("_", " ").replace("-", " ").split())


def genre_name(code: str) -> str:
    """Return the readable name of a genre code."""
    return NAMES[CODES.index(code)]


def genre_index(code: str) -> int:
    """Return the index of a genre code in the one-hot vector, 0 to 9."""
    return CODES.index(code)


def genre_from_filename(name: str) -> str | None:
    """Return the genre code that a name of AIST++ begins with (``gBR_...``), or None."""
    code = name[1:3].upper()
    return code if name[:1] == "g" and name[3:4] == "_" and code in CODES else None
