"""Every error kinetune raises on purpose.

All descend from :class:`KinetuneError`, so a caller can catch one type. Messages say where, what
was expected, what came and what to do, in one line: the command line prints them as they are. They
quote names and values from files, so control characters are escaped, and length is bounded.
"""

# Some lines of a terminal. What is longer keeps its beginning and its end.
MAX_MESSAGE = 1500
_END_CHARACTERS = 300


class KinetuneError(Exception):
    """Root of all errors kinetune raises on purpose.

    Args:
        *args: The message. It is made one line of printable text, see :func:`printable`.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(printable(arg) if isinstance(arg, str) else arg for arg in args))


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return text as one printable line, with control characters escaped.

    Args:
        text: Anything, names from files included.
        limit: Characters kept; of longer text the middle is left out.
    """
    text = _elide_middle(text, limit)
    if text.isprintable():
        return text
    return _elide_middle("".join(map(_escape, text)), limit)


def _elide_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = min(_END_CHARACTERS, limit // 3)
    return f"{text[: limit - end - 5]} ... {text[len(text) - end :]}"


def _escape(character: str) -> str:
    if character in "\n\r\t\v\f":
        return " "
    if character.isprintable():
        return character
    # Control characters, marks that reverse text, halves of characters.
    return character.encode("unicode_escape").decode("ascii")


class MotionError(KinetuneError):
    """A motion file or clip that can't be used."""


class AudioError(KinetuneError):
    """A sound file or array that can't be used."""


class ModelError(KinetuneError):
    """A checkpoint that is missing, damaged or does not fit."""


class ConfigError(KinetuneError):
    """A setting with an unknown name or an impossible value."""


class MetricError(KinetuneError):
    """Values that can't be scored."""


class OutputError(KinetuneError):
    """A file or folder that can't be written."""


class MissingExtraError(KinetuneError):
    """An optional package that isn't installed."""
