"""Golden values of the bundled model and the motion features."""

from pathlib import Path

import numpy as np
import pytest

from kinetune.model.conditioning.harmony import Chord, Harmony
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.motion.clip import cut
from kinetune.motion.features import paper_features, rhythm_features
from kinetune.motion.io.formats import read_motion
from tests.conftest import EXAMPLE

GOLDEN = Path(__file__).parent / "data" / "golden.npz"
SECONDS = 4.0


@pytest.fixture(scope="module")
def dance():
    return cut(read_motion(EXAMPLE), 0.0, SECONDS)


def test_the_bundled_models_mel_is_the_recorded_one(dance):
    pipeline = DanceToMusicPipeline.from_pretrained("default")
    harmony = Harmony(9, (Chord(0.0, 9, (0, 4, 9)), Chord(2.4, 5, (0, 5, 9))))
    grid = fixed_grid(100.0, 0.0, SECONDS)
    music = pipeline(dance, genre="BR", seed=3, grid=grid, harmony=harmony)
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(music.mel, golden["mel"], atol=1e-3)


def test_every_column_of_the_paper_features_is_the_recorded_one(dance):
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(paper_features(dance)[::30], golden["paper"], atol=1e-4)


def test_every_column_of_the_rhythm_features_is_the_recorded_one(dance):
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(rhythm_features(dance)[::10], golden["rhythm"], atol=1e-4)


def test_loading_the_bundled_model_prints_nothing(capfd):
    DanceToMusicPipeline.from_pretrained("default")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
