"""Songs fitted to dances, and dances to songs: search, ranking and files."""

from kinetune.tasks.fitting.in_memory import FittedSong, fit_in_memory
from kinetune.tasks.fitting.request import FitFiles, FitRequest, FitResult, RankedFits, SongFit
from kinetune.tasks.fitting.run import fit

__all__ = [
    "FitFiles",
    "FitRequest",
    "FitResult",
    "FittedSong",
    "RankedFits",
    "SongFit",
    "fit",
    "fit_in_memory",
]
