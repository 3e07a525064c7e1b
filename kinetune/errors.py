"""Every error kinetune raises on purpose.

All descend from :class:`KinetuneError`, so a caller can catch one type. Messages say where, what
was expected, what came and what to do, in one line: the command line prints them as they are.
"""


class KinetuneError(Exception):
    """Root of all errors kinetune raises on purpose."""


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
    """A place that can't be written to."""


class MissingExtraError(KinetuneError):
    """An optional package that isn't installed."""
