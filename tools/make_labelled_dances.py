"""Packs the labelled AIST++ dances into the corpus' data.

    python tools/make_labelled_dances.py MOTIONS/aist_beats

The folder holds ``clips.csv`` and one BVH a dance (AIST++ Dance Motion Dataset, CC BY 4.0,
retargeted by MotionMind). Every dance is brought to the 24 joints at 30 fps; rotations are stored
to 0.05 degrees and the pelvis to half a millimetre, as differences from frame to frame.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from kinetune.corpus.choreography import labelled_dances
from kinetune.motion.clip import resample
from kinetune.motion.io.formats import read_motion


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=labelled_dances.DATA)
    options = parser.parse_args()
    index, columns = [], []
    with (options.folder / "clips.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            clip = resample(read_motion(options.folder / f"{row['clip']}.bvh"), 30.0)
            columns.append(labelled_dances.packed(clip))
            index.append(
                {
                    "name": row["clip"],
                    "genre": row["genre"],
                    "dancer": row["dancer"],
                    "bpm": float(row["bpm"]),
                    "frames": clip.frame_count,
                    "phase_known": row["situation"] == "sBM",
                }
            )
    np.savez_compressed(
        options.output,
        motion=np.concatenate(columns, axis=1),
        index=np.frombuffer(json.dumps(index).encode(), dtype=np.uint8),
    )
    print(f"{len(index)} dances, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
