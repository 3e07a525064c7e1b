"""Speed of video rendering.

    python benchmarks/film.py [--seconds 60]

The bundled dance, to and fro until it is long enough, with a tone for music: drawn, coded and
written as 720p at 30 pictures a second. Prints seconds by the clock and of the processor (those of
one free core), and how many times faster than it plays. Run it twice: the first film after an
installation waits for the compiler.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from long_dance import lengthened

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.motion.io.formats import read_motion
from kinetune.render import mux, skeleton_video

DANCE = Path(__file__).parent.parent / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"


def main() -> None:
    """Film it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    clip = lengthened(read_motion(DANCE), options.seconds)
    beats_s = timebase.beat_times(100.0, 0.1, options.seconds)
    rate_hz = timebase.SAMPLE_RATE_HZ
    times_s = timebase.frame_times(timebase.samples_in(options.seconds, rate_hz), rate_hz)
    tone = Sound((0.3 * np.sin(2.0 * np.pi * 220.0 * times_s)).astype(np.float32), rate_hz)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dance.mp4"
        began, cpu_began_s = time.perf_counter(), time.process_time()
        mux.write_film(path, skeleton_video.Scene(clip, beats_s, beats_s[::4], "a dance"), tone)
        spent_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began_s
        size_mb = path.stat().st_size / 1e6
    print(
        f"{options.seconds:g} s of {skeleton_video.WIDTH} x {skeleton_video.HEIGHT} at "
        f"{skeleton_video.FPS:g}: {spent_s:.1f} s, "
        f"{options.seconds / spent_s:.2f} times as fast as it plays; of the "
        f"processor {cpu_s:.1f} s, {options.seconds / cpu_s:.2f} times; {size_mb:.1f} MB"
    )


if __name__ == "__main__":
    main()
