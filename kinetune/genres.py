"""The ten dance genres of AIST, by name and by code.

Source: the AIST dance database and FACT (Li et al. 2021); the order is alphabetical by
code, which is that of the paper's one-hot vector (scikit-learn sorts categories).
"""

from kinetune.errors import ConfigError

# Code, name, slowest and fastest tempo of the database's music in beats a minute.
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
_ALSO = {"waack": "WA", "pop": "PO", "lock": "LO", "la-style-hip-hop": "LH", "breakdance": "BR"}


def genre_code(text: str) -> str:
    """Return the two-letter code of a genre given by name or code, any case.

    Raises:
        ConfigError: No such genre; the message lists them all.
    """
    if code := genre_called(text):
        return code
    known = ", ".join(f"{name} ({code})" for code, name in zip(CODES, NAMES, strict=True))
    raise ConfigError(f"unknown genre {text!r}; choose one of {known}")


def genre_called(text: str) -> str | None:
    """Return the two-letter code of a genre given by name or code, any case, or None."""
    key = text.strip().lower().replace("_", "-").replace(" ", "-")
    by_name = dict(zip(NAMES, CODES, strict=True)) | _ALSO
    if key in by_name:
        return by_name[key]
    return key.upper() if key.upper() in CODES else None


def genre_name(code: str) -> str:
    """Return the readable name of a genre code."""
    return NAMES[CODES.index(code)]


def genre_index(code: str) -> int:
    """Return the place of a genre code in the one-hot vector, 0 to 9."""
    return CODES.index(code)


def genre_told_by(name: str) -> str | None:
    """Return the genre code that a name of AIST++ begins with (``gBR_...``), or None."""
    code = name[1:3].upper()
    return code if name[:1] == "g" and name[3:4] == "_" and code in CODES else None
