"""Every real motion beside the checkout makes music as long as itself."""

import numpy as np
import pytest

from kinetune import timebase
from kinetune.motion.io.formats import MOTION_SUFFIXES, read_motion
from tests.conftest import SHARED_MOTIONS

# The dances of g1_moves are those of a robot's 20 joints, no body that is read.
FILES = sorted(
    path
    for path in SHARED_MOTIONS.rglob("*")
    if path.suffix in MOTION_SUFFIXES and "g1_moves" not in path.parts
)


@pytest.mark.skipif(not FILES, reason="the real motions are not beside this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_motion_makes_music(mono_pipeline, path):
    clip = read_motion(path)
    music = mono_pipeline(clip, genre="MH", num_inference_steps=1)
    assert abs(music.sound.duration_s - clip.duration_s) < 1 / timebase.mel_rate_hz()
    assert np.isfinite(music.sound.samples).all()
    assert np.abs(music.sound.samples).max() > 0.05
    assert 60 <= music.grid.bpm <= 180
