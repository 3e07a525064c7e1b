"""Run time of each stage, and peak memory."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class StageSeconds:
    """Wall-clock seconds of each stage; ``total`` leaves the loading of the model out."""

    load: float
    features: float
    denoise: float
    decode: float
    vocode: float
    total: float


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, MB (10^6 bytes)."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak * (1.0 if sys.platform == "darwin" else 1024.0) / 1e6
