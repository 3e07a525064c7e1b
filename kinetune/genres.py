"""The ten dance genres of AIST, by name and by code, and the names that trained models add.

A further genre has its name for a code (``salsa``). It is known once a model that was trained on it
has been named, see :func:`declare`.

Source: the AIST dance database and FACT (Li et al. 2021); the order is alphabetical by
code, which is that of the paper's one-hot vector (scikit-learn sorts categories).
"""

import difflib
import re
from collections.abc import Iterable

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


# Names that models have added in this process.
_DECLARED: set[str] = set()
_NEW_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 40


def declare(names: Iterable[str]) -> None:
    """Make further genre names known in this process: those of a trained model.

    Raises:
        ConfigError: A name is none, see :func:`known_or_new`, or is that of one of the ten genres.
    """
    for name in names:
        if known_or_new(name) != name:
            raise ConfigError(f"genre {name!r}: expected a name of its own in lower case")
        _DECLARED.add(name)


def known_or_new(text: str) -> str:
    """Return the code of a genre, which for a new genre is its name in lower case.

    Raises:
        ConfigError: The name of a new genre has other characters than letters a to z, digits and
            hyphens.
    """
    if code := find_genre(text):
        return code
    name = _key(text)
    if not _NEW_NAME.fullmatch(name) or not 3 <= len(name) <= _LONGEST_NAME:
        raise ConfigError(
            f"genre {text!r}: the name of a new genre has 3 to {_LONGEST_NAME} letters a to z, "
            "digits and hyphens"
        )
    return name


def is_new(code: str) -> bool:
    """Return whether a genre is none of the ten."""
    return code not in CODES


def genre_code(text: str) -> str:
    """Return the code of a genre given by name or code, any case.

    Raises:
        ConfigError: No such genre; the message lists them all.
    """
    if code := find_genre(text):
        return code
    known = ", ".join(f"{name} ({code})" for code, name in zip(CODES, NAMES, strict=True))
    known = ", ".join([known, *sorted(_DECLARED)])
    close = difflib.get_close_matches(_key(text), [*_CODE_OF, *_DECLARED], n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"unknown genre {text!r}; {hint}choose one of {known}")


def find_genre(text: str) -> str | None:
    """Return the code of a genre given by name or code, any case, or None.

    Everyday names such as hip-hop, jazz or breakdance are known too.
    """
    key = _key(text)
    if key in _CODE_OF:
        return _CODE_OF[key]
    if key in _DECLARED:
        return key
    return key.upper() if key.upper() in CODES else None


def _key(text: str) -> str:
    return "-".join(text.strip().lower().replace("_", " ").replace("-", " ").split())


def genre_name(code: str) -> str:
    """Return the readable name of a genre code."""
    return code if is_new(code) else NAMES[CODES.index(code)]


def genre_index(code: str) -> int:
    """Return the index of a genre code in the one-hot vector, 0 to 9.

    Raises:
        ConfigError: It is none of the ten.
    """
    if is_new(code):
        raise ConfigError(f"genre {code!r} is known only to the model that was trained on it")
    return CODES.index(code)


def genre_from_filename(name: str) -> str | None:
    """Return the genre code that a name of AIST++ begins with (``gBR_...``), or None."""
    code = name[1:3].upper()
    return code if name[:1] == "g" and name[3:4] == "_" and code in CODES else None
