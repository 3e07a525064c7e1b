"""Packs freely usable motion captures into the corpus maker's library.

    python tools/make_motion_library.py MOTIONS [-o kinetune/corpus/data/motions.npz]

MOTIONS holds the folders ``aist`` (two AIST++ sequences, CC BY 4.0), ``cmu05`` and ``cmu85`` (CMU
Graphics Lab Motion Capture Database, free for all uses) and ``animated_drawings`` (Meta Platforms,
MIT). Every clip is brought to the 24 joints at 30 fps and stored in 16-bit integers: rotations to
0.006 degrees, the pelvis to a tenth of a millimetre.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from kinetune.corpus.choreography import motion_library
from kinetune.motion.clip import resample
from kinetune.motion.io.formats import read_motion

SOURCES = {
    "aist": "AIST++ dataset, Google LLC, CC BY 4.0",
    "cmu05": "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu",
    "cmu85": "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu",
    "animated_drawings": "Animated Drawings, Meta Platforms, MIT License",
}
# A walk, a pose and a reference: no dances.
LEFT_OUT = ("05_01", "dab")


def main() -> None:
    """Write the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=motion_library.LIBRARY)
    options = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    index = []
    for folder, credit in SOURCES.items():
        for path in sorted((options.motions / folder).glob("*.[bp][vk][hl]")):
            if path.stem in LEFT_OUT:
                continue
            clip = resample(read_motion(path), motion_library.STORED_FPS)
            arrays[f"{path.stem}.pose"], arrays[f"{path.stem}.root"] = motion_library.quantise(clip)
            index.append({"name": path.stem, "credit": credit})
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), dtype=np.uint8)
    np.savez_compressed(options.output, **arrays)
    seconds = (
        sum(len(a) for k, a in arrays.items() if k.endswith("root")) / motion_library.STORED_FPS
    )
    print(f"{len(index)} clips, {seconds:.0f} s, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
