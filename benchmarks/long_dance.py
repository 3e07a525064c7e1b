"""Make a long dance by playing a short one forwards and backwards.

    python benchmarks/long_dance.py examples/gBR_sBM_cAll_d04_mBR2_ch08.pkl 300 out/long.bvh

The clip is danced forwards and backwards until it lasts so many seconds: nothing jumps, and turns
lie on beats where the clip's own ends do.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.io.formats import read_motion, write_motion


def lengthened(clip: MotionClip, duration_s: float) -> MotionClip:
    """Return the clip to and fro until it lasts ``duration_s``: no jump, the beat goes on."""
    count = round(duration_s * clip.fps)
    order = np.concatenate([np.arange(clip.frame_count), np.arange(clip.frame_count)[::-1]])
    frames = np.resize(order, count)
    longer = replace(clip, rotations=clip.rotations[frames], root_m=clip.root_m[frames])
    return cut(longer, 0.0, duration_s)


def main() -> None:
    """Write the long dance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motion", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fps", type=float, default=30.0)
    options = parser.parse_args()
    clip = resample(read_motion(options.motion), options.fps)
    write_motion(options.output, lengthened(clip, options.seconds))


if __name__ == "__main__":
    main()
